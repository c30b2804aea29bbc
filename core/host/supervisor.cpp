// SPDX-License-Identifier: Apache-2.0
#include "core/host/supervisor.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <random>
#include <utility>

namespace cofounder::host {

namespace {

std::function<double()> own_jitter() {
  const auto generator = std::make_shared<std::minstd_rand>(std::random_device{}());
  return [generator] { return std::uniform_real_distribution<double>{0, 1}(*generator); };
}

}  // namespace

std::string_view to_string(Supervisor::State state) noexcept {
  switch (state) {
    case Supervisor::State::stopped:
      return "stopped";
    case Supervisor::State::starting:
      return "starting";
    case Supervisor::State::running:
      return "running";
    case Supervisor::State::ending:
      return "ending";
    case Supervisor::State::waiting:
      return "waiting";
    case Supervisor::State::quarantined:
      return "quarantined";
  }
  return "unknown";
}

std::string describe_end(int exit_code, int signal) {
  if (signal == 0) return "exit code " + std::to_string(exit_code);
  const char* const name = ::sigabbrev_np(signal);
  return "signal " + std::to_string(signal) + (name == nullptr ? "" : " (SIG" + std::string{name} + ")");
}

Supervisor::Supervisor(Clock& clock, std::string plugin, Options options, Hands hands,
                       std::function<double()> jitter)
    : clock_{clock},
      plugin_{std::move(plugin)},
      options_{options},
      hands_{std::move(hands)},
      jitter_{jitter ? std::move(jitter) : own_jitter()} {}

Supervisor::~Supervisor() { cancel_timer(); }

void Supervisor::set_state(State state) {
  if (std::exchange(state_, state) == state) return;
  if (hands_.changed) hands_.changed(state);
}

void Supervisor::cancel_timer() {
  if (timer_ != 0) clock_.cancel(std::exchange(timer_, 0));
  next_start_.reset();
}

void Supervisor::launch() {
  cancel_timer();
  doomed_.reset();
  again_ = false;
  set_state(State::starting);
  hands_.start();
}

// ---- What an operator wants ----------------------------------------------------------------------

void Supervisor::start() {
  wanted_ = true;
  if (state_ == State::starting || state_ == State::running) return;
  failures_.clear();
  in_a_row_ = 0;
  if (state_ == State::ending) {
    again_ = true;
  } else {
    launch();
  }
}

void Supervisor::file_changed() {
  if (wanted_ && (state_ == State::waiting || state_ == State::quarantined)) start();
}

void Supervisor::stop() {
  wanted_ = false;
  again_ = false;
  switch (state_) {
    case State::stopped:
    case State::ending:
      return;
    case State::waiting:
    case State::quarantined:
      cancel_timer();
      return set_state(State::stopped);
    case State::starting:
    case State::running:
      set_state(State::ending);
      timer_ = clock_.call_after(options_.kill_after, [this] {
        timer_ = 0;
        hands_.kill();
      });
      hands_.terminate();
  }
}

// ---- What happens to the process -----------------------------------------------------------------

void Supervisor::started() {
  if (state_ == State::starting) set_state(State::running);
}

void Supervisor::succeeded() {
  if (state_ == State::running) in_a_row_ = 0;
}

void Supervisor::missed_heartbeat() { doom("plugin_silent", "gave no sign of life", false); }
void Supervisor::broken_frame(std::string_view what) {
  doom("plugin_broken_frame", "sent a broken frame: " + std::string{what}, false);
}
void Supervisor::memory_exceeded(std::string_view what) {
  doom("plugin_out_of_memory", "took more memory than it may: " + std::string{what}, false);
}
void Supervisor::overran(std::string_view what) {
  doom("plugin_overran", "did not end " + std::string{what} + " within the grace time", true);
}

// The first reason counts; a later one may be less patient.
void Supervisor::doom(const char* code, std::string why, bool politely) {
  if (state_ != State::starting && state_ != State::running) {
    if (state_ == State::ending && !politely && timer_ != 0) {
      cancel_timer();
      hands_.kill();
    }
    return;
  }
  doomed_ = make_failure(code, why);
  set_state(State::ending);
  if (!politely) return hands_.kill();
  timer_ = clock_.call_after(options_.kill_after, [this] {
    timer_ = 0;
    hands_.kill();
  });
  hands_.terminate();
}

void Supervisor::ended(int exit_code, int signal) {
  if (state_ == State::stopped || state_ == State::waiting || state_ == State::quarantined) return;
  cancel_timer();
  const bool asked = state_ == State::ending && !doomed_;
  if (doomed_) {
    Error error = std::move(*doomed_);
    doomed_.reset();
    error.message += "; it ended with " + describe_end(exit_code, signal);
    last_error_ = error;
    if (wanted_) return failed(std::move(error));
  } else if (!asked) {
    return failed(make_failure("plugin_crashed", "ended with " + describe_end(exit_code, signal)));
  }
  if (wanted_ && again_) return launch();
  set_state(State::stopped);
}

void Supervisor::failed(Error error) {
  last_error_ = std::move(error);
  const Mono now = clock_.mono();
  if (again_) {  // an operator has spoken meanwhile
    ++restarts_;
    return launch();
  }
  failures_.push_back(now);
  while (!failures_.empty() && failures_.front() + options_.window <= now) failures_.pop_front();
  ++in_a_row_;
  if (failures_.size() >= static_cast<std::size_t>(std::max(1, options_.failures_max))) {
    last_error_->message += "; that was failure " + std::to_string(failures_.size()) + " within " +
                            cofounder::to_string(options_.window) + ", so it is not started again";
    last_error_->hint = "`cofounderctl plugin start " + plugin_ + "` or a new file starts it";
    last_error_->retryable = true;
    return set_state(State::quarantined);
  }
  wait_for_restart();
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
  set_state(State::waiting);
  timer_ = clock_.call_after(wait, [this] {
    timer_ = 0;
    ++restarts_;
    launch();
  });
}

Error Supervisor::make_failure(const char* code, std::string_view why) const {
  Error error = make_error(code, "plugin \"" + plugin_ + "\" " + std::string{why}, true);
  error.plugin = plugin_;
  return error;
}

}  // namespace cofounder::host
