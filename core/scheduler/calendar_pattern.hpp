// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

using LocalTime = std::chrono::local_time<std::chrono::milliseconds>;

// Which local times a cron or calendar expression means: what both parsers make.
struct CalendarPattern {
  // first, first + step, ... up to last.
  struct Run {
    int first;
    int last;
    int step;
  };

  static constexpr std::uint32_t all_months = 0x1ffe;     // bits 1..12
  static constexpr std::uint32_t all_days = 0xffff'fffe;  // bits 1..31
  static constexpr std::uint8_t all_weekdays = 0x7f;      // bit 0: Sunday
  static constexpr std::uint32_t all_hours = 0xff'ffff;   // bits 0..23
  static constexpr std::uint64_t all_minutes = (std::uint64_t{1} << 60) - 1;

  std::vector<Run> years;  // empty: every year
  std::uint32_t months = all_months;
  std::uint32_t days = all_days;
  std::uint32_t days_from_end = 0;  // bit 1: the last day of the month
  std::uint8_t weekdays = all_weekdays;
  std::array<std::uint8_t, 7> weekdays_nth{};  // of Sunday..Saturday; bit 1: first, bit 0: last
  bool either_day = false;  // a day has to match by its number or by its weekday, else by both
  std::uint32_t hours = 1;
  std::uint64_t minutes = 1;
  std::vector<Run> milliseconds;  // of the minute; never empty

  // Due every hour: then it follows real time through clock changes.
  bool is_every_hour() const noexcept { return hours == all_hours; }

  // The first local time in [from, last].  Bounded: about a microsecond per year that is searched.
  std::optional<LocalTime> next(LocalTime from, LocalTime last) const noexcept;

 private:
  bool has_year(int year) const noexcept;
  bool has_day(std::chrono::year_month_day date) const noexcept;
  std::optional<int> next_in_minute(int from) const noexcept;
  std::optional<std::chrono::milliseconds> next_in_day(
      std::chrono::milliseconds from) const noexcept;
};

// For the parsers.  `text` in quotes, shortened and with only printable characters.
std::string quoted(std::string_view text);
// Decimal digits only, at most 9 of them.
std::optional<int> parse_digits(std::string_view text) noexcept;
std::string_view trim_blanks(std::string_view text) noexcept;
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

}  // namespace cofounder
