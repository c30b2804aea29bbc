// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.hpp"
#include "core/host/plugin_host.hpp"

namespace cofounder {

// A plugin as GET /v1/plugins/{id} shows it.  `manifest` may be null.
void write_plugin(json::Writer& out, const PluginInfo& plugin, const Manifest* manifest);
// As GET /v1/plugins/{id}/why tells.
void write_plugin_why(json::Writer& out, const PluginInfo& plugin,
                      const std::optional<PluginWhy>& why);

}  // namespace cofounder
