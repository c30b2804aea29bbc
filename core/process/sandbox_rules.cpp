// SPDX-License-Identifier: Apache-2.0
#include "core/process/sandbox_rules.hpp"

#include <algorithm>
#include <string_view>

namespace cofounder {

SandboxRules make_sandbox_rules(const SandboxNeeds& needs) {
  SandboxRules rules;
  // Where the dynamic linker looks on the systems that we know; those that are missing are skipped.
  rules.read_execute = {"/lib",       "/lib64",         "/usr/lib",
                        "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"};
  rules.read_execute.push_back(needs.library);

  const bool has_scratch =
      std::any_of(needs.interfaces.begin(), needs.interfaces.end(), [](std::string_view name) {
        return name == "cof.scratch" || name.starts_with("cof.scratch/");
      });
  if (has_scratch || needs.files) rules.read_write = needs.scratch;
  return rules;
}

}  // namespace cofounder
