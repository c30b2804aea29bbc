// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/config/config.hpp"
#include "core/host/manifest.hpp"

#include <memory>

namespace cofounder::host {

// The plugin's table, checked against the manifest's schema and with its defaults filled in.
// For the check a secret counts as a string: that is what the operator sees in its place.
// Code "invalid_config".
Result<std::shared_ptr<const PluginConfig>> make_settings(const Manifest& manifest,
                                                          const PluginConfig& config);

}  // namespace cofounder::host
