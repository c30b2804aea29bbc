// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/base/function.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cofounder::host {

// Decides over the life of one plugin's process: when it is started, ended, started again, and given
// up.  It is the one owner of that state; it knows no process, only what it is told, and acts through
// `Hands`.  On the loop only.
//
// The first restart comes at once; the next ones wait twice as long each, with jitter, until the
// plugin has worked again.  Too many failures within the window: quarantined, until an operator
// starts it or its file is another one.
class Supervisor {
 public:
  enum class State {
    stopped,      // nobody wants it
    starting,     // a process comes up
    running,      // it is ready
    ending,       // it is asked, then forced to end
    waiting,      // it failed, and is started again later
    quarantined,  // it failed too often
  };

  struct Options {
    int failures_max = 5;
    Milliseconds window{600'000};
    Milliseconds wait_first{1'000};  // of the second restart in a row
    Milliseconds wait_most{300'000};
    Milliseconds kill_after{2'000};  // between SIGTERM and SIGKILL
  };

  // What it can do.  None of them may call back before it returned.
  struct Hands {
    UniqueFunction<void()> start;      // started() or ended() follows
    UniqueFunction<void()> terminate;  // SIGTERM; ended() follows, or not
    UniqueFunction<void()> kill;       // SIGKILL; ended() follows
    UniqueFunction<void(State state)> changed;
  };

  // `jitter` gives numbers of 0 up to 1; without one a generator of its own does.
  Supervisor(Clock& clock, std::string plugin, Options options, Hands hands,
             std::function<double()> jitter = {});
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // ---- What an operator wants ----
  void start();         // also when it is quarantined: the past is forgotten
  void stop();          // ends it when it runs
  void file_changed();  // as start(), for one that waits or is quarantined

  // ---- What happens to the process ----
  void started();                        // it is ready
  void succeeded();                      // a call of it ended well: the next failure is a first one
  void ended(int exit_code, int signal); // it is gone, however
  void missed_heartbeat();
  void broken_frame(std::string_view what);
  void memory_exceeded(std::string_view what);
  void overran(std::string_view what);   // its cancel and grace are over: SIGTERM, then SIGKILL

  State state() const noexcept { return state_; }
  int restarts() const noexcept { return restarts_; }
  // Why it failed last.
  const std::optional<Error>& last_error() const noexcept { return last_error_; }
  // When it is started again, while it waits.
  std::optional<Mono> next_start() const noexcept { return next_start_; }

 private:
  void set_state(State state);
  void launch();
  void doom(const char* code, std::string why, bool politely);
  void failed(Error error);
  void wait_for_restart();
  void cancel_timer();
  Error make_failure(const char* code, std::string_view why) const;

  Clock& clock_;
  const std::string plugin_;
  const Options options_;
  Hands hands_;
  std::function<double()> jitter_;
  State state_ = State::stopped;
  bool wanted_ = false;
  bool again_ = false;             // it is to start when the one that ends is gone
  std::optional<Error> doomed_;    // why it is being ended
  std::optional<Error> last_error_;
  std::deque<Mono> failures_;      // within the window
  int in_a_row_ = 0;               // failures since it worked last
  int restarts_ = 0;
  TimerId timer_ = 0;
  std::optional<Mono> next_start_;
};

std::string_view to_string(Supervisor::State state) noexcept;

// "exit code 3", "signal 11 (SIGSEGV)".
std::string describe_end(int exit_code, int signal);

}  // namespace cofounder::host
