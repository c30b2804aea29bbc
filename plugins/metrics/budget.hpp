// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace metrics {

// What may be spent, in micro-dollars, by window: "day" and "month", the calendar's, UTC.
using Budget = std::map<std::string, std::int64_t, std::less<>>;

// From [plugin.metrics.budget].  Throws Failed with code "invalid_config" for what is no amount.
Budget read_budget(const cofounder::sdk::Json& config);

// Throws Failed with code "invalid_config" that names the first price that makes no sense.
void check_prices(const cofounder::sdk::Json& config);

// A window of the calendar around `now`.
struct Window {
  std::string name;
  cofounder::sdk::WallTime from{};
  cofounder::sdk::WallTime to{};
};
// Nothing for a word that is none of the two.
std::optional<Window> window_at(std::string_view name, cofounder::sdk::WallTime now);

// The answer of GET /v1/metrics/budget as JSON text.  What is not known is null and named, with
// code and reason, in "unavailable"; never 0.
std::string show_budget(const Window& window, cofounder::sdk::WallTime now, const Budget& budget,
                        const cofounder::sdk::Result<cofounder::sdk::Json>& usage);

}  // namespace metrics
