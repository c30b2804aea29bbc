// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace cofounder {

// "250ms", "30s", "15min", "24h", "7d", also joined: "1h30min".  Code "invalid_duration".
Result<Milliseconds> parse_duration(std::string_view text);
// The shortest of those texts that says the same: 90000 ms is "1min30s", 0 is "0s".
std::string to_string(Milliseconds duration);

// RFC 3339, UTC, milliseconds: "2026-11-23T17:01:20.123Z".
std::string to_rfc3339(Time time);
// Any RFC 3339 time with zone; finer than milliseconds is cut off.
std::optional<Time> parse_rfc3339(std::string_view text) noexcept;

// Shell-like names: [a-z][a-z0-9-]{0,31}.
bool is_plugin_id(std::string_view text) noexcept;

}  // namespace cofounder
