// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/process/sandbox.hpp"

namespace cofounder {

// The system call layer of the sandbox: see sandbox.hpp.  Needs no_new_privs.
//
// An allow-list.  What is known to be dangerous answers EPERM; what is not listed at all answers
// ENOSYS, as on an older kernel, so that libraries fall back to older calls.
SandboxRefusal enter_seccomp();

}  // namespace cofounder
