// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/scheduler/retry.hpp"
#include "core/scheduler/runner.hpp"
#include "core/scheduler/task_store.hpp"
#include "core/scheduler/task_waiters.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cofounder {

// Takes tasks in, has due ones run, and records how they ended.
//
// The store decides what is next and claims it (see TaskStore); the scheduler gives each claimed
// task to the runner with a deadline, ends it when the deadline passes, decides what becomes of it
// and writes that down.  It holds nothing that must survive a crash.
//
// On the loop only.  Store, runner and clock must outlive it.
class Scheduler {
 public:
  struct Options {
    int running_max = 256;
    std::map<std::string, int> queue_max;
    std::map<std::string, int> queue_shared_max;  // over all nodes
    Milliseconds retention{7 * 24 * 3'600'000LL};
    RetryPolicy retry;
  };

  // What others may want to know; every one on the loop.
  struct Event {
    enum class Kind { submitted, started, progress, output, ended, retrying } kind;
    TaskId task = 0;
    std::string op{};
    int attempt = 0;
    TaskState state = TaskState::scheduled;
    double fraction = -1;       // progress; negative: unknown
    std::string text{};         // progress and output
    Milliseconds waited{0};     // started: since it was due
    const Verdict* verdict = nullptr;  // ended and retrying; valid during the call
  };
  using Observer = std::function<void(const Event&)>;

  // A running attempt, for GET /v1/tasks/{id} and `task why`.
  struct Running {
    AttemptKey key;
    std::string op{};
    std::string queue;
    Mono started;
    Mono deadline;
    double fraction = -1;
    std::string progress;
    std::optional<CancelReason> cancelled;
  };

  Scheduler(TaskStore& store, Runner& runner, Clock& clock, Options options);
  ~Scheduler();

  // Opens the store and begins.
  void start(TaskStore::Done<TaskStore::Opened> done);

  void submit(std::vector<NewTask> tasks, TaskStore::Done<std::vector<Submitted>> done);
  // Cancels a waiting task, or the attempt of a running one (the answer is then `running` and the
  // task ends soon).
  void cancel(TaskId task, TaskStore::Done<CancelResult> done);
  void retry(TaskId task, TaskStore::Done<RetryResult> done);

  // Calls `done` when the task is over (at once when it is, or is unknown) or at `until`, with the
  // record as it is then.
  TaskWait wait(TaskId task, Mono until, TaskWaiters::Done done);
  // Who asked went away: `done` is dropped.
  void forget(const TaskWait& wait) noexcept;
  std::size_t waiting_count() const noexcept;  // how many wait()

  // From the plugin host, for a running attempt; others are ignored.
  void progress(AttemptKey attempt, double fraction, std::string text);
  void output(AttemptKey attempt, std::string text);

  // A plugin came, went or changed how much it takes.
  void capacity_changed();
  // Takes nothing new; `done` when nothing runs any more.  resume() takes work again.
  void drain(UniqueFunction<void()> done);
  void resume();
  // Cancels what runs, records it as waiting again (no attempt is used up when it ends as
  // cancelled for stopping) and closes the store.
  void stop(UniqueFunction<void()> done);

  void set_options(Options options);
  void observe(Observer observer);  // for the daemon's lifetime

  std::optional<Running> find_running(TaskId task) const;
  std::vector<Running> running() const;
  std::size_t running_count() const noexcept;
  bool is_draining() const noexcept;
  // Why the store is away, while it is.
  const std::optional<Error>& store_problem() const noexcept;
  // Calls `done` when the store has answered, be it with an error: the sign of life for the watchdog.
  // Never, when the store hangs or due tasks are not looked at.
  void heartbeat(UniqueFunction<void()> done);
  // The store has owed an answer for too long.
  bool is_stuck(Mono now) const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
