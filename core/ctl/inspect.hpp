// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/ctl/command.hpp"

namespace cofounder::ctl {

// `plugin inspect FILE`.
int inspect_plugin(Session& session, const Given& given);

}  // namespace cofounder::ctl
