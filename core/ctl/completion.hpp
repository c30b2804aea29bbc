// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

// Completion scripts, made from the table of commands.  etc/completion holds the same texts; a test
// compares them.
namespace cofounder::ctl {

std::string bash_completion();
std::string zsh_completion();

}  // namespace cofounder::ctl
