// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/base/function.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace cofounder::host {

// Decides what becomes of an isolated plugin whose process failed: whether and when it is started
// again.  It is the one owner of that decision; it knows no process, only what it is told.  How a
// process is ended is the Proxy's affair.  On the loop only.
//
// The first restart comes at once; the next ones wait twice as long each, with jitter, until the
// plugin has worked again.  Too many failures within the window: quarantined, until an operator
// starts it or its file is another one, which makes a new Supervisor.
class Supervisor {
 public:
  enum class State {
    running,      // it is ready
    waiting,      // it failed, and is started again later
    starting,     // it is being started again
    quarantined,  // it failed too often
  };

  struct Options {
    int failures_max = 5;
    Milliseconds window{600'000};
    Milliseconds wait_first{1'000};  // of the second restart in a row
    Milliseconds wait_most{300'000};
  };

  // For a plugin that is ready.  `restart` has to lead to started() or lost().  `jitter` gives numbers of 0 up to 1; without one a generator of its own does.
  Supervisor(Clock& clock, std::string plugin, Options options, UniqueFunction<void()> restart,
             std::function<double()> jitter = {});
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  void started();        // it is ready
  void succeeded();      // a call of it ended well: the next failure is a first one
  void lost(Error why);  // its process is gone, or it did not come up

  State state() const noexcept { return state_; }
  int restarts() const noexcept { return restarts_; }
  // Why it failed last.
  const std::optional<Error>& last_error() const noexcept { return last_error_; }
  // When it is started again, while it waits.
  std::optional<Mono> next_start() const noexcept { return next_start_; }

 private:
  void wait_for_restart();

  Clock& clock_;
  const std::string plugin_;
  const Options options_;
  UniqueFunction<void()> restart_;
  std::function<double()> jitter_;
  State state_ = State::running;
  std::optional<Error> last_error_;
  std::deque<Mono> failures_;  // within the window
  int in_a_row_ = 0;           // failures since it worked last
  int restarts_ = 0;
  TimerId timer_ = 0;
  std::optional<Mono> next_start_;
};

}  // namespace cofounder::host
