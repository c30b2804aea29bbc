// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/function.hpp"

#include <chrono>
#include <cstdint>

namespace cofounder {

using Milliseconds = std::chrono::milliseconds;
using Nanoseconds = std::chrono::nanoseconds;

// Wall time, UTC: for what people and files see, and for when a task is due.
using Time = std::chrono::sys_time<std::chrono::milliseconds>;
// Monotonic time (CLOCK_MONOTONIC): for deadlines and durations.
using Mono = std::chrono::time_point<std::chrono::steady_clock, std::chrono::nanoseconds>;

using TimerId = std::uint64_t;  // 0 is never one

// The only source of time in the core, so that tests can own it (tests/support/fake_clock.hpp).
//
// now() and mono() may be called from any thread; the rest on the loop only.
class Clock {
 public:
  virtual ~Clock() = default;

  virtual Time now() const noexcept = 0;
  virtual Mono mono() const noexcept = 0;

  // Calls `action` once on the loop, not before `when`.  Actions of one moment run in the order in
  // which they were asked for.
  virtual TimerId call_at(Mono when, UniqueFunction<void()> action) = 0;

  // After it the action does not run.  An id that fired or was cancelled is ignored.
  virtual void cancel(TimerId timer) noexcept = 0;

  // Calls `action` on the loop each time that the wall clock was set (it jumped against the
  // monotonic clock), so that who waits for a wall time can look again.
  virtual void on_wall_jump(UniqueFunction<void()> action) = 0;

  TimerId call_after(Nanoseconds delay, UniqueFunction<void()> action) {
    return call_at(mono() + delay, std::move(action));
  }
};

}  // namespace cofounder
