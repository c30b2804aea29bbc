// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/reaper/protocol.hpp"

#include <sys/types.h>

namespace cofounder::reaper {

// The orders as the daemon wrote them; argv and environment end with a null pointer.
struct Task {
  Orders orders{};
  const char* folder = nullptr;
  const char* program = nullptr;
  char** argv = nullptr;
  char** environment = nullptr;
};

// Reads `descriptor`.  What it gives lives until the process ends.  False: they are broken.
bool read_orders(int descriptor, Task& task);

// A program that runs, in a session and process group of its own; or why it does not.
struct Started {
  pid_t pid = -1;
  int error = 0;
  Step step = Step::process;
};
// Returns when its exec succeeded or failed.
Started start_program(const Task& task);

}  // namespace cofounder::reaper
