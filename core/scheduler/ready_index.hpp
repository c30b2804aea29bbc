// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/task_store.hpp"

#include <map>
#include <memory>
#include <string_view>
#include <vector>

namespace cofounder {

// Which waiting task is next: the decision, without any I/O.  Stores that claim from memory hold
// one; it holds the waiting tasks (about 40 bytes each) and counts the running ones.
//
// Tasks of one queue and one plugin form a lane: a heap of those that wait for the clock and a heap
// of those that are ready (priority, then due time, then id).  A lane is passed over while its
// queue or plugin is at its limit, so a blocked plugin costs the others nothing.
//
// Not thread-safe.
class ReadyIndex {
 public:
  struct Entry {
    TaskId task;
    Time run_at;
    std::int16_t priority;
  };

  ReadyIndex();
  ~ReadyIndex();
  ReadyIndex(ReadyIndex&&) noexcept;
  ReadyIndex& operator=(ReadyIndex&&) noexcept;

  void set_limits(const ClaimLimits& limits);

  // A task waits.  `op` is "plugin.operation".
  void add(std::string_view queue, std::string_view op, const Entry& entry);
  // A waiting task is no more (cancelled).  Unknown ones are ignored.
  void remove(TaskId task) noexcept;
  bool contains(TaskId task) const noexcept;

  // Takes at most `count_max` tasks that may start at `now`, best first, and counts them as
  // running.
  std::vector<TaskId> claim(Time now, std::size_t count_max);
  // A task runs already: when the index is built anew while tasks run.
  void add_running(std::string_view queue, std::string_view op, TaskId task);
  // A running task ended or went back to waiting (then add() it too).
  void ended(TaskId task) noexcept;

  // When to look again because of the clock: the earliest run_at of a task that no limit holds
  // back.  Time::min() when one could be claimed at once, Time::max() when none waits.
  Time next_due(Time now) const;

  std::size_t waiting() const noexcept;
  std::size_t running() const noexcept;
  // How many of the waiting ones are due at `now`, whatever the limits say.
  std::size_t ready(Time now);
  std::map<std::string, std::int64_t> waiting_by_queue() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
