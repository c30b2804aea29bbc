// SPDX-License-Identifier: Apache-2.0
#include "core/host/supervisor.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <memory>
#include <random>
#include <utility>

namespace cofounder::host {

namespace {

std::function<double()> own_jitter() {
  const auto generator = std::make_shared<std::minstd_rand>(std::random_device{}());
  return [generator] { return std::uniform_real_distribution<double>{0, 1}(*generator); };
}

}  // namespace

Supervisor::Supervisor(Clock& clock, std::string plugin, Options options,
                       UniqueFunction<void()> restart, std::function<double()> jitter)
    : clock_{clock},
      plugin_{std::move(plugin)},
      options_{options},
      restart_{std::move(restart)},
      jitter_{jitter ? std::move(jitter) : own_jitter()} {}

Supervisor::~Supervisor() {
  if (timer_ != 0) clock_.cancel(timer_);
}

void Supervisor::started() {
  if (state_ == State::starting) state_ = State::running;
}

void Supervisor::succeeded() {
  if (state_ == State::running) in_a_row_ = 0;
}

void Supervisor::lost(Error why) {
  if (state_ != State::running && state_ != State::starting) return;
  last_error_ = std::move(why);
  const Mono now = clock_.mono();
  failures_.push_back(now);
  while (failures_.front() + options_.window <= now) failures_.pop_front();
  ++in_a_row_;
  if (failures_.size() < static_cast<std::size_t>(std::max(1, options_.failures_max))) {
    return wait_for_restart();
  }
  last_error_->message += "; that was failure " + std::to_string(failures_.size()) + " within " +
                          to_string(options_.window) + ", so it is not started again";
  last_error_->hint = "`cofounderctl plugin start " + plugin_ + "` or a new file starts it";
  last_error_->retryable = true;
  state_ = State::quarantined;
}

// At once, then 1, 2, 4 ... times the first wait, three quarters of it up to five quarters.
void Supervisor::wait_for_restart() {
  Milliseconds wait{0};
  if (in_a_row_ > 1) {
    wait = options_.wait_first;
    for (int i = 2; i < in_a_row_ && wait < options_.wait_most; ++i) wait *= 2;
    const double factor = 0.75 + jitter_() / 2;
    const auto spread = static_cast<double>(std::min(wait, options_.wait_most).count()) * factor;
    wait = std::min(Milliseconds{static_cast<std::int64_t>(spread)}, options_.wait_most);
  }
  next_start_ = clock_.mono() + wait;
  state_ = State::waiting;
  timer_ = clock_.call_after(wait, [this] {
    timer_ = 0;
    next_start_.reset();
    ++restarts_;
    state_ = State::starting;
    restart_();
  });
}

}  // namespace cofounder::host
