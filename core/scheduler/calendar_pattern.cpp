// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/calendar_pattern.hpp"

#include <algorithm>

namespace cofounder {
namespace {

using std::chrono::local_days;
using std::chrono::milliseconds;
using std::chrono::year_month_day;

constexpr std::chrono::days one_day{1};

bool has_bit(std::uint64_t bits, unsigned index) noexcept { return (bits >> index & 1U) != 0; }

}  // namespace

bool CalendarPattern::has_year(int year) const noexcept {
  if (years.empty()) return true;
  return std::any_of(years.begin(), years.end(), [year](const Run& run) {
    return year >= run.first && year <= run.last && (year - run.first) % run.step == 0;
  });
}

bool CalendarPattern::has_day(year_month_day date) const noexcept {
  const auto day = static_cast<unsigned>(date.day());
  const auto length = static_cast<unsigned>((date.year() / date.month() / std::chrono::last).day());
  const bool by_number = has_bit(days, day) || has_bit(days_from_end, length - day + 1);
  if (!by_number && !either_day) return false;

  const unsigned weekday = std::chrono::weekday{local_days{date}}.c_encoding();
  const std::uint8_t nth = weekdays_nth[weekday];
  const bool by_weekday = has_bit(weekdays, weekday) || has_bit(nth, (day - 1) / 7 + 1) ||
                          (has_bit(nth, 0) && day + 7 > length);
  return either_day ? by_number || by_weekday : by_weekday;
}

std::optional<int> CalendarPattern::next_in_minute(int from) const noexcept {
  std::optional<int> best;
  for (const Run& run : milliseconds) {
    int value = run.first;
    if (value < from) value += (from - run.first + run.step - 1) / run.step * run.step;
    if (value <= run.last && (!best || value < *best)) best = value;
  }
  return best;
}

std::optional<milliseconds> CalendarPattern::next_in_day(
    std::chrono::milliseconds from) const noexcept {
  const auto start = static_cast<int>(from.count());
  const int start_minute = start / 60'000;
  for (int hour = start_minute / 60; hour < 24; ++hour) {
    if (!has_bit(hours, static_cast<unsigned>(hour))) continue;
    for (int minute = std::max(start_minute - hour * 60, 0); minute < 60; ++minute) {
      if (!has_bit(minutes, static_cast<unsigned>(minute))) continue;
      const int of_day = hour * 60 + minute;
      const auto rest = next_in_minute(of_day == start_minute ? start % 60'000 : 0);
      if (rest) return std::chrono::milliseconds{of_day * 60'000 + *rest};
    }
  }
  return std::nullopt;
}

std::optional<LocalTime> CalendarPattern::next(LocalTime from, LocalTime last) const noexcept {
  if (from > last) return std::nullopt;
  const auto within = [last](LocalTime time) {
    return time <= last ? std::optional{time} : std::nullopt;
  };

  local_days day = std::chrono::floor<std::chrono::days>(from);
  year_month_day date{day};
  if (has_year(static_cast<int>(date.year())) &&
      has_bit(months, static_cast<unsigned>(date.month())) && has_day(date)) {
    if (const auto time = next_in_day(from - day)) return within(day + *time);
  }

  // All later days begin with the same time.
  const auto first_time = next_in_day(std::chrono::milliseconds{0});
  if (!first_time) return std::nullopt;
  day += one_day;
  while (day <= last) {
    date = year_month_day{day};
    if (!has_year(static_cast<int>(date.year()))) {
      day = local_days{(date.year() + std::chrono::years{1}) / std::chrono::January / 1};
    } else if (!has_bit(months, static_cast<unsigned>(date.month()))) {
      day = local_days{date.year() / date.month() / std::chrono::last} + one_day;
    } else if (!has_day(date)) {
      day += one_day;
    } else {
      return within(day + *first_time);
    }
  }
  return std::nullopt;
}

std::string quoted(std::string_view text) {
  constexpr std::size_t shown_max = 40;
  std::string out = "\"";
  for (const char c : text.substr(0, shown_max)) out += c >= ' ' && c < '\x7f' ? c : '?';
  if (text.size() > shown_max) out += "...";
  return out + "\"";
}

std::optional<int> parse_digits(std::string_view text) noexcept {
  if (text.empty() || text.size() > 9) return std::nullopt;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    value = value * 10 + (c - '0');
  }
  return value;
}

std::string_view trim_blanks(std::string_view text) noexcept {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [lower](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace cofounder
