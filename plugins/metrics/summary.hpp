// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace metrics {

// The answer of GET /v1/metrics/summary as JSON text.  An unknown figure is null and named, with
// code and reason, in "unavailable"; never 0.
std::string summarize(const cofounder::sdk::Result<cofounder::sdk::Json>& stats,
                      const cofounder::sdk::Result<cofounder::sdk::Json>& usage);

// The answer of GET /v1/metrics/costs: rows and their exact sum, or null and why they are not known.
std::string list_costs(const cofounder::sdk::Result<cofounder::sdk::Json>& usage,
                       std::string_view period, std::string_view by);

// Where a period begins, UTC; nothing for a word that is none: "today", "week" (the last 7 days),
// "month" (the calendar month) and "all".
std::optional<cofounder::sdk::WallTime> period_start(std::string_view period,
                                                     cofounder::sdk::WallTime now);

}  // namespace metrics
