// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/function.hpp"
#include "core/scheduler/task.hpp"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cofounder {

// How many tasks may run at once on this node.  The store claims by itself within them, whenever a
// commit frees a slot or brings a due task, so that a claim needs no trip and no fsync of its own.
struct ClaimLimits {
  int running_max = 0;                          // over all; 0: claim nothing
  std::map<std::string, int> queue_max;         // a queue that is not named has no limit of its own
  std::map<std::string, int> queue_shared_max;  // the same over all nodes of a shared store
  std::map<std::string, int> plugin_max;        // ops of a plugin that is not named are not claimed
};

struct Submitted {
  TaskId id = 0;
  bool is_new = true;  // false: unique_key matched a task that is alive; id is that one's
  TaskState state = TaskState::scheduled;
  Time submitted_at{};
};

struct TaskQuery {
  std::optional<TaskState> state;
  std::string op;     // empty: any
  std::string queue;  // empty: any
  int limit = 100;    // 1..1000
  TaskId after = 0;   // keyset cursor: tasks older than this id; 0: from the newest
};

struct TaskPage {
  std::vector<TaskRecord> tasks;  // newest first, without attempts, args and result
  TaskId next = 0;                // cursor of the next page; 0: no more
};

struct TaskCounts {
  std::map<TaskState, std::int64_t> by_state;
  std::map<std::string, std::int64_t> waiting_by_queue;  // scheduled or ready
  struct ByOp {
    std::string op;
    TaskState state;
    std::int64_t count = 0;
    double seconds = 0;  // sum of the durations of the last attempts
  };
  std::vector<ByOp> ended;  // finished tasks that are still kept
};

enum class CancelResult { cancelled, running, over, not_found };
enum class RetryResult { scheduled, not_over, not_found };

// Where tasks survive a crash, and what claims them.
//
// Asynchronous: every function returns at once; its handler runs later on the loop, exactly once,
// in the order of the commits.  A handler gets an Error with code "store_unavailable" (retryable)
// when the store cannot be used: nothing was changed then.  A success is durable.
//
// Implementations: memory (tests), SQLite, PostgreSQL; all pass tests/store/task_store_contract.
// Call it on the loop.  The store is destroyed before the loop.
class TaskStore {
 public:
  template <class T>
  using Done = UniqueFunction<void(Result<T>)>;

  // What the store tells by itself, on the loop.
  struct Listener {
    // These are this node's to run now; the claims are durable.
    UniqueFunction<void(std::vector<ClaimedTask>)> on_claimed;
    // A waiting task that no limit holds back will be due at `when` and none earlier: call
    // claim_due() then.  Replaces the former word; Time::max(): nothing waits for the clock.
    UniqueFunction<void(Time when)> on_next_due;
    // The store went away (false) or came back (true).
    UniqueFunction<void(bool available, Error why)> on_availability;

    // Of shared stores only; may be left empty.
    // These attempts are another node's to repeat, or may be soon: end them.  What they have done is
    // recorded if the fence still lets it.
    UniqueFunction<void(std::vector<AttemptKey>)> on_lost;
    // Somebody cancelled these attempts of ours on another node.
    UniqueFunction<void(std::vector<AttemptKey>)> on_cancelled;
  };

  virtual ~TaskStore() = default;

  // Whether other nodes change tasks here, too: then nobody tells this one when a task ends.
  virtual bool is_shared() const noexcept { return false; }

  // Opens the store, ends what a dead daemon left running (each such attempt is recorded as lost
  // and handled by decide(); `recovered` says how many), and begins to claim.
  struct Opened {
    std::int64_t recovered = 0;
    std::int64_t waiting = 0;
    // Rows that make no sense: such a task failed with "record_unreadable", and its row is kept.
    std::int64_t unreadable = 0;
  };
  virtual void open(Listener listener, Done<Opened> done) = 0;

  // All or nothing, in order; duplicates by unique_key included.  `now` is the submission time.
  virtual void submit(std::vector<NewTask> tasks, Time now, Done<std::vector<Submitted>> done) = 0;

  // From now on claim within these.  Until the first call nothing is claimed.
  virtual void set_limits(ClaimLimits limits) = 0;
  // Claims what is due at `now` as far as the limits allow.
  virtual void claim_due(Time now) = 0;

  // Records how attempts ended.  The answer has one entry per verdict: false when the fence did not
  // match ("lease lost": somebody else has the task, or it is over); nothing changed for that one.
  virtual void finish(std::vector<Verdict> verdicts, Done<std::vector<bool>> done) = 0;

  // false: lease lost.
  virtual void checkpoint(AttemptKey attempt, std::string state, Done<bool> done) = 0;

  // Cancels a waiting task.  `running`: the caller has to cancel the attempt; one that runs on
  // another node is told there.
  virtual void cancel(TaskId task, Time now, Done<CancelResult> done) = 0;
  // Makes a finished task wait again at `now`, with all its attempts_max ahead.
  virtual void retry(TaskId task, Time now, Done<RetryResult> done) = 0;

  virtual void get(TaskId task, Done<std::optional<TaskRecord>> done) = 0;
  virtual void list(TaskQuery query, Done<TaskPage> done) = 0;
  // Over tasks submitted at or after `since`; Time{}: all that are kept.
  virtual void counts(Time since, Done<TaskCounts> done) = 0;

  // Deletes at most `rows_max` tasks that ended before `before`, oldest first.  How many it were.
  virtual void purge(Time before, int rows_max, Done<std::int64_t> done) = 0;

  // Ends: what was asked for before is done, handlers included; nothing is claimed any more.
  virtual void close(UniqueFunction<void()> done) = 0;
};

}  // namespace cofounder
