// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/text.hpp"
#include "core/scheduler/calendar.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

// Due times as short texts, for tests.
namespace cofounder::test {

using Times = std::vector<std::string>;

inline Time at(std::string_view text) {
  const auto time = parse_rfc3339(text);
  EXPECT_TRUE(time) << text;
  return time.value_or(Time{});
}

// The next `count` due times without their ":00.000Z".
inline Times times_of(const Result<Calendar>& calendar, std::string_view after, std::size_t count) {
  Times out;
  if (!calendar) return {calendar.error().code + ": " + calendar.error().message};
  Time time = at(after);
  while (out.size() < count) {
    const auto next = calendar->next(time);
    if (!next) {
      out.emplace_back("never");
      break;
    }
    EXPECT_GT(*next, time);
    time = *next;
    std::string text = to_rfc3339(time);
    if (text.ends_with(":00.000Z")) text.resize(text.size() - 8);
    out.push_back(text);
  }
  return out;
}
inline Times cron(std::string_view text, std::string_view after, std::size_t count,
                  std::string_view zone = {}) {
  return times_of(Calendar::cron(text, zone), after, count);
}
inline Times event(std::string_view text, std::string_view after, std::size_t count,
                   std::string_view zone = {}) {
  return times_of(Calendar::calendar(text, zone), after, count);
}
inline std::string cron_error(std::string_view text) {
  const auto calendar = Calendar::cron(text);
  return calendar ? "none" : calendar.error().code + ": " + calendar.error().message;
}
inline std::string event_error(std::string_view text) {
  const auto calendar = Calendar::calendar(text);
  return calendar ? "none" : calendar.error().code + ": " + calendar.error().message;
}

inline constexpr auto new_year = "2026-01-01T00:00:00Z";  // a Thursday

}  // namespace cofounder::test
