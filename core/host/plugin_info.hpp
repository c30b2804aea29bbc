// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/fleet.hpp"
#include "core/host/plugin_host.hpp"

namespace cofounder::host {

// What is shown of a plugin; `http` is for the caller to fill in.
PluginInfo info_of(const Slot& slot);

}  // namespace cofounder::host
