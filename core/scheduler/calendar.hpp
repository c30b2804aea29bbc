// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace cofounder {

// When something is due, again and again.  A value; immutable; any thread.
//
// Three languages:
//  cron      five fields (minute hour day-of-month month day-of-week) or six (seconds first); names,
//            lists, ranges, steps, `L`, `#`, `?`, @yearly @monthly @weekly @daily @hourly.  When both
//            day fields are restricted a day has to match either (as in Vixie cron, where a field
//            that begins with a star is not restricted, not even "*/2").
//  calendar  what systemd.time(7) calls a calendar event ("Mon..Fri *-*-* 09:00", "*:0/15",
//            "2026-02~03", "Europe/Berlin" at the end, "daily", "quarterly").
//  every     a duration, counted from the schedule's creation.
//
// Times are computed in the schedule's time zone.  Where a clock change skips a local time, an event
// with fixed hours is due at the moment of the change (at the first existing moment after it), and
// where it repeats one, it is due once, at the first.  Events of every hour (hour "*") follow real
// time: a skipped hour does not exist for them, and a repeated one is an hour like any other.
class Calendar {
 public:
  // `timezone`: an IANA name of the system's zoneinfo; empty: UTC.  Codes "invalid_cron",
  // "invalid_calendar", "invalid_duration", "unknown_timezone"; the message says which field and
  // why.
  static Result<Calendar> cron(std::string_view text, std::string_view timezone = {});
  static Result<Calendar> calendar(std::string_view text, std::string_view timezone = {});
  static Result<Calendar> every(Milliseconds interval, Time anchor);

  // The first due time strictly after `after`, or nothing when there is none within 100 years.
  std::optional<Time> next(Time after) const;

  struct Rule;
  explicit Calendar(std::shared_ptr<const Rule> rule) : rule_{std::move(rule)} {}

 private:
  std::shared_ptr<const Rule> rule_;
};

}  // namespace cofounder
