// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/host/interface.hpp"
#include "core/host/manifest.hpp"

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Whether plugins and this host fit together, found out before any code of a plugin runs.
namespace cofounder::host {

// The minor of a host service ("cof.http/1"), or nothing when this host does not have it.
using FindMinor = std::function<std::optional<int>(std::string_view iid)>;
std::optional<int> minor_of_service(std::string_view iid);

// The interfaces that the plugin gets: all required ones, and the optional ones that are there.
// Codes "abi_mismatch" and "interface_missing"; the message names both sides and the cure.
Result<std::vector<std::string>> negotiate(const Manifest& manifest,
                                           std::string_view daemon_version,
                                           const FindMinor& find_minor);

// In which order plugins start.  `refused` says why some cannot: they need a plugin that is not
// there (code "requirement_missing") or each other (code "requirement_cycle", the cycle is named).
struct StartOrder {
  std::vector<std::string> ids;
  std::map<std::string, Error> refused;
};
StartOrder start_order(const std::vector<const Manifest*>& manifests);

}  // namespace cofounder::host
