// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/task_waiters.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {
namespace {

constexpr Milliseconds look_first{100};
constexpr Milliseconds look_last{2'000};

}  // namespace

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
  look(task, id, look_first);
  return {task, id};
}

void TaskWaiters::look(TaskId task, std::uint64_t id, Milliseconds again_after) {
  store_.get(task, [this, task, id, again_after](auto record) {
    if (!record || !*record || is_over((*record)->state)) {
      if (auto waiting = take(task, id)) waiting(std::move(record));
      return;
    }
    Waiter* const waiter = store_.is_shared() ? find(task, id) : nullptr;
    if (waiter == nullptr) return;
    waiter->look_timer = clock_.call_after(again_after, [this, task, id, again_after] {
      if (Waiter* const found = find(task, id)) found->look_timer = 0;
      look(task, id, std::min(2 * again_after, look_last));
    });
  });
}

TaskWaiters::Waiter* TaskWaiters::find(TaskId task, std::uint64_t id) {
  const auto it = waiters_.find(task);
  if (it == waiters_.end()) return nullptr;
  const auto found = std::find_if(it->second.begin(), it->second.end(),
                                  [id](const Waiter& waiter) { return waiter.id == id; });
  return found == it->second.end() ? nullptr : &*found;
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
    clock_.cancel(waiter.look_timer);
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
  clock_.cancel(found->look_timer);
  Done done = std::move(found->done);
  all.erase(found);
  if (all.empty()) waiters_.erase(it);
  return done;
}

}  // namespace cofounder
