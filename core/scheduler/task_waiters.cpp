// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/task_waiters.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {

TaskWait TaskWaiters::wait(TaskId task, Mono until, Done done) {
  Waiter waiter;
  waiter.id = ++last_;
  waiter.done = std::move(done);
  const std::uint64_t id = waiter.id;
  waiter.timer = clock_.call_at(until, [this, task, id] {
    if (auto waiting = take(task, id)) store_.get(task, std::move(waiting));
  });
  // It waits before it looks, so that an end in between is not missed.
  waiters_[task].push_back(std::move(waiter));
  store_.get(task, [this, task, id](auto record) {
    if (record && *record && !is_over((*record)->state)) return;
    if (auto waiting = take(task, id)) waiting(std::move(record));
  });
  return {task, id};
}

std::size_t TaskWaiters::size() const noexcept {
  std::size_t count = 0;
  for (const auto& [task, all] : waiters_) count += all.size();
  return count;
}

void TaskWaiters::task_over(TaskId task) {
  const auto it = waiters_.find(task);
  if (it == waiters_.end()) return;
  auto all = std::move(it->second);
  waiters_.erase(it);
  for (auto& waiter : all) {
    clock_.cancel(waiter.timer);
    store_.get(task, std::move(waiter.done));
  }
}

TaskWaiters::Done TaskWaiters::take(TaskId task, std::uint64_t id) {
  const auto it = waiters_.find(task);
  if (it == waiters_.end()) return {};
  auto& all = it->second;
  const auto found =
      std::find_if(all.begin(), all.end(), [id](const Waiter& waiter) { return waiter.id == id; });
  if (found == all.end()) return {};
  clock_.cancel(found->timer);
  Done done = std::move(found->done);
  all.erase(found);
  if (all.empty()) waiters_.erase(it);
  return done;
}

}  // namespace cofounder
