// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/process/sandbox.hpp"

namespace cofounder {

// The file and network layer of the sandbox: see sandbox.hpp.  Needs no_new_privs.
SandboxRefusal enter_landlock(const SandboxRules& rules);

}  // namespace cofounder
