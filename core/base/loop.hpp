// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/function.hpp"

#include <memory>

namespace boost::asio {
class io_context;
}

namespace cofounder {

// The core's one event loop: an io_context that one thread runs.  Everything in the core that has
// state lives on it, so the core needs no locks; other threads (the store's writer, plugins'
// workers) come back to it with post().
class Loop {
 public:
  Loop();
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs `action` on the loop, after what was posted before.  From any thread.  Cheap in bursts:
  // the loop is woken once for all that wait.
  void post(UniqueFunction<void()> action);

  // Runs `action` once the handler that runs now is over, and with it all that was posted before:
  // for work that is done once for many.  On the loop only.
  void defer(UniqueFunction<void()> action);

  // Runs until stop(); an exception of an action ends it and reaches the caller.
  void run();
  // Runs what is ready and returns: for tests.  Returns whether anything ran.
  bool poll();
  void stop();  // from any thread

  bool is_this_thread() const noexcept;

  boost::asio::io_context& context() noexcept;
  Clock& clock() noexcept;  // real time on this loop

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
