// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/process/child_spec.hpp"

#include <cstddef>

namespace cofounder {

struct Spawned {
  pid_t pid = -1;
  Descriptor pidfd;
};

// Starts processes, without copying the daemon's page tables: the new process borrows this one's
// memory until its exec, so a start costs the same however large the daemon is.
//
// For one thread, which must live as long as the children: the kernel ends them with it
// (PR_SET_PDEATHSIG).  Elsewhere use the Launcher.
class Spawner {
 public:
  Spawner();  // throws std::system_error when there is no memory
  ~Spawner();
  Spawner(const Spawner&) = delete;
  Spawner& operator=(const Spawner&) = delete;

  // Returns when the program runs, which is when its exec succeeded.  Code "child_not_started"; the
  // message has the step that failed and errno: "execve /x/y: No such file or directory (errno 2)".
  Result<Spawned> spawn(const ChildSpec& spec);

 private:
  void* memory_ = nullptr;  // one shared page for the verdict, then the new process' stack
};

}  // namespace cofounder
