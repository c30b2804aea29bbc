// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace cofounder::ctl {

// Runs cofounderd itself, for what needs no daemon that runs: the one beside this program, in
// ../sbin, or where PATH says.  Its exit code; a Failure when there is none.
int run_daemon_program(const std::vector<std::string>& words);
// The same, with its standard output as `output` instead of ours.
int run_daemon_program(const std::vector<std::string>& words, std::string& output);

}  // namespace cofounder::ctl
