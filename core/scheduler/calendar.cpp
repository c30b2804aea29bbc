// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/calendar.hpp"

#include "core/scheduler/calendar_parsers.hpp"
#include "core/scheduler/timezone.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {
namespace {

using std::chrono::days;
using std::chrono::floor;
using std::chrono::seconds;
using std::chrono::sys_days;

constexpr days search_max{36'525};  // 100 years
// Outside of these years there are no due times; everything below can calculate without overflow.
constexpr Time first_time{sys_days{std::chrono::year{1} / 1 / 1}};
constexpr Time last_time{sys_days{std::chrono::year{9'900} / 1 / 1}};

struct Interval {
  Milliseconds interval;
  Time anchor;

  std::optional<Time> next(Time after) const noexcept {
    if (after < anchor) return anchor + interval;
    return anchor + ((after - anchor) / interval + 1) * interval;
  }
};

struct Zoned {
  CalendarPattern pattern;
  std::shared_ptr<const TimeZone> zone;

  std::optional<Time> next(Time after) const noexcept {
    return pattern.is_every_hour() ? next_of_real_time(after) : next_of_local_time(after);
  }

 private:
  // Looks through the spans one after another, each with its own offset: a repeated hour is due
  // twice and a skipped one never, which is what an hourly event has to do to stay hourly.
  std::optional<Time> next_of_real_time(Time after) const noexcept {
    const Time limit = after + search_max;
    Time from = after + Milliseconds{1};
    while (from <= limit) {
      const TimeZone::Span span = zone->span_at(floor<seconds>(from));
      const bool is_last = span.end > limit;
      const Time last = is_last ? limit : Time{span.end} - Milliseconds{1};
      const auto local = pattern.next(LocalTime{from.time_since_epoch() + span.offset},
                                      LocalTime{last.time_since_epoch() + span.offset});
      if (local) return Time{local->time_since_epoch() - span.offset};
      if (is_last) break;
      from = span.end;
    }
    return std::nullopt;
  }

  // Goes from one local time to the next and asks when each is due.  Later local times are never
  // due earlier, and those up to the local time at `after` are due by then.
  std::optional<Time> next_of_local_time(Time after) const noexcept {
    const Time limit = after + search_max;
    const auto offset_at = [this](Time time) { return zone->span_at(floor<seconds>(time)).offset; };
    LocalTime from{after.time_since_epoch() + offset_at(after) + Milliseconds{1}};
    const LocalTime last{limit.time_since_epoch() + offset_at(limit)};
    while (const auto local = pattern.next(from, last)) {
      const TimeZone::Span span = zone->span_of(floor<seconds>(*local));
      Time due{local->time_since_epoch() - span.offset};
      // A local time that is skipped is due at the change.
      due = std::max(due, Time{span.begin});
      if (due > limit) break;
      if (due > after) return due;
      // `after` is in a repeated hour for the second time: go on where the first pass ended.
      from = *local + Milliseconds{1};
      if (span.end <= after) {
        from = std::max(from, LocalTime{span.end.time_since_epoch() + span.offset});
      }
    }
    return std::nullopt;
  }
};

}  // namespace

struct Calendar::Rule {
  std::variant<Interval, Zoned> when;
};

namespace {

Result<Calendar> make_zoned(CalendarPattern pattern, std::string_view timezone) {
  auto zone = TimeZone::load(timezone);
  if (!zone) return zone.error();
  return Calendar{std::make_shared<const Calendar::Rule>(
      Calendar::Rule{Zoned{std::move(pattern), std::move(zone).value()}})};
}

}  // namespace

Result<Calendar> Calendar::cron(std::string_view text, std::string_view timezone) {
  auto pattern = parse_cron(text);
  if (!pattern) return pattern.error();
  return make_zoned(std::move(pattern).value(), timezone);
}

Result<Calendar> Calendar::calendar(std::string_view text, std::string_view timezone) {
  auto event = parse_calendar_event(text);
  if (!event) return event.error();
  CalendarEvent parsed = std::move(event).value();
  if (!parsed.timezone.empty()) timezone = parsed.timezone;
  return make_zoned(std::move(parsed.pattern), timezone);
}

Result<Calendar> Calendar::every(Milliseconds interval, Time anchor) {
  if (interval < Milliseconds{100}) {
    return make_error("invalid_duration", "every: the interval has to be at least 100ms");
  }
  if (interval > search_max) {
    return make_error("invalid_duration", "every: the interval has to be at most 100 years");
  }
  if (anchor < first_time || anchor > last_time) {
    return make_error("invalid_duration", "every: it begins outside of the years 1 to 9900");
  }
  return Calendar{std::make_shared<const Rule>(Rule{Interval{interval, anchor}})};
}

std::optional<Time> Calendar::next(Time after) const {
  if (after < first_time || after > last_time) return std::nullopt;
  const auto due = std::visit([after](const auto& when) { return when.next(after); }, rule_->when);
  if (!due || *due - after > search_max) return std::nullopt;
  return due;
}

}  // namespace cofounder
