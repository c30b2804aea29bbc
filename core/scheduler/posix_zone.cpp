// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/posix_zone.hpp"

#include <utility>

namespace cofounder {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::local_seconds;
using std::chrono::seconds;
using std::chrono::sys_seconds;

local_seconds PosixZone::Date::in(std::chrono::year year) const noexcept {
  const local_days first{year / std::chrono::January / 1};
  switch (kind) {
    case Kind::day_without_leap: {
      // Days 1 to 365; February 29 is never counted.
      const bool after_february = year.is_leap() && day >= 60;
      return first + days{after_february ? day : day - 1} + time;
    }
    case Kind::day:
      return first + days{day} + time;
    case Kind::month_week_day:
      break;
  }
  const auto in_month = year / std::chrono::month{static_cast<unsigned>(month)};
  const std::chrono::weekday weekday{static_cast<unsigned>(day)};
  if (week == 5) return local_days{in_month / weekday[std::chrono::last]} + time;
  return local_days{in_month / weekday[static_cast<unsigned>(week)]} + time;
}

std::array<PosixZone::Change, 2> PosixZone::changes(std::chrono::year year) const noexcept {
  const Change begin{sys_seconds{begin_.in(year).time_since_epoch() - standard_}, daylight_};
  const Change end{sys_seconds{end_.in(year).time_since_epoch() - daylight_}, standard_};
  // At one moment daylight saving time wins: that is how "all the year" is written.
  return end.at <= begin.at ? std::array{end, begin} : std::array{begin, end};
}

class PosixZoneParser {
 public:
  explicit PosixZoneParser(std::string_view text) noexcept : rest_{text} {}

  std::optional<PosixZone> parse() noexcept {
    PosixZone zone;
    if (!name() || !offset(zone.standard_)) return std::nullopt;
    if (rest_.empty()) return zone;

    zone.has_daylight_ = true;
    if (!name()) return std::nullopt;
    zone.daylight_ = zone.standard_ + hours{1};
    if (!rest_.empty() && rest_.front() != ',' && !offset(zone.daylight_)) return std::nullopt;
    if (!date(zone.begin_) || !date(zone.end_) || !rest_.empty()) return std::nullopt;
    return zone;
  }

 private:
  bool take(char c) noexcept {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }

  static bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  }

  // "CET" or "<+0330>".
  bool name() noexcept {
    std::size_t size = 0;
    if (take('<')) {
      size = rest_.find('>');
      if (size == std::string_view::npos || size == 0) return false;
      rest_.remove_prefix(size + 1);
      return true;
    }
    while (size < rest_.size() && is_letter(rest_[size])) ++size;
    rest_.remove_prefix(size);
    return size >= 3;
  }

  bool number(int most, int& out) noexcept {
    std::size_t size = 0;
    int value = 0;
    for (; size < rest_.size() && rest_[size] >= '0' && rest_[size] <= '9'; ++size) {
      value = value * 10 + (rest_[size] - '0');
      if (value > most) return false;
    }
    rest_.remove_prefix(size);
    out = value;
    return size > 0;
  }

  // [+-]h[:m[:s]]
  bool time(int hours_max, seconds& out) noexcept {
    const bool negative = take('-');
    if (!negative) take('+');
    int hour = 0;
    int minute = 0;
    int second = 0;
    if (!number(hours_max, hour)) return false;
    if (take(':')) {
      if (!number(59, minute)) return false;
      if (take(':') && !number(59, second)) return false;
    }
    const seconds sum{hour * 3600 + minute * 60 + second};
    out = negative ? -sum : sum;
    return true;
  }

  // POSIX counts westward.
  bool offset(seconds& out) noexcept {
    seconds west{0};
    if (!time(24, west)) return false;
    out = -west;
    return true;
  }

  // ",M3.5.0/2", ",J60" or ",59"
  bool date(PosixZone::Date& out) noexcept {
    using Kind = PosixZone::Date::Kind;
    if (!take(',')) return false;
    if (take('M')) {
      out.kind = Kind::month_week_day;
      if (!number(12, out.month) || out.month < 1 || !take('.')) return false;
      if (!number(5, out.week) || out.week < 1 || !take('.')) return false;
      if (!number(6, out.day)) return false;
    } else if (take('J')) {
      out.kind = Kind::day_without_leap;
      if (!number(365, out.day) || out.day < 1) return false;
    } else {
      out.kind = Kind::day;
      if (!number(365, out.day)) return false;
    }
    return !take('/') || time(167, out.time);
  }

  std::string_view rest_;
};

std::optional<PosixZone> PosixZone::parse(std::string_view text) noexcept {
  return PosixZoneParser{text}.parse();
}

}  // namespace cofounder
