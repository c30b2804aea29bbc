// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <optional>
#include <string_view>

namespace cofounder {

// The rule at the end of a zoneinfo file, for the years that its table does not list: a POSIX TZ
// string with the extensions of RFC 9636 (times from -167 to 167 hours),
// "CET-1CEST,M3.5.0,M10.5.0/3".
class PosixZone {
 public:
  struct Change {
    std::chrono::sys_seconds at;
    std::chrono::seconds offset;  // from then on; added to UTC it gives local time
  };

  static std::optional<PosixZone> parse(std::string_view text) noexcept;

  std::chrono::seconds standard() const noexcept { return standard_; }
  bool has_daylight() const noexcept { return has_daylight_; }
  // The two changes of a year, in order.  Only when it has daylight saving time.
  std::array<Change, 2> changes(std::chrono::year year) const noexcept;

 private:
  friend class PosixZoneParser;
  struct Date {
    enum class Kind { month_week_day, day_without_leap, day } kind = Kind::day;
    int month = 0;
    int week = 0;  // 5: the last
    int day = 0;   // of the week from Sunday, or of the year
    std::chrono::seconds time{7200};

    std::chrono::local_seconds in(std::chrono::year year) const noexcept;
  };

  std::chrono::seconds standard_{0};
  std::chrono::seconds daylight_{0};
  bool has_daylight_ = false;
  Date begin_;  // of daylight saving time, in standard time
  Date end_;    // in daylight saving time
};

}  // namespace cofounder
