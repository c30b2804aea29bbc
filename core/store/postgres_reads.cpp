// SPDX-License-Identifier: Apache-2.0
// Looking at tasks.
#include "core/base/json.hpp"
#include "core/store/postgres_values.hpp"
#include "core/store/store_errors.hpp"

#include <limits>
#include <utility>

namespace cofounder {
namespace {

std::optional<Error> read_error(std::string_view text) {
  if (text.empty()) return std::nullopt;
  const auto document = json::parse(text);
  // Somebody wrote into the table by hand: show what is there.
  if (!document) return make_error("unknown", std::string{text});
  return json::error_from_json(document->root());
}

TaskRecord read_task(const PostgresRows& rows, int row) {
  TaskRecord record;
  record.id = rows.id(row, 0);
  record.op = rows.text(row, 2);
  record.queue = rows.text(row, 3);
  record.priority = rows.small(row, 4);
  record.timeout = Milliseconds{rows.integer(row, 5)};
  record.attempt = rows.small(row, 6);
  record.attempts_max = rows.small(row, 7);
  record.unique_key = rows.text(row, 8);
  record.schedule = rows.text(row, 9);
  record.submitter = rows.text(row, 10);
  record.submitted_at = rows.time(row, 11);
  record.run_at = rows.time(row, 12);
  record.started_at = rows.optional_time(row, 13);
  record.error = read_error(rows.text(row, 14));
  record.ended_at = rows.optional_time(row, 15);
  record.state = waiting_state(static_cast<TaskState>(rows.integer(row, 1)), record.run_at,
                               rows.time(row, 16));
  return record;
}

}  // namespace

PostgresTrip get_of(const PostgresPlace& place, TaskId task) {
  const auto id = static_cast<std::int64_t>(task);
  PostgresTrip trip;
  trip.add(place.dialect.begin_reading);
  trip.add(place.dialect.get, PostgresParams{}.add(place.now).add(id));
  trip.add(place.dialect.get_attempts, PostgresParams{}.add(id));
  trip.add(place.dialect.commit);
  return trip;
}

std::optional<TaskRecord> read_record(const std::vector<PostgresRows>& rows) {
  const PostgresRows& found = rows[1];
  if (found.empty()) return std::nullopt;
  TaskRecord record = read_task(found, 0);
  record.args = found.text(0, 17);
  record.result = found.text(0, 18);
  const PostgresRows& attempts = rows[2];
  for (int i = 0; i < attempts.size(); ++i) {
    AttemptRecord& attempt = record.attempts.emplace_back();
    attempt.attempt = attempts.small(i, 0);
    attempt.node = attempts.text(i, 1);
    attempt.started_at = attempts.time(i, 2);
    attempt.ended_at = attempts.time(i, 3);
    attempt.outcome = to_string(static_cast<Outcome::Kind>(attempts.integer(i, 4)));
    attempt.error = read_error(attempts.text(i, 5));
  }
  // The one that runs has no row yet: the task's own row says it all.
  if (record.state == TaskState::running) {
    AttemptRecord& attempt = record.attempts.emplace_back();
    attempt.attempt = record.attempt;
    attempt.node = found.text(0, 19);
    attempt.started_at = record.started_at.value_or(Time{});
    attempt.outcome = "running";
  }
  return record;
}

PostgresTrip list_of(const PostgresPlace& place, const TaskQuery& query) {
  PostgresParams params;
  params.add(place.now);
  params.add(query.after == 0 ? std::numeric_limits<std::int64_t>::max()
                              : static_cast<std::int64_t>(query.after));
  params.add(query.limit + 1).add_text_or_null(query.op).add_text_or_null(query.queue);
  params.add(query.state ? std::optional{static_cast<std::int64_t>(*query.state)}
                         : std::optional<std::int64_t>{});
  const std::string* sql = &place.dialect.list;
  if (query.state) {
    sql = !is_over(*query.state)                    ? &place.dialect.list_living
          : *query.state == TaskState::succeeded ? &place.dialect.list_finished
                                                   : &place.dialect.list_badly;
  }
  PostgresTrip trip;
  trip.add(*sql, std::move(params));
  return trip;
}

TaskPage read_list(const PostgresRows& rows, int limit) {
  TaskPage page;
  for (int i = 0; i < rows.size() && i < limit; ++i) page.tasks.push_back(read_task(rows, i));
  if (rows.size() > limit) page.next = page.tasks.back().id;
  return page;
}

PostgresTrip counts_of(const PostgresPlace& place, Time since) {
  const bool is_all = since == Time{};
  // A task's id is never older than its submission.
  const std::int64_t first = is_all ? 0 : static_cast<std::int64_t>(first_task_id(since));
  PostgresTrip trip;
  trip.add(place.dialect.begin_reading);
  trip.add(place.dialect.count_living, PostgresParams{}.add(place.now).add(first).add(since));
  if (is_all) {
    trip.add(place.dialect.count_all_finished);
  } else {
    trip.add(place.dialect.count_finished, PostgresParams{}.add(first).add(since));
  }
  trip.add(place.dialect.commit);
  return trip;
}

TaskCounts read_counts(const std::vector<PostgresRows>& rows) {
  TaskCounts counts;
  const PostgresRows& living = rows[1];
  for (int i = 0; i < living.size(); ++i) {
    const std::int64_t count = living.integer(i, 2);
    if (living.small(i, 0) == static_cast<int>(TaskState::running)) {
      counts.by_state[TaskState::running] += count;
      continue;
    }
    const std::int64_t ready = living.integer(i, 3);
    if (ready > 0) counts.by_state[TaskState::ready] += ready;
    if (count > ready) counts.by_state[TaskState::scheduled] += count - ready;
    counts.waiting_by_queue[living.string(i, 1)] += count;
  }
  const PostgresRows& finished = rows[2];
  for (int i = 0; i < finished.size(); ++i) {
    const auto state = static_cast<TaskState>(finished.integer(i, 1));
    counts.by_state[state] += finished.integer(i, 2);
    counts.ended.push_back({finished.string(i, 0), state, finished.integer(i, 2),
                            static_cast<double>(finished.integer(i, 3)) / 1000.0});
  }
  return counts;
}

}  // namespace cofounder
