// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/plugin_host.hpp"

#include <string>
#include <string_view>

namespace cofounder {

// The description of all routes, OpenAPI 3.1: the daemon's own from the table that dispatches them,
// the plugins' from their manifests.
std::string openapi_json(const PluginHost& plugins, std::string_view version);

// The schemas that the table names, as members of "components.schemas".
std::string_view openapi_schemas() noexcept;

}  // namespace cofounder
