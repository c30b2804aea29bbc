// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/plugin_host/channel.hpp"

#include <cofounder/abi.h>

// The host as the plugin in this process sees it: each function sends a frame.
namespace cofounder::plugin_host {

// For `load` and this process; valid until it ends.
const cof_host* make_host(Channel& channel, const wire::Load& load);
// After destroy(): everything answers COF_EGONE.
void set_gone() noexcept;

// Enters the plugin; `self` is what create() made.  The bytes of wire::Returned.
std::string enter(const cof_plugin& api, const cof_host* host, void*& self, const Job& job);

}  // namespace cofounder::plugin_host
