// SPDX-License-Identifier: Apache-2.0
// Calendar events of systemd.time(7).  What systemd refuses is refused here too; beyond it, blanks
// around the expression are ignored, and seconds finer than a millisecond are refused.
#include "core/scheduler/calendar_parsers.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <vector>

namespace cofounder {
namespace {

using Run = CalendarPattern::Run;
using Runs = std::vector<Run>;

struct Field {
  std::string_view name;
  int least;
  int most;
  int unit = 1;  // 1000: decimals, in milliseconds
};

constexpr Field year_field{"year", 1970, 2199};
constexpr Field month_field{"month", 1, 12};
constexpr Field day_field{"day", 1, 31};
// 28 days before the end there is a day in every month.
constexpr Field day_from_end_field{"day", 1, 28};
constexpr Field hour_field{"hour", 0, 23};
constexpr Field minute_field{"minute", 0, 59};
constexpr Field second_field{"second", 0, 59'999, 1000};

// From Sunday on, as CalendarPattern counts them.
constexpr std::array<std::string_view, 7> weekday_names{
    "sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"};

constexpr std::array<std::pair<std::string_view, std::string_view>, 12> shorthands{{
    {"minutely", "*-*-* *:*:00"},
    {"hourly", "*-*-* *:00:00"},
    {"daily", "*-*-* 00:00:00"},
    {"weekly", "Mon *-*-* 00:00:00"},
    {"monthly", "*-*-01 00:00:00"},
    {"quarterly", "*-01,04,07,10-01 00:00:00"},
    {"semiannually", "*-01,07-01 00:00:00"},
    {"semi-annually", "*-01,07-01 00:00:00"},
    {"biannually", "*-01,07-01 00:00:00"},
    {"bi-annually", "*-01,07-01 00:00:00"},
    {"annually", "*-01-01 00:00:00"},
    {"yearly", "*-01-01 00:00:00"},
}};

Error wrong(std::string_view field, const std::string& why) {
  return make_error("invalid_calendar", std::string{field} + ": " + why);
}

bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// Cuts `text` at the first of `separators` and returns what is before it; `separator` is what it
// was, 0 at the end.
std::string_view cut(std::string_view& text, const char* separators, char& separator) noexcept {
  const std::size_t at = text.find_first_of(separators);
  const std::string_view before = text.substr(0, at);
  separator = at == std::string_view::npos ? '\0' : text[at];
  text.remove_prefix(separator == '\0' ? text.size() : at + 1);
  return before;
}

// Decimals in milliseconds, rounded to six places first, as systemd does.
Result<int> parse_decimal(const Field& field, std::string_view text) {
  const std::size_t dot = text.find('.');
  const auto whole = parse_digits(text.substr(0, dot));
  if (!whole || *whole > 99) return wrong(field.name, quoted(text) + " is not a number");
  if (dot == std::string_view::npos) return *whole * 1000;

  const std::string_view places = text.substr(dot + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (places.empty() || !std::all_of(places.begin(), places.end(), is_digit)) {
    return wrong(field.name, quoted(text) + " is not a number");
  }
  int micros = 0;
  for (std::size_t i = 0; i < 6; ++i)
    micros = micros * 10 + (i < places.size() ? places[i] - '0' : 0);
  if (places.size() > 6 && places[6] >= '5') ++micros;
  if (micros % 1000 != 0) {
    return wrong(field.name, quoted(text) + " is finer than a millisecond");
  }
  return *whole * 1000 + micros / 1000;
}

Result<int> parse_number(const Field& field, std::string_view text) {
  if (text.empty()) return wrong(field.name, "a value is missing");
  if (field.unit != 1) return parse_decimal(field, text);
  const auto value = parse_digits(text);
  if (!value) return wrong(field.name, quoted(text) + " is not a number");
  return *value;
}

Result<int> parse_value(const Field& field, std::string_view text) {
  auto value = parse_number(field, text);
  if (!value) return value;
  int number = *value;
  if (field.most == year_field.most && number < 100) number += number < 70 ? 2000 : 1900;
  if (number < field.least || number > field.most) {
    return wrong(field.name, quoted(text) + " is not in " + std::to_string(field.least) + ".." +
                                 std::to_string(field.most / field.unit));
  }
  return number;
}

// "5", "5/10", "5..20" or "5..20/10".  Of a range without end (`from_end`: down to day 1 from the
// end) at least one repetition has to fit, as systemd wants it.
Result<Run> parse_run(const Field& field, std::string_view text, bool from_end) {
  const std::size_t slash = text.find('/');
  std::string_view range = text.substr(0, slash);
  int step = field.unit;
  if (slash != std::string_view::npos) {
    const auto parsed = parse_number(field, text.substr(slash + 1));
    if (!parsed) return parsed.error();
    if (*parsed < 1) return wrong(field.name, "a repetition of 0 never advances");
    step = *parsed;
  }
  const std::size_t dots = range.find("..");
  const auto first = parse_value(field, range.substr(0, dots));
  if (!first) return first.error();
  if (dots != std::string_view::npos) {
    const auto last = parse_value(field, range.substr(dots + 2));
    if (!last) return last.error();
    if (*last < *first) return wrong(field.name, "the range " + quoted(range) + " runs backwards");
    return Run{*first, *last - (*last - *first) % step, step};
  }
  if (slash == std::string_view::npos) return Run{*first, *first, step};
  if (from_end ? *first - step < field.least : *first > field.most - step) {
    return wrong(field.name, "the repetition in " + quoted(text) + " is too large");
  }
  // From the end the days count down: the last of them that is named is the first in time.
  if (from_end) return Run{*first - (*first - field.least) / step * step, *first, step};
  return Run{*first, field.most, step};
}

// Nothing in the list: "*".
Result<Runs> parse_runs(const Field& field, std::string_view text, bool from_end = false) {
  Runs runs;
  if (text == "*") return runs;
  if (text.empty()) return wrong(field.name, "a value is missing");
  if (text.find('*') != std::string_view::npos) {
    return wrong(field.name, "* has to stand alone; repetitions are written 0/15");
  }
  char separator = ',';
  while (separator == ',') {
    const auto run = parse_run(field, cut(text, ",", separator), from_end);
    if (!run) return run.error();
    runs.push_back(*run);
  }
  return runs;
}

Result<std::uint64_t> parse_bits(const Field& field, std::string_view text, std::uint64_t all,
                                 bool from_end = false) {
  const auto runs = parse_runs(field, text, from_end);
  if (!runs) return runs.error();
  if (runs->empty()) return all;
  std::uint64_t bits = 0;
  for (const Run& run : *runs) {
    for (int value = run.first; value <= run.last; value += run.step) {
      bits |= std::uint64_t{1} << value;
    }
  }
  return bits;
}

std::optional<unsigned> find_weekday(std::string_view name) noexcept {
  for (unsigned i = 0; i < weekday_names.size(); ++i) {
    if (equal_ignoring_case(name, weekday_names[i]) ||
        equal_ignoring_case(name, weekday_names[i].substr(0, 3))) {
      return i;
    }
  }
  return std::nullopt;
}

// "Mon,Wed..Fri"; one comma at the end is allowed.  The week begins on Monday.
std::optional<Error> parse_weekdays(std::string_view text, CalendarPattern& pattern) {
  pattern.weekdays = 0;
  if (!text.empty() && text.back() == ',') text.remove_suffix(1);
  char separator = ',';
  while (separator == ',') {
    std::string_view item = cut(text, ",", separator);
    std::size_t dots = item.find("..");
    std::size_t width = 2;
    if (dots == std::string_view::npos) {
      dots = item.find('-');
      width = 1;
    }
    const auto first = find_weekday(item.substr(0, dots));
    const auto last =
        dots == std::string_view::npos ? first : find_weekday(item.substr(dots + width));
    if (!first || !last) return wrong("weekday", quoted(item) + " is no weekday or range of them");
    const unsigned from = (*first + 6) % 7;
    const unsigned to = (*last + 6) % 7;
    if (to < from) {
      return wrong("weekday",
                   "the range " + quoted(item) + " runs backwards; weeks begin on Monday");
    }
    for (unsigned day = from; day <= to; ++day) {
      pattern.weekdays = static_cast<std::uint8_t>(pattern.weekdays | 1U << (day + 1) % 7);
    }
  }
  return std::nullopt;
}

// "year-month-day" or "month-day"; before the day there may be a ~.
std::optional<Error> parse_date(std::string_view text, CalendarPattern& pattern) {
  const std::string_view whole = text;
  std::string_view parts[3];
  std::size_t count = 0;
  char separator = '-';
  bool from_end = false;
  while (separator != '\0') {
    if (count == 3) return wrong("date", quoted(whole) + " has more than year, month and day");
    if (from_end) return wrong("date", "~ has to stand before the day");
    from_end = separator == '~';
    parts[count++] = cut(text, "-~", separator);
  }
  if (count < 2) {
    return wrong("date",
                 quoted(parts[0]) + " is neither a date (month-day) nor a time (hour:minute)");
  }
  if (count == 3) {
    auto years = parse_runs(year_field, parts[0]);
    if (!years) return years.error();
    pattern.years = std::move(years).value();
  }
  const auto months = parse_bits(month_field, parts[count - 2], CalendarPattern::all_months);
  if (!months) return months.error();
  pattern.months = static_cast<std::uint32_t>(*months);
  const auto days = parse_bits(from_end ? day_from_end_field : day_field, parts[count - 1],
                               CalendarPattern::all_days, from_end);
  if (!days) return days.error();
  pattern.days = from_end ? 0 : static_cast<std::uint32_t>(*days);
  pattern.days_from_end = from_end ? static_cast<std::uint32_t>(*days) : 0;
  return std::nullopt;
}

// "hour:minute" or "hour:minute:second".
std::optional<Error> parse_time(std::string_view text, CalendarPattern& pattern) {
  std::string_view parts[3];
  std::size_t count = 0;
  char separator = ':';
  while (separator == ':') {
    if (count == 3) return wrong("time", "it has more than hour, minute and second");
    parts[count++] = cut(text, ":", separator);
  }
  const auto hours = parse_bits(hour_field, parts[0], CalendarPattern::all_hours);
  if (!hours) return hours.error();
  pattern.hours = static_cast<std::uint32_t>(*hours);
  const auto minutes = parse_bits(minute_field, parts[1], CalendarPattern::all_minutes);
  if (!minutes) return minutes.error();
  pattern.minutes = *minutes;
  if (count < 3) return std::nullopt;
  auto seconds = parse_runs(second_field, parts[2]);
  if (!seconds) return seconds.error();
  pattern.milliseconds = std::move(seconds).value();
  if (pattern.milliseconds.empty()) pattern.milliseconds = {{0, second_field.most, 1000}};
  return std::nullopt;
}

// "@1800000000": one moment, in seconds since 1970.
std::optional<Error> parse_moment(std::string_view text, CalendarPattern& pattern) {
  const auto wrong_moment = [text] {
    return wrong("time", quoted(text) + " is no number of seconds between 1970 and 2199");
  };
  std::int64_t value = 0;
  if (text.size() < 2 || text.size() > 11) return wrong_moment();
  for (const char c : text.substr(1)) {
    if (c < '0' || c > '9') return wrong_moment();
    value = value * 10 + (c - '0');
  }
  const std::chrono::sys_seconds moment{std::chrono::seconds{value}};
  const auto day = std::chrono::floor<std::chrono::days>(moment);
  const std::chrono::year_month_day date{day};
  const int year = static_cast<int>(date.year());
  if (year > year_field.most) return wrong_moment();
  const auto minute = static_cast<int>((moment - day).count() / 60);
  const int second = static_cast<int>(value % 60);
  pattern.years = {{year, year, 1}};
  pattern.months = std::uint32_t{1} << static_cast<unsigned>(date.month());
  pattern.days = std::uint32_t{1} << static_cast<unsigned>(date.day());
  pattern.hours = std::uint32_t{1} << (minute / 60);
  pattern.minutes = std::uint64_t{1} << (minute % 60);
  pattern.milliseconds = {{second * 1000, second * 1000, 1}};
  return std::nullopt;
}

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  while (!(text = trim_blanks(text)).empty()) {
    words.push_back(text.substr(0, text.find_first_of(" \t")));
    text.remove_prefix(words.back().size());
  }
  return words;
}

// "[weekdays] [date] [time]", at least one of them.
std::optional<Error> parse_words(std::vector<std::string_view> words, CalendarPattern& pattern) {
  std::size_t at = 0;
  if (is_letter(words[0].front())) {
    if (auto error = parse_weekdays(words[at++], pattern)) return error;
  }
  if (at < words.size() && words[at].find(':') == std::string_view::npos) {
    if (auto error = parse_date(words[at++], pattern)) return error;
  }
  if (at < words.size() && words[at].find(':') != std::string_view::npos) {
    if (auto error = parse_time(words[at++], pattern)) return error;
  }
  if (at < words.size()) {
    return wrong("calendar", quoted(words[at]) +
                                 " is not expected there; the order is weekdays, date, time, zone");
  }
  return std::nullopt;
}

}  // namespace

Result<CalendarEvent> parse_calendar_event(std::string_view text) {
  if (text.size() > expression_bytes_max) {
    return wrong("calendar", "the expression is longer than " +
                                 std::to_string(expression_bytes_max) + " bytes");
  }
  auto words = split_words(text);
  if (words.empty()) return wrong("calendar", "the expression is empty");

  CalendarEvent event;
  event.pattern.milliseconds = {{0, 0, 1}};
  // The last word is a zone when it is a name and something stands before it.
  if (words.size() > 1 && is_letter(words.back().front())) {
    event.timezone = equal_ignoring_case(words.back(), "UTC") ? "UTC" : words.back();
    words.pop_back();
  }
  if (words.size() == 1) {
    for (const auto& [name, meaning] : shorthands) {
      if (equal_ignoring_case(words[0], name)) {
        words = split_words(meaning);
        break;
      }
    }
  }
  if (words.size() == 1 && words[0].front() == '@') {
    if (event.timezone.empty()) event.timezone = "UTC";
    if (event.timezone != "UTC") return wrong("calendar", "seconds since 1970 have no time zone");
    if (auto error = parse_moment(words[0], event.pattern)) return *error;
    return event;
  }
  if (auto error = parse_words(std::move(words), event.pattern)) return *error;
  return event;
}

}  // namespace cofounder
