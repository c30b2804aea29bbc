// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_reads.hpp"

#include "core/base/json.hpp"
#include "core/store/store_errors.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {
namespace {

// The columns that read_task() wants, in its order.
constexpr const char* living_columns =
    "SELECT id, state, op, queue, priority, timeout, attempt, attempts_max, unique_key, schedule,"
    " submitter, submitted_at, run_at, started_at, error, NULL AS ended_at FROM tasks";
constexpr const char* finished_columns =
    "SELECT id, state, op, queue, priority, timeout, attempt, attempts_max, unique_key, schedule,"
    " submitter, submitted_at, run_at, started_at, error, ended_at FROM finished";

std::optional<Error> read_error(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto document = json::parse(text);
  // Somebody wrote into the file by hand: show what is there.
  if (!document) return make_error("unknown", std::string{text});
  return json::error_from_json(document->root());
}

TaskRecord read_task(const SqliteStatement::Rows& rows, Time now) {
  TaskRecord record;
  record.id = static_cast<TaskId>(rows.integer(0));
  record.op = rows.text(2);
  record.queue = rows.text(3);
  record.priority = rows.small(4);
  record.timeout = Milliseconds{rows.integer(5)};
  record.attempt = rows.small(6);
  record.attempts_max = rows.small(7);
  record.unique_key = rows.text(8);
  record.schedule = rows.text(9);
  record.submitter = rows.text(10);
  record.submitted_at = rows.time(11);
  record.run_at = rows.time(12);
  record.started_at = rows.optional_time(13);
  record.error = read_error(rows.text(14));
  record.ended_at = rows.optional_time(15);
  record.state = waiting_state(static_cast<TaskState>(rows.integer(1)), record.run_at, now);
  return record;
}

}  // namespace

