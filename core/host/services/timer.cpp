// SPDX-License-Identifier: Apache-2.0
#include "core/base/clock.hpp"
#include "core/host/services/service.hpp"

#include <cofounder/services/timer.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace cofounder::host {

struct Timer {
  std::uint64_t handle = 0;
  std::shared_ptr<Answer> answer;
  TimerId alarm = 0;  // loop
};

namespace {

constexpr std::size_t timers_max = 262'144;             // of one plugin
constexpr Nanoseconds delay_max{std::chrono::hours{24} * 36'500};

// Whoever gets it out of the table gives its reply.
bool end_timer(Instance& instance, std::uint64_t handle, std::int32_t status) {
  const auto timer = instance.services().timers.remove(handle);
  if (timer == nullptr) return false;
  timer->answer->give(status == COF_OK ? Reply{} : Reply::failure(status));
  return true;
}

void start_on_loop(Instance& instance, const std::shared_ptr<Timer>& timer, Mono when) {
  if (timer->answer->given()) return;
  timer->alarm = clock_of(instance).call_at(when, [&instance, handle = timer->handle] {
    end_timer(instance, handle, COF_OK);
  });
  instance.on_cancel(timer->answer->operation(), [&instance, timer] {
    clock_of(instance).cancel(timer->alarm);
    if (end_timer(instance, timer->handle, COF_ECANCELLED)) {
      instance.services().count_left_open(LeftOpen::timer);
    }
  });
}

// A plugin may set a hundred thousand in a row: the loop has other work between.
void start_waiting(Instance& instance) {
  constexpr std::size_t slice = 256;
  NewTimers& fresh = instance.services().new_timers;
  std::vector<std::pair<std::shared_ptr<Timer>, Mono>> now;
  bool more = false;
  {
    const std::lock_guard lock{fresh.mutex};
    while (!fresh.waiting.empty() && now.size() < slice) {
      now.push_back(std::move(fresh.waiting.front()));
      fresh.waiting.pop_front();
    }
    more = fresh.posted = !fresh.waiting.empty();
  }
  for (const auto& [timer, when] : now) start_on_loop(instance, timer, when);
  if (more) instance.post([&instance] { start_waiting(instance); });
}

void start_later(Instance& instance, std::shared_ptr<Timer> timer, Mono when) {
  NewTimers& fresh = instance.services().new_timers;
  {
    const std::lock_guard lock{fresh.mutex};
    fresh.waiting.emplace_back(std::move(timer), when);
    if (std::exchange(fresh.posted, true)) return;
  }
  instance.post([&instance] { start_waiting(instance); });
}

int32_t after(const cof_host* host, uint64_t call_id, int64_t delay_ns, uint64_t tag,
              uint64_t* handle) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    if (tag == 0) return COF_EINVALID;
    const auto delay = std::clamp(Nanoseconds{delay_ns}, Nanoseconds{0}, delay_max);
    const Mono when = clock_of(instance).mono() + delay;
    auto operation = instance.begin(call_id, tag);
    if (operation == nullptr) return COF_EGONE;
    auto timer = std::make_shared<Timer>();
    timer->handle = next_handle();
    timer->answer = std::make_shared<Answer>(instance, std::move(operation));
    if (!instance.services().timers.add(timer->handle, timer, timers_max)) return COF_ELIMIT;
    if (handle != nullptr) *handle = timer->handle;
    start_later(instance, std::move(timer), when);
    return COF_OK;
  });
}

int32_t cancel(const cof_host* host, uint64_t handle) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    const auto timer = instance.services().timers.find(handle);
    if (timer == nullptr || !end_timer(instance, handle, COF_ECANCELLED)) return COF_EGONE;
    instance.post([&instance, timer] { clock_of(instance).cancel(timer->alarm); });
    return COF_OK;
  });
}

int64_t now_ns(const cof_host* host) noexcept {
  return serve(host, [](Instance& instance) -> std::int64_t {
    return clock_of(instance).mono().time_since_epoch().count();
  });
}

int64_t wall_ms(const cof_host* host) noexcept {
  return serve(host, [](Instance& instance) -> std::int64_t {
    return clock_of(instance).now().time_since_epoch().count();
  });
}

}  // namespace

const void* timer_table() noexcept {
  static const cof_timer_service table{sizeof(cof_timer_service), 0, after, cancel, now_ns, wall_ms};
  return &table;
}

}  // namespace cofounder::host
