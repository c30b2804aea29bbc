// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_engine.hpp"

#include "core/base/json.hpp"
#include "core/base/log.hpp"
#include "core/store/file_lock.hpp"
#include "core/store/sqlite_session.hpp"
#include "core/store/sqlite_upkeep.hpp"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace cofounder {
namespace {

// Near 4 MB: short enough to be re-used soon, for overwriting blocks syncs faster than growing.
constexpr int wal_pages_max = 1'000;
// Longer lists of bad rows are only counted.
constexpr std::size_t unreadable_logged_max = 10;

// What is wrong with a row of the query `load`; empty: nothing.  SQLite keeps the types (STRICT),
// not the sense: somebody wrote into the file by hand, or a disk lied.
std::string row_problem(const SqliteStatement::Rows& row) {
  const auto is_between = [&row](int column, std::int64_t least, std::int64_t most) {
    return row.integer(column) >= least && row.integer(column) <= most;
  };
  constexpr auto count_max = std::int64_t{1} << 30;
  const std::int64_t state = row.integer(1);
  if (state != static_cast<int>(TaskState::scheduled) &&
      state != static_cast<int>(TaskState::running)) {
    return "its state is " + std::to_string(state);
  }
  if (!is_between(2, -100, 100)) return "its priority is " + std::to_string(row.integer(2));
  if (!is_between(3, 0, SqliteStatement::Rows::time_max)) return "its run_at is no time";
  if (!is_between(4, 0, count_max)) return "its attempt is " + std::to_string(row.integer(4));
  const std::string_view op = row.text(5);
  const bool is_op = !op.empty() && std::all_of(op.begin(), op.end(), [](char c) {
    return c > 0x20 && c < 0x7f;
  });
  if (!is_op) return "its op is no name";
  if (row.text(6).empty()) return "it has no queue";
  if (!is_between(7, 0, row.integer(4))) return "its uncounted is more than its attempts";
  if (!is_between(8, 0, count_max)) return "its attempts_max is out of range";
  if (!is_between(9, 0, SqliteStatement::Rows::time_max)) return "its timeout is out of range";
  return {};
}

}  // namespace

SqliteEngine::SqliteEngine(SqliteOptions options)
    : options_{std::move(options)}, random_{std::random_device{}()} {}

SqliteEngine::~SqliteEngine() { close(); }

Result<std::unique_ptr<SqliteEngine::Session>> SqliteEngine::make_session() {
  auto connection = open_sqlite_file(options_);
  if (!connection) return connection.error();
  return std::make_unique<Session>(std::move(connection.value()));
}

