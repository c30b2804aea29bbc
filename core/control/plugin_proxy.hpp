// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/control/context.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

// A plugin's route that a request is for.
struct PluginRoute {
  std::string plugin;
  const Manifest::Route* route = nullptr;  // valid until the loop turns
  Access access = Access::admin;
  bool is_ready = false;
  std::vector<std::pair<std::string, std::string>> params;
};

struct PluginRouteMatch {
  std::optional<PluginRoute> found;
  std::string allowed;  // the path is known with these methods
};

PluginRouteMatch find_plugin_route(const PluginHost& plugins, std::string_view method,
                                   std::string_view path);

// Has the plugin answer, whole or as a stream; a client that goes away cancels the call.
void call_plugin_route(ControlContext& context, const PluginRoute& route,
                       http::ServerRequest request, http::Responder responder);

// What a plugin is told of a request, see cofounder/services/route.h.
std::string route_head_json(const http::ServerRequest& request, const PluginRoute& route,
                            std::string_view base_url, std::string_view identity_json = {});

}  // namespace cofounder
