// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/ready_index.hpp"
#include "core/store/sqlite_schema.hpp"
#include "core/store/sqlite_side.hpp"
#include "core/store/sqlite_statements.hpp"

#include <memory>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace cofounder {

// What the writer thread does to the file, one call after the other.  Knows nothing of threads.
//
// Every change happens in a transaction that begins by itself and ends with commit().  After a
// SqliteError nothing but rollback(), then reopen() is allowed: the file and what is in memory may
// differ until then.
class SqliteEngine {
 public:
  explicit SqliteEngine(SqliteOptions options);
  ~SqliteEngine();

  // Errors as TaskStore::open.
  Result<TaskStore::Opened> open(Time now);
  // After an error: reads everything anew.  What was running for the caller still is.
  void reopen(Time now);
  void close() noexcept;
  bool is_open() const noexcept { return session_ != nullptr; }

  void begin();  // no-op within a transaction
  bool is_in_transaction() const noexcept { return in_transaction_; }
  void commit();
  void rollback() noexcept;
  void checkpoint_if_due();

  Submitted submit(NewTask task, Time now);
  void set_limits(const ClaimLimits& limits);
  std::vector<ClaimedTask> claim(Time now, std::size_t count_max);
  Time next_due(Time now) const { return index_.next_due(now); }
  bool finish(Verdict& verdict);
  bool checkpoint(AttemptKey attempt, std::string_view state);
  CancelResult cancel(TaskId task, Time now);
  Result<RetryResult> retry(TaskId task, Time now);
  std::int64_t purge(Time before, int rows_max);
  TaskCounts counts(Time now);  // over all tasks
  TaskId fire(const std::string& name, Time due, NewTask task, bool skip_if_alive, Time now);
  SqliteSide& side() noexcept;  // schedules, values, usage

 private:
  struct Session;  // one opening of the file
  struct Running {
    std::int32_t attempt = 0;
    std::uint32_t op = 0;
    Time started_at{};
    bool has_checkpoint = false;
  };
  struct FinishedCount {
    std::int64_t count = 0;
    std::int64_t took = 0;
    bool is_dirty = false;
  };
  struct Unreadable {  // a row that nobody of us wrote
    TaskId task = 0;
    std::string op;
    std::string why;
  };
  using RunningTasks = std::unordered_map<TaskId, Running>;

  Result<std::unique_ptr<Session>> make_session();
  std::vector<TaskId> load(const RunningTasks& ours);
  void end_lost(TaskId task, Outcome::Kind kind, Time now);
  void fail_unreadable(const Unreadable& row, Time now, bool is_logged);
  void fail_unreadable_rows(Time now);
  bool read_claim(TaskId task, ClaimedTask& claim, bool* has_args = nullptr);
  void check_file() const;
  void move_to_finished(TaskId task, TaskState state, std::string_view error, Time ended_at,
                        Milliseconds took, std::string_view result, std::uint32_t op);
  void count_finished(std::uint32_t op, TaskState state, std::int64_t by, Milliseconds took);
  void write_counts();
  std::uint32_t number_of(std::string_view op);
  bool is_alive(TaskId task) const;

  SqliteOptions options_;
  std::unique_ptr<Session> session_;
  bool in_transaction_ = false;
  int lock_file_ = -1;
  std::uint64_t device_ = 0;  // of the file that was opened
  std::uint64_t inode_ = 0;
  IdSource ids_;
  std::minstd_rand random_;

  ClaimLimits limits_;
  ReadyIndex index_;
  RunningTasks running_;  // what this process runs
  // How to get running_ back as it was before the transaction.
  std::vector<TaskId> begun_;
  std::vector<std::pair<TaskId, Running>> ended_;
  std::vector<Unreadable> unreadable_;  // of the last load()

  std::vector<std::string> ops_;  // by number: finished tasks are counted by few names
  std::unordered_map<std::string, std::uint32_t> op_numbers_;
  std::unordered_map<std::uint64_t, FinishedCount> finished_;  // op number << 8 | state
  std::vector<std::uint64_t> dirty_;
};

}  // namespace cofounder
