// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ctl/command.hpp"

namespace cofounder::ctl {

// What `task`, as the daemon shows it, waits for: lines for people.  Uses the daemon's own word
// (member "why") when there is one; else looks at the task, its plugin and the daemon's status.
std::vector<std::string> why_task(Session& session, json::View task);

}  // namespace cofounder::ctl
