// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/function.hpp"
#include "core/host/plugin_host.hpp"

#include <string>
#include <string_view>

// What the host and the plugin that knows who a request is say to each other; see
// cofounder/services/identity.h.
namespace cofounder::host {

// Of a request head what that plugin gets: no query, no body, and of the headers only cookie and
// authorization.
std::string identity_head(std::string_view head_json);

// Takes the plugin's answer: the identity's JSON, or "" for nobody.  Code "identity_unavailable" for
// what is no such answer.
RouteSink identity_sink(std::string plugin, UniqueFunction<void(Result<std::string>)> done);

}  // namespace cofounder::host