Result<TaskStore::Opened> SqliteEngine::open(Time now) {
  const Result<int> lock = lock_file(options_.file);
  if (!lock) return lock.error();
  lock_file_ = lock.value();
  // Of a daemon that died while it made a backup.
  ::unlink(copy_file_of(options_.file).c_str());
  // SQLite would make it readable for all.
  const int file = ::open(options_.file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  struct stat info{};
  if (file >= 0) {
    ::fstat(file, &info);
    ::close(file);
  }
  device_ = info.st_dev;
  inode_ = info.st_ino;
  TaskStore::Opened opened;
  try {
    auto session = make_session();
    if (!session) {
      close();
      return session.error();
    }
    session_ = std::move(session.value());
    begin();
    session_->statements.count_opening.run();
    const std::vector<TaskId> lost = load({});
    fail_unreadable_rows(now);
    for (const TaskId task : lost) end_lost(task, Outcome::Kind::lost, now);
    commit();
    opened.recovered = static_cast<std::int64_t>(lost.size());
    opened.unreadable = static_cast<std::int64_t>(unreadable_.size());
    opened.waiting = static_cast<std::int64_t>(index_.waiting());
    return opened;
  } catch (const SqliteError& error) {
    rollback();
    close();
    return open_error(options_, error);
  }
}

void SqliteEngine::reopen(Time now) {
  check_file();
  auto session = make_session();
  if (!session) throw SqliteError{SQLITE_CANTOPEN, session.error().message};
  // The old connection is closed only after the new one has committed: as long as one is open the
  // shared index of the WAL says where the last good commit ended, and a commit that failed half
  // way is overwritten rather than found again.
  std::unique_ptr<Session> old = std::exchange(session_, std::move(session.value()));
  const RunningTasks ours = running_;
  try {
    begin();
    session_->statements.count_opening.run();
    const std::vector<TaskId> lost = load(ours);
    fail_unreadable_rows(now);
    for (const TaskId task : lost) end_lost(task, Outcome::Kind::stopped, now);
    commit();
  } catch (const SqliteError&) {
    rollback();
    running_ = ours;
    session_ = std::move(old);
    throw;
  }
}

void SqliteEngine::close() noexcept {
  session_.reset();
  in_transaction_ = false;
  unlock_file(std::exchange(lock_file_, -1));
}

// Reads the waiting tasks into the index.  Returns the running ones that are not `ours`.
std::vector<TaskId> SqliteEngine::load(const RunningTasks& ours) {
  SqliteStatements& sql = session_->statements;
  index_ = ReadyIndex{};
  index_.set_limits(limits_);
  running_.clear();
  finished_.clear();
  dirty_.clear();
  unreadable_.clear();
  std::vector<TaskId> others;
  for (auto rows = sql.load.query(); rows.next();) {
    const TaskId id = to_id(rows.integer(0));
    if (std::string why = row_problem(rows); !why.empty()) {
      unreadable_.push_back({id, rows.string(5), std::move(why)});
      continue;
    }
    if (rows.small(1) != static_cast<int>(TaskState::running)) {
      index_.add(rows.text(6), rows.text(5),
                 {id, rows.time(3), static_cast<std::int16_t>(rows.integer(2))});
      continue;
    }
    index_.add_running(rows.text(6), rows.text(5), id);
    const auto found = ours.find(id);
    if (found != ours.end() && found->second.attempt == rows.integer(4)) {
      running_.emplace(*found);
    } else {
      others.push_back(id);
    }
  }
  for (auto rows = sql.load_counts.query(); rows.next();) {
    const std::uint64_t key = (std::uint64_t{number_of(rows.text(0))} << 8U) |
                              static_cast<std::uint64_t>(rows.integer(1));
    finished_[key] = FinishedCount{rows.integer(2), rows.integer(3), false};
  }
  if (auto rows = sql.newest_id.query(); rows.next()) ids_.after(to_id(rows.integer(0)));
  return others;
}

// Ends an attempt whose runner is not there any more, by the rule for all attempts.
void SqliteEngine::end_lost(TaskId task, Outcome::Kind kind, Time now) {
  ClaimedTask claim;
  read_claim(task, claim);
  Running running;
  running.attempt = claim.key.attempt;
  running.op = number_of(claim.op);
  running.started_at = claim.started_at;
  running.has_checkpoint = !claim.checkpoint.empty();
  running_.emplace(task, running);
  begun_.push_back(task);  // it was not ours before the transaction
  Outcome outcome;
  outcome.kind = kind;
  const double random = std::uniform_real_distribution<>{}(random_);
  Verdict verdict = decide(options_.retry, claim, std::move(outcome), now, Milliseconds{0}, random);
  finish(verdict);
}

// One bad row is not the end of all others.  What it holds is kept with the finished ones, where a
// person can look at it.
void SqliteEngine::fail_unreadable(const Unreadable& row, Time now, bool is_logged) {
  Error error = make_error("record_unreadable",
                           "The row of this task in the store cannot be read: " + row.why + ".");
  error.hint = "Look at it with sqlite3 in the table finished, and submit the task anew.";
  if (is_logged) log::error("store: task " + to_string(row.task) + " fails, for " + row.why);
  move_to_finished(row.task, TaskState::failed, json::to_json(error), now, Milliseconds{0}, {},
                   number_of(row.op));
}

void SqliteEngine::fail_unreadable_rows(Time now) {
  std::size_t count = 0;
  for (const Unreadable& row : unreadable_) {
    fail_unreadable(row, now, ++count <= unreadable_logged_max);
  }
}

// The file that we hold open must still be the one that the next start will find.
void SqliteEngine::check_file() const {
  struct stat info{};
  if (::stat(options_.file.c_str(), &info) != 0 || info.st_dev != device_ ||
      info.st_ino != inode_) {
    throw SqliteError{SQLITE_IOERR, "the file was moved, removed or replaced"};
  }
}

void SqliteEngine::begin() {
  if (in_transaction_) return;
  check_file();
  session_->statements.begin.run();
  in_transaction_ = true;
}

void SqliteEngine::commit() {
  write_counts();
  session_->statements.commit.run();
  in_transaction_ = false;
  begun_.clear();
  ended_.clear();
}

void SqliteEngine::rollback() noexcept {
  if (session_) session_->connection->rollback();
  in_transaction_ = false;
  for (const TaskId task : begun_) running_.erase(task);
  // Backwards: of a task that ended twice the older attempt was ours.
  for (auto it = ended_.rbegin(); it != ended_.rend(); ++it) running_[it->first] = it->second;
  begun_.clear();
  ended_.clear();
}

void SqliteEngine::checkpoint_if_due() {
  if (session_->connection->wal_pages() < wal_pages_max) return;
  try {
    session_->connection->checkpoint();
  } catch (const SqliteError& error) {
    // Nothing is lost: the WAL keeps what the file lacks, and the next commit tries again.
    log::warning(std::string{"store: the log cannot be moved into the file, ignoring: "} +
                 error.what());
  }
}

void SqliteEngine::set_limits(const ClaimLimits& limits) {
  limits_ = limits;
  index_.set_limits(limits);
}

SqliteSide& SqliteEngine::side() noexcept { return session_->side; }

std::uint32_t SqliteEngine::number_of(std::string_view op) {
  const auto [found, is_new] =
      op_numbers_.try_emplace(std::string{op}, static_cast<std::uint32_t>(ops_.size()));
  if (is_new) ops_.emplace_back(op);
  return found->second;
}

bool SqliteEngine::is_alive(TaskId task) const {
  return index_.contains(task) || running_.contains(task);
}

}  // namespace cofounder
