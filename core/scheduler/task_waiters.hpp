// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

#include "core/base/clock.hpp"
#include "core/scheduler/task_store.hpp"

namespace cofounder {

// One who waits, for forgetting it.
struct TaskWait {
  TaskId task = 0;
  std::uint64_t id = 0;
};

// Those who wait for a task to be over (?wait=30s).  On the loop only.
class TaskWaiters {
 public:
  using Done = TaskStore::Done<std::optional<TaskRecord>>;

  TaskWaiters(TaskStore& store, Clock& clock) : store_{store}, clock_{clock} {}

  // Calls `done` with the record when the task is over (at once when it is, or is unknown), or as it
  // is at `until`.
  TaskWait wait(TaskId task, Mono until, Done done);
  // `done` will not be called any more, and is gone; unknown ones are ignored.
  void forget(const TaskWait& wait) noexcept { static_cast<void>(take(wait.task, wait.id)); }
  std::size_t size() const noexcept;
  void task_over(TaskId task);

 private:
  struct Waiter {
    std::uint64_t id = 0;
    TimerId timer = 0;
    TimerId look_timer = 0;  // of a shared store, where tasks end unheard
    Done done;
  };
  void look(TaskId task, std::uint64_t id, Milliseconds again_after);
  Waiter* find(TaskId task, std::uint64_t id);
  Done take(TaskId task, std::uint64_t id);  // empty when it was answered meanwhile

  TaskStore& store_;
  Clock& clock_;
  std::unordered_map<TaskId, std::vector<Waiter>> waiters_;
  std::uint64_t last_ = 0;
};

}  // namespace cofounder
