// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/descriptor.hpp"
#include "core/base/error.hpp"
#include "core/process/program.hpp"

#include <sys/types.h>

namespace cofounder {

// A reaper that runs, and our ends of what joins us to it.
struct StartedReaper {
  pid_t pid = -1;
  Descriptor process;  // a pidfd
  Descriptor control;  // SOCK_SEQPACKET
  Descriptor output;   // none with merge_errors for `errors`
  Descriptor errors;
};

// Starts the reaper with its orders.  The calling thread has to live as long as the daemon: its end
// tells the reaper that the daemon is gone.  May wait (it copies the input and waits for exec).
// Code "program_not_started".
Result<StartedReaper> start_reaper(const std::filesystem::path& reaper, const ProgramSpec& spec);

}  // namespace cofounder
