// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/process/sandbox.hpp"

#include <string>
#include <vector>

namespace cofounder {

// What a manifest says that matters to the sandbox.
struct SandboxNeeds {
  std::vector<std::string> interfaces;  // required and optional: "cof.scratch/1"
  bool files = false;                   // permissions.files: clients' files are put into scratch
  std::string library;                  // the private copy that the child will load
  std::vector<std::string> scratch;     // this plugin's own scratch folders
};

// The rules for such a plugin.  Network, secrets, events and all else that a manifest may ask for
// comes through the socket to the daemon, which decides each time: no permission opens the sandbox
// wider than its own library and scratch folder.
SandboxRules make_sandbox_rules(const SandboxNeeds& needs);

}  // namespace cofounder
