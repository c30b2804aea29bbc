// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/scheduler/posix_zone.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace cofounder {

// A time zone of the system's zoneinfo: when its clocks differ how much from UTC.  A value;
// immutable; any thread.  It does not look at the process's TZ (std::chrono::tzdb is not in the
// standard libraries that we build with, and localtime() knows one zone per process).
class TimeZone {
 public:
  // A stretch of time with one offset: begin <= t < end, local = t + offset.
  struct Span {
    std::chrono::sys_seconds begin;  // since_ever at least
    std::chrono::sys_seconds end;    // for_ever at most
    std::chrono::seconds offset;
  };

  // Far enough for everything that has a date, and safe to convert to milliseconds.
  static constexpr std::chrono::sys_seconds since_ever{
      std::chrono::sys_days{std::chrono::year{-30'000} / 1 / 1}};
  static constexpr std::chrono::sys_seconds for_ever{
      std::chrono::sys_days{std::chrono::year{30'000} / 1 / 1}};

  // The zone that never differs from UTC.
  TimeZone() = default;

  // Reads /usr/share/zoneinfo.  Empty or "UTC" need no file.  Code "unknown_timezone".
  static Result<std::shared_ptr<const TimeZone>> load(std::string_view name);
  // The bytes of a TZif file of version 2 or later (RFC 9636), without leap seconds.  Code
  // "invalid_timezone".
  static Result<TimeZone> parse(std::string_view file);

  Span span_at(std::chrono::sys_seconds time) const noexcept;

  // The first span in which clocks show `local` or something later: where `local` is repeated the
  // first of the two, where it is skipped the one that begins with the change.
  Span span_of(std::chrono::local_seconds local) const noexcept;

 private:
  using Change = PosixZone::Change;

  Span span_by_rule(std::chrono::sys_seconds time) const noexcept;

  std::chrono::seconds first_offset_{0};  // before the first change
  std::vector<Change> changes_;           // by time
  std::optional<PosixZone> rule_;         // after the last change
};

}  // namespace cofounder
