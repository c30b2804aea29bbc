// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace cofounder {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};

// Longer names first: "min" before "m" is not needed because there is no "m" (it is ambiguous).
constexpr std::array units{Unit{"ms", 1},         Unit{"s", 1'000},        Unit{"min", 60'000},
                           Unit{"h", 3'600'000},  Unit{"d", 86'400'000},   Unit{"w", 604'800'000}};

constexpr Milliseconds duration_max{std::int64_t{100} * 366 * 86'400'000};

Error invalid_duration(std::string_view text) {
  return make_error("invalid_duration", "\"" + std::string{text.substr(0, 64)} +
                                            "\" is not a duration: write for instance \"250ms\", "
                                            "\"30s\", \"15min\", \"24h\" or \"7d\"");
}

// Reads `count` digits at `at`; negative when there are others.
int digits_at(std::string_view text, std::size_t at, std::size_t count) noexcept {
  if (at + count > text.size()) return -1;
  int value = 0;
  for (std::size_t i = at; i < at + count; ++i) {
    if (text[i] < '0' || text[i] > '9') return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

}  // namespace

Result<Milliseconds> parse_duration(std::string_view text) {
  std::string_view rest = text;
  std::int64_t total = 0;
  std::int64_t smaller_than = std::numeric_limits<std::int64_t>::max();
  if (rest == "0") return Milliseconds{0};
  if (rest.empty()) return invalid_duration(text);
  while (!rest.empty()) {
    double number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number,
                                              std::chars_format::fixed);
    if (error != std::errc{} || !(number >= 0) || rest[0] == '-') return invalid_duration(text);
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    std::size_t letters = 0;
    while (letters < rest.size() && rest[letters] >= 'a' && rest[letters] <= 'z') ++letters;
    const Unit* unit = nullptr;
    for (const Unit& candidate : units) {
      if (candidate.name == rest.substr(0, letters)) unit = &candidate;
    }
    if (unit == nullptr || unit->milliseconds >= smaller_than) return invalid_duration(text);
    smaller_than = unit->milliseconds;
    const double part = number * static_cast<double>(unit->milliseconds);
    if (part > static_cast<double>(duration_max.count())) return invalid_duration(text);
    total += static_cast<std::int64_t>(part + 0.5);
    rest.remove_prefix(letters);
  }
  if (Milliseconds{total} > duration_max) return invalid_duration(text);
  return Milliseconds{total};
}

std::string to_string(Milliseconds duration) {
  std::int64_t left = duration.count();
  if (left <= 0) return "0s";
  std::string text;
  for (const Unit& unit : {units[4], units[3], units[2], units[1], units[0]}) {
    if (left < unit.milliseconds) continue;
    text += std::to_string(left / unit.milliseconds);
    text += unit.name;
    left %= unit.milliseconds;
  }
  return text;
}

std::string to_rfc3339(Time time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::string text = "0000-00-00T00:00:00.000Z";
  const auto put = [&text](std::size_t end, std::int64_t value) {
    for (; value > 0; value /= 10) text[--end] = static_cast<char>('0' + value % 10);
  };
  put(4, std::clamp(static_cast<int>(date.year()), 0, 9999));
  put(7, static_cast<unsigned>(date.month()));
  put(10, static_cast<unsigned>(date.day()));
  put(13, clock.hours().count());
  put(16, clock.minutes().count());
  put(19, clock.seconds().count());
  put(23, clock.subseconds().count());
  return text;
}

std::optional<Time> parse_rfc3339(std::string_view text) noexcept {
  if (text.size() < 20 || text[4] != '-' || text[7] != '-' || (text[10] | 0x20) != 't' ||
      text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  const int year = digits_at(text, 0, 4), month = digits_at(text, 5, 2), day = digits_at(text, 8, 2);
  const int hour = digits_at(text, 11, 2), minute = digits_at(text, 14, 2);
  const int second = digits_at(text, 17, 2);
  if (year < 0 || month < 0 || day < 0 || hour < 0 || hour > 23 || minute < 0 || minute > 59 ||
      second < 0 || second > 60) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  Time time = std::chrono::sys_days{date} + std::chrono::hours{hour} +
              std::chrono::minutes{minute} + std::chrono::seconds{second};

  std::size_t at = 19;
  if (text[at] == '.') {
    int scale = 100;
    const std::size_t begin = ++at;
    for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10) {
      time += Milliseconds{(text[at] - '0') * scale};
    }
    if (at == begin) return std::nullopt;
  }
  if (at + 1 == text.size() && (text[at] | 0x20) == 'z') return time;
  if (at + 6 != text.size() || text[at + 3] != ':') return std::nullopt;
  const int offset_hours = digits_at(text, at + 1, 2), offset_minutes = digits_at(text, at + 4, 2);
  if (offset_hours < 0 || offset_hours > 23 || offset_minutes < 0 || offset_minutes > 59) {
    return std::nullopt;
  }
  const auto offset = std::chrono::hours{offset_hours} + std::chrono::minutes{offset_minutes};
  if (text[at] == '+') return time - offset;
  if (text[at] == '-') return time + offset;
  return std::nullopt;
}

bool is_plugin_id(std::string_view text) noexcept {
  if (text.empty() || text.size() > 32 || text[0] < 'a' || text[0] > 'z') return false;
  for (const char c : text) {
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-')) return false;
  }
  return true;
}

}  // namespace cofounder
