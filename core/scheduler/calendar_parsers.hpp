// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/scheduler/calendar_pattern.hpp"

#include <string>
#include <string_view>

namespace cofounder {

inline constexpr std::size_t expression_bytes_max = 500;

// Code "invalid_cron".
Result<CalendarPattern> parse_cron(std::string_view text);

struct CalendarEvent {
  CalendarPattern pattern;
  std::string timezone;  // the one at the end of the expression; empty: none
};
// Code "invalid_calendar".
Result<CalendarEvent> parse_calendar_event(std::string_view text);

}  // namespace cofounder
