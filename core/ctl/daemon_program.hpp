// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ctl/command.hpp"

#include <string>
#include <vector>

namespace cofounder::ctl {

inline constexpr const char* default_config = "/etc/cofounderd/cofounderd.toml";

// Runs the daemon's program with these words, for what only it can do, and waits for its end.  It
// writes to our output.  The exit code of the command.
int run_daemon(Session& session, const std::vector<std::string>& words);

}  // namespace cofounder::ctl
