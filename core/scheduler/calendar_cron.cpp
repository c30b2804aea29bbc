// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/calendar_parsers.hpp"

#include <array>
#include <span>
#include <vector>

namespace cofounder {
namespace {

constexpr std::array<std::string_view, 12> month_names{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekday_names{"sun", "mon", "tue", "wed",
                                                        "thu", "fri", "sat"};

struct Field {
  std::string_view name;
  int least;
  int most;
  std::span<const std::string_view> names{};  // of the values from `least` on
};

constexpr Field second_field{"second", 0, 59};
constexpr Field minute_field{"minute", 0, 59};
constexpr Field hour_field{"hour", 0, 23};
constexpr Field day_field{"day-of-month", 1, 31};
constexpr Field month_field{"month", 1, 12, month_names};
constexpr Field weekday_field{"day-of-week", 0, 7, weekday_names};

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> macros{{
    {"@yearly", "0 0 1 1 *"},
    {"@annually", "0 0 1 1 *"},
    {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"},
    {"@daily", "0 0 * * *"},
    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"},
}};

Error wrong(const Field& field, const std::string& why) {
  return make_error("invalid_cron", std::string{field.name} + ": " + why);
}

std::string range_of(const Field& field) {
  return std::to_string(field.least) + "-" + std::to_string(field.most);
}

// Calls `action` with each part between commas; the first error ends it.
template <class Action>
std::optional<Error> for_each_item(std::string_view list, Action action) {
  for (;;) {
    const std::size_t comma = list.find(',');
    if (auto error = action(list.substr(0, comma))) return error;
    if (comma == std::string_view::npos) return std::nullopt;
    list.remove_prefix(comma + 1);
  }
}

Result<int> parse_value(const Field& field, std::string_view text) {
  if (text.empty()) return wrong(field, "a value is missing");
  for (std::size_t i = 0; i < field.names.size(); ++i) {
    if (equal_ignoring_case(text, field.names[i])) return field.least + static_cast<int>(i);
  }
  const auto value = parse_digits(text);
  if (!value) {
    const char* also = field.names.empty() ? "" : " or a name of three letters";
    return wrong(field, quoted(text) + " is not a number" + also);
  }
  if (*value < field.least || *value > field.most) {
    return wrong(field, std::string{text} + " is not in " + range_of(field));
  }
  return *value;
}

Result<CalendarPattern::Run> parse_range(const Field& field, std::string_view text) {
  if (text == "*") return CalendarPattern::Run{field.least, field.most, 1};
  const std::size_t dash = text.find('-');
  const auto first = parse_value(field, text.substr(0, dash));
  if (!first) return first.error();
  if (dash == std::string_view::npos) return CalendarPattern::Run{*first, *first, 1};
  const auto parsed = parse_value(field, text.substr(dash + 1));
  if (!parsed) return parsed.error();
  int last = *parsed;
  // "sat-sun": at the end of a range Sunday is 7.
  if (field.most == 7 && last == 0 && *first > 0 && parse_digits(text.substr(dash + 1)) != 0) {
    last = 7;
  }
  if (last < *first) {
    return wrong(field, "the range " + quoted(text) + " runs backwards; write two ranges");
  }
  return CalendarPattern::Run{*first, last, 1};
}

// "*", "7", "1-5", "*/15", "10-40/5", "5/15" (from 5 to the end).
Result<CalendarPattern::Run> parse_run(const Field& field, std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view range = text.substr(0, slash);
  auto parsed = parse_range(field, range);
  if (!parsed || slash == std::string_view::npos) return parsed;

  CalendarPattern::Run run = *parsed;
  const std::string_view step_text = text.substr(slash + 1);
  const auto step = parse_digits(step_text);
  if (!step) return wrong(field, "the step " + quoted(step_text) + " is not a number");
  if (*step < 1) return wrong(field, "a step has to be at least 1");
  if (range != "*" && range.find('-') == std::string_view::npos) run.last = field.most;
  if (*step > field.most) {
    return wrong(field,
                 "the step " + std::to_string(*step) + " never repeats within " + range_of(field));
  }
  run.step = *step;
  return run;
}

std::uint64_t bits_of(const CalendarPattern::Run& run) noexcept {
  std::uint64_t bits = 0;
  for (int value = run.first; value <= run.last; value += run.step)
    bits |= std::uint64_t{1} << value;
  return bits;
}

Result<std::uint64_t> parse_bits(const Field& field, std::string_view text) {
  std::uint64_t bits = 0;
  auto error = for_each_item(text, [&](std::string_view item) -> std::optional<Error> {
    const auto run = parse_run(field, item);
    if (!run) return run.error();
    bits |= bits_of(*run);
    return std::nullopt;
  });
  if (error) return *error;
  return bits;
}

// Numbers, "L" (the last day) and "L-3" (three days before it).
std::optional<Error> parse_days(std::string_view text, CalendarPattern& pattern) {
  if (text == "?") return std::nullopt;
  std::uint64_t days = 0;
  auto error = for_each_item(text, [&](std::string_view item) -> std::optional<Error> {
    if (!item.empty() && (item.back() == 'W' || item.back() == 'w')) {
      return wrong(day_field, "W (the nearest weekday) is not supported");
    }
    if (item.empty() || (item.front() != 'L' && item.front() != 'l')) {
      const auto run = parse_run(day_field, item);
      if (!run) return run.error();
      days |= bits_of(*run);
      return std::nullopt;
    }
    int before = 0;
    if (item.size() > 1) {
      const auto number = item[1] == '-' ? parse_digits(item.substr(2)) : std::nullopt;
      if (!number || *number < 1 || *number > 30) {
        return wrong(day_field, quoted(item) + " is neither L nor L-1 to L-30");
      }
      before = *number;
    }
    pattern.days_from_end |= std::uint32_t{1} << (before + 1);
    return std::nullopt;
  });
  if (error) return error;
  pattern.days = static_cast<std::uint32_t>(days);
  return std::nullopt;
}

// Numbers and names, "5L" (the last Friday) and "5#2" (the second one).
std::optional<Error> parse_weekdays(std::string_view text, CalendarPattern& pattern) {
  if (text == "?") return std::nullopt;
  std::uint64_t weekdays = 0;
  auto error = for_each_item(text, [&](std::string_view item) -> std::optional<Error> {
    const std::size_t hash = item.find('#');
    const bool is_last = !item.empty() && (item.back() == 'L' || item.back() == 'l');
    if (hash == std::string_view::npos && !is_last) {
      const auto run = parse_run(weekday_field, item);
      if (!run) return run.error();
      weekdays |= bits_of(*run);
      return std::nullopt;
    }
    if (is_last && item.size() == 1) {
      return wrong(weekday_field, "L needs a weekday before it, as in 5L for the last Friday");
    }
    const auto weekday = parse_value(
        weekday_field, is_last ? item.substr(0, item.size() - 1) : item.substr(0, hash));
    if (!weekday) return weekday.error();
    int nth = 0;
    if (!is_last) {
      const auto number = parse_digits(item.substr(hash + 1));
      if (!number || *number < 1 || *number > 5) {
        return wrong(weekday_field, "after # there has to be a number from 1 to 5");
      }
      nth = *number;
    }
    auto& bits = pattern.weekdays_nth[static_cast<std::size_t>(*weekday % 7)];
    bits = static_cast<std::uint8_t>(bits | 1U << nth);
    return std::nullopt;
  });
  if (error) return error;
  // Sunday is 0 and 7.
  pattern.weekdays = static_cast<std::uint8_t>((weekdays | weekdays >> 7) & 0x7f);
  return std::nullopt;
}

std::vector<std::string_view> split_fields(std::string_view text) {
  std::vector<std::string_view> fields;
  while (!(text = trim_blanks(text)).empty()) {
    const std::size_t end = text.find_first_of(" \t");
    fields.push_back(text.substr(0, end));
    text.remove_prefix(fields.back().size());
  }
  return fields;
}

Result<CalendarPattern> parse_fields(std::string_view text) {
  const auto fields = split_fields(text);
  if (fields.size() != 5 && fields.size() != 6) {
    return make_error("invalid_cron",
                      "cron: it has " + std::to_string(fields.size()) +
                          " fields, not five (minute hour day-of-month month day-of-week) or six "
                          "(second first)");
  }
  const std::size_t shift = fields.size() - 5;
  CalendarPattern pattern;
  pattern.milliseconds = {{0, 0, 1}};
  if (shift == 1) {
    const auto seconds = parse_bits(second_field, fields[0]);
    if (!seconds) return seconds.error();
    pattern.milliseconds.clear();
    for (int second = 0; second < 60; ++second) {
      if ((*seconds >> second & 1U) != 0) {
        pattern.milliseconds.push_back({second * 1000, second * 1000, 1});
      }
    }
  }
  const auto minutes = parse_bits(minute_field, fields[shift]);
  if (!minutes) return minutes.error();
  const auto hours = parse_bits(hour_field, fields[shift + 1]);
  if (!hours) return hours.error();
  const std::string_view days = fields[shift + 2];
  if (auto error = parse_days(days, pattern)) return *error;
  const auto months = parse_bits(month_field, fields[shift + 3]);
  if (!months) return months.error();
  const std::string_view weekdays = fields[shift + 4];
  if (auto error = parse_weekdays(weekdays, pattern)) return *error;

  pattern.minutes = *minutes;
  pattern.hours = static_cast<std::uint32_t>(*hours);
  pattern.months = static_cast<std::uint32_t>(*months);
  // As in Vixie cron a day field counts as unrestricted when it begins with a star, also "*/2".
  const auto is_restricted = [](std::string_view f) {
    return f.front() != '*' && f.front() != '?';
  };
  pattern.either_day = is_restricted(days) && is_restricted(weekdays);
  return pattern;
}

}  // namespace

Result<CalendarPattern> parse_cron(std::string_view text) {
  if (text.size() > expression_bytes_max) {
    return make_error("invalid_cron", "cron: the expression is longer than " +
                                          std::to_string(expression_bytes_max) + " bytes");
  }
  text = trim_blanks(text);
  if (text.empty()) return make_error("invalid_cron", "cron: the expression is empty");
  if (text.front() != '@') return parse_fields(text);
  for (const auto& [name, fields] : macros) {
    if (equal_ignoring_case(text, name)) return parse_fields(fields);
  }
  return make_error("invalid_cron",
                    "cron: " + quoted(text) +
                        " is unknown; there are @yearly, @annually, @monthly, @weekly, @daily, "
                        "@midnight and @hourly");
}

}  // namespace cofounder
