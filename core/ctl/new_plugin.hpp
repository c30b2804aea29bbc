// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ctl/command.hpp"

namespace cofounder::ctl {

// `plugin new NAME`: copies the SDK's template.  NAME in file names and @NAME@ in their contents
// become the id.
int new_plugin(Session& session, const Given& given);

}  // namespace cofounder::ctl
