// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"

#include <map>
#include <utility>
#include <vector>

namespace cofounder::test {

// Time that stands still until advance() moves it, timer by timer.
class FakeClock : public Clock {
 public:
  Time now() const noexcept override { return wall_; }
  Mono mono() const noexcept override { return mono_; }

  TimerId call_at(Mono when, UniqueFunction<void()> action) override {
    const TimerId id = ++last_;
    timers_.emplace(std::pair{when, id}, std::move(action));
    return id;
  }
  void cancel(TimerId timer) noexcept override {
    for (auto it = timers_.begin(); it != timers_.end(); ++it) {
      if (it->first.second == timer) {
        timers_.erase(it);
        return;
      }
    }
  }
  void on_wall_jump(UniqueFunction<void()> action) override {
    jumps_.push_back(std::move(action));
  }

  // Moves both clocks on, running what becomes due at its own moment.  `settle` runs between
  // timers, for instance to let a loop do what the timer started.
  template <class Settle>
  void advance(Nanoseconds by, Settle settle) {
    const Mono until = mono_ + by;
    settle();
    while (!timers_.empty() && timers_.begin()->first.first <= until) {
      auto first = timers_.extract(timers_.begin());
      if (first.key().first > mono_) move_to(first.key().first);
      first.mapped()();
      settle();
    }
    move_to(until);
    settle();
  }
  void advance(Nanoseconds by) {
    advance(by, [] {});
  }

  // Somebody sets the wall clock.
  void set_wall(Time time) {
    wall_ = time;
    rest_ = Nanoseconds{0};
    for (auto& action : jumps_) action();
  }

  std::size_t timers() const noexcept { return timers_.size(); }
  // How many were ever asked for.
  std::size_t set() const noexcept { return last_; }

 private:
  void move_to(Mono mono) {
    rest_ += mono - mono_;
    mono_ = mono;
    const auto whole = std::chrono::floor<Milliseconds>(rest_);
    wall_ += whole;
    rest_ -= whole;
  }

  Time wall_{Milliseconds{1'790'000'000'000}};  // 2026-09-21
  Mono mono_{Nanoseconds{1'000'000'000}};
  Nanoseconds rest_{0};
  TimerId last_ = 0;
  std::map<std::pair<Mono, TimerId>, UniqueFunction<void()>> timers_;
  std::vector<UniqueFunction<void()>> jumps_;
};

}  // namespace cofounder::test
