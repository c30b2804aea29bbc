// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/ctl/command.hpp"

#include <optional>
#include <string>

// Waiting for a task until it is over.
namespace cofounder::ctl {

// True for the states that a task does not leave by itself.
bool is_over(std::string_view state) noexcept;

// How long a command may wait; one without a limit never ends.
class Patience {
 public:
  // Of an option like --wait[=DURATION]; throws Failure when that is none.
  Patience(const Given& given, std::string_view option);
  bool is_over() const noexcept;
  // What to ask for with ?wait=, at most `most`.
  Milliseconds slice(Milliseconds most) const noexcept;

 private:
  std::optional<std::chrono::steady_clock::time_point> until_;
};

// How often the progress of a task is looked at.
Milliseconds wait_slice(const Session& session) noexcept;

// Waits on from `answer`, which shows the task, until it is over or the patience is; with live
// progress on a terminal.  Prints the task as it is then and returns the exit code.
int wait_for_task(Session& session, Answer answer, const Patience& patience);

}  // namespace cofounder::ctl
