// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/base/function.hpp"
#include "core/base/loop.hpp"
#include "core/process/child_spec.hpp"

#include <chrono>
#include <cstdint>
#include <memory>

namespace cofounder {

// How a process ended, and what it had used.
struct ChildExit {
  int code = 0;    // of exit(), when signal is 0
  int signal = 0;  // that killed it
  std::chrono::microseconds cpu{0};
  std::uint64_t memory_max_bytes = 0;  // resident, at its largest

  bool operator==(const ChildExit&) const = default;
};

// A process that the Launcher started.  The owner of its end: nobody else waits for it, and every
// signal goes through its pidfd, so it never hits a stranger with the same number.
//
// On the loop only.  A Child that is destroyed while it runs is killed, and reaped in the
// background.
class Child {
 public:
  static constexpr std::chrono::milliseconds terminate_grace{2'000};

  Child() noexcept;
  Child(Child&&) noexcept;
  Child& operator=(Child&&) noexcept;
  ~Child();

  explicit operator bool() const noexcept { return state_ != nullptr; }
  pid_t pid() const noexcept;
  bool running() const noexcept;  // its exit was not seen yet

  // Calls `action` once, on the loop, when it has ended (also when it had before).  The action may
  // destroy the Child.
  void on_exit(UniqueFunction<void(const ChildExit&)> action);

  // SIGTERM; SIGKILL when it still runs after `terminate_grace`.  Again: nothing.
  void terminate();
  // SIGKILL, at once.
  void kill() noexcept;

  struct State;
  explicit Child(std::unique_ptr<State> state) noexcept;

 private:
  std::unique_ptr<State> state_;
};

// Starts processes from one thread that lives as long as this: the kernel ends a child when the
// *thread* that started it ends (PR_SET_PDEATHSIG), so after a kill -9 of the daemon none is left.
//
// On the loop only; loop and clock must outlive it.  Its end kills the children that still run.
class Launcher {
 public:
  Launcher(Loop& loop, Clock& clock);
  ~Launcher();
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  // Starts the program and calls `started` on the loop, which is never before start() returned.
  // Code "child_not_started", see spawn.hpp.
  void start(ChildSpec spec, UniqueFunction<void(Result<Child>)> started);

  struct State;

 private:
  std::shared_ptr<State> state_;  // shared with its thread and with children that outlive it
};

}  // namespace cofounder