// A transaction, so that a task that moves between the tables is seen exactly once.
class SqliteReads::Snapshot {
 public:
  explicit Snapshot(SqliteConnection& connection) : connection_{connection} {
    connection_.execute("BEGIN");
  }
  ~Snapshot() { connection_.rollback(); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

 private:
  SqliteConnection& connection_;
};

SqliteReads::SqliteReads(const std::filesystem::path& file, const char* vfs, std::string node)
    : connection_{file, vfs}, node_{std::move(node)} {
  connection_.execute("PRAGMA query_only = 1");
  connection_.execute("PRAGMA cache_size = -2000");
}

SqliteStatement& SqliteReads::prepared(const std::string& sql) {
  const auto found = statements_.find(sql);
  if (found != statements_.end()) return found->second;
  return statements_.emplace(sql, SqliteStatement{connection_, sql}).first->second;
}

std::optional<TaskRecord> SqliteReads::get(TaskId task, Time now) {
  const Snapshot snapshot{connection_};
  const auto id = static_cast<std::int64_t>(task);
  std::optional<TaskRecord> record;
  {
    auto rows = prepared(std::string{living_columns} + " WHERE id = ?1").query(id);
    if (rows.next()) record = read_task(rows, now);
  }
  if (!record) {
    auto rows = prepared(std::string{finished_columns} + " WHERE id = ?1").query(id);
    if (!rows.next()) return std::nullopt;
    record = read_task(rows, now);
    auto results = prepared("SELECT result FROM finished WHERE id = ?1").query(id);
    if (results.next()) record->result = results.text(0);
  }
  auto rows = prepared("SELECT args FROM payloads WHERE id = ?1").query(id);
  if (rows.next()) record->args = rows.text(0);
  read_attempts(*record);
  return record;
}

void SqliteReads::read_attempts(TaskRecord& record) {
  auto rows = prepared(
                  "SELECT attempt, node, started_at, ended_at, outcome, error FROM attempts"
                  " WHERE task = ?1 ORDER BY attempt")
                  .query(static_cast<std::int64_t>(record.id));
  while (rows.next()) {
    AttemptRecord attempt;
    attempt.attempt = rows.small(0);
    attempt.node = rows.text(1);
    attempt.started_at = rows.time(2);
    attempt.ended_at = rows.time(3);
    attempt.outcome = to_string(static_cast<Outcome::Kind>(rows.integer(4)));
    attempt.error = read_error(rows.text(5));
    record.attempts.push_back(std::move(attempt));
  }
  // The one that runs has no row yet: the task's own row says it all.
  if (record.state != TaskState::running) return;
  AttemptRecord attempt;
  attempt.attempt = record.attempt;
  attempt.node = node_;
  attempt.started_at = record.started_at.value_or(Time{});
  attempt.outcome = "running";
  record.attempts.push_back(std::move(attempt));
}

TaskPage SqliteReads::list(const TaskQuery& query, Time now) {
  const Snapshot snapshot{connection_};
  const auto after = query.after == 0 ? INT64_MAX : static_cast<std::int64_t>(query.after);
  std::string filter = " WHERE id < ?1 AND ?5 IS NOT NULL";
  if (!query.op.empty()) filter += " AND op = ?2";
  if (!query.queue.empty()) filter += " AND queue = ?3";
  const std::string order = " ORDER BY id DESC LIMIT ?4";
  TaskPage page;
  const auto read = [&](const std::string& sql) {
    auto rows = prepared(sql).query(after, query.op, query.queue, query.limit + 1, now);
    while (rows.next()) page.tasks.push_back(read_task(rows, now));
  };
  if (!query.state || !is_over(*query.state)) {
    std::string state;
    if (query.state == TaskState::scheduled) state = " AND state = 0 AND run_at > ?5";
    if (query.state == TaskState::ready) state = " AND state = 0 AND run_at <= ?5";
    if (query.state == TaskState::running) state = " AND state = 2";
    read(living_columns + filter + state + order);
  }
  if (!query.state || is_over(*query.state)) {
    std::string state;
    // Said in numbers, so that the partial index applies.
    if (query.state) state = " AND state = " + std::to_string(static_cast<int>(*query.state));
    if (query.state && *query.state != TaskState::succeeded) state += " AND state > 3";
    read(finished_columns + filter + state + order);
  }
  std::sort(page.tasks.begin(), page.tasks.end(),
            [](const TaskRecord& a, const TaskRecord& b) { return a.id > b.id; });
  const auto limit = static_cast<std::size_t>(query.limit);
  if (page.tasks.size() > limit) {
    page.tasks.erase(page.tasks.begin() + query.limit, page.tasks.end());
    page.next = page.tasks.back().id;
  }
  return page;
}

TaskCounts SqliteReads::counts(Time since, Time now) {
  const Snapshot snapshot{connection_};
  TaskCounts counts;
  // A task's id is never older than its submission.
  const auto first = static_cast<std::int64_t>(first_task_id(since));
  auto living = prepared(
                    "SELECT state, queue, count(*), sum(run_at <= ?3) FROM tasks"
                    " WHERE id >= ?1 AND submitted_at >= ?2 GROUP BY state, queue")
                    .query(first, since, now);
  while (living.next()) {
    if (living.small(0) == static_cast<int>(TaskState::running)) {
      counts.by_state[TaskState::running] += living.integer(2);
      continue;
    }
    const std::int64_t ready = living.integer(3);
    if (ready > 0) counts.by_state[TaskState::ready] += ready;
    if (living.integer(2) > ready) {
      counts.by_state[TaskState::scheduled] += living.integer(2) - ready;
    }
    counts.waiting_by_queue[living.string(1)] += living.integer(2);
  }
  auto finished = prepared(
                      "SELECT op, state, count(*), sum(took) FROM finished"
                      " WHERE id >= ?1 AND submitted_at >= ?2 GROUP BY op, state"
                      " ORDER BY op, state")
                      .query(first, since);
  while (finished.next()) {
    const auto state = static_cast<TaskState>(finished.integer(1));
    counts.by_state[state] += finished.integer(2);
    counts.ended.push_back({finished.string(0), state, finished.integer(2),
                            static_cast<double>(finished.integer(3)) / 1000.0});
  }
  return counts;
}

}  // namespace cofounder
