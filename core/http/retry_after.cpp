// SPDX-License-Identifier: Apache-2.0
#include "core/http/retry_after.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdlib>

namespace cofounder::http {
namespace {

constexpr double wait_ms_max = 365.0 * 86'400'000;

std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Digits, perhaps with a fraction; nothing else.
std::optional<double> parse_seconds(std::string_view text) noexcept {
  text = trim(text);
  double value = 0;
  if (text.empty() || text.front() < '0' || text.front() > '9') return std::nullopt;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

Milliseconds clamp(double milliseconds) noexcept {
  return Milliseconds{
      static_cast<std::int64_t>(std::ceil(std::clamp(milliseconds, 0.0, wait_ms_max)))};
}

std::optional<int> parse_int(std::string_view text) noexcept {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<unsigned> month_number(std::string_view name) noexcept {
  constexpr std::array<std::string_view, 12> months = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto it = std::find(months.begin(), months.end(), name);
  if (it == months.end()) return std::nullopt;
  return static_cast<unsigned>(it - months.begin()) + 1;
}

// "08:49:37"; a leap second counts as the one before it.
std::optional<std::chrono::seconds> parse_clock(std::string_view text) noexcept {
  if (text.size() != 8 || text[2] != ':' || text[5] != ':') return std::nullopt;
  const auto hour = parse_int(text.substr(0, 2));
  const auto minute = parse_int(text.substr(3, 2));
  const auto second = parse_int(text.substr(6, 2));
  if (!hour || !minute || !second || *hour < 0 || *hour > 23 || *minute < 0 || *minute > 59 ||
      *second < 0 || *second > 60) {
    return std::nullopt;
  }
  return std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
         std::chrono::seconds{std::min(*second, 59)};
}

// A time, or a number: of seconds to go, of seconds since 1970 or of milliseconds since then.
// Which one cannot be told but by its size.
std::optional<Milliseconds> parse_reset(std::string_view text, Time now) noexcept {
  const auto until = [now](double epoch_ms) {
    return clamp(epoch_ms - static_cast<double>(now.time_since_epoch().count()));
  };
  if (const auto number = parse_seconds(text)) {
    if (*number >= 1e11) return until(*number);
    if (*number >= 1e9) return until(*number * 1000);
    return clamp(*number * 1000);
  }
  if (const auto date = parse_http_date(text)) {
    return until(static_cast<double>(date->time_since_epoch().count()));
  }
  return std::nullopt;
}

// `"api";r=0;t=55, "other";r=9;t=3` or `limit=100, remaining=0, reset=55`: the longest of what is
// used up, or of all when nothing says so.
std::optional<Milliseconds> parse_rate_limit(std::string_view text) noexcept {
  std::optional<double> used_up, any;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    std::string_view item = text.substr(0, comma);
    text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    std::optional<double> wait, left;
    while (!item.empty()) {
      const std::size_t semicolon = item.find(';');
      const std::string_view parameter = trim(item.substr(0, semicolon));
      item = semicolon == std::string_view::npos ? "" : item.substr(semicolon + 1);
      if (parameter.starts_with("t=")) wait = parse_seconds(parameter.substr(2));
      if (parameter.starts_with("reset=")) wait = parse_seconds(parameter.substr(6));
      if (parameter.starts_with("r=")) left = parse_seconds(parameter.substr(2));
    }
    if (!wait) continue;
    any = std::max(any.value_or(0), *wait);
    if (left && *left <= 0) used_up = std::max(used_up.value_or(0), *wait);
  }
  if (!any) return std::nullopt;
  return clamp(used_up.value_or(*any) * 1000);
}

std::string_view find_header(const Headers& headers, std::string_view name) noexcept {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

}  // namespace

bool is_retryable_status(int status, std::span<const int> more) noexcept {
  constexpr std::array known = {408, 425, 429, 500, 502, 503, 504, 529};
  return std::find(known.begin(), known.end(), status) != known.end() ||
         std::find(more.begin(), more.end(), status) != more.end();
}

std::optional<Time> parse_http_date(std::string_view text) noexcept {
  // Words of "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT" and
  // "Sun Nov  6 08:49:37 1994".
  std::array<std::string_view, 6> words;
  std::size_t count = 0;
  for (std::size_t at = 0; at < text.size();) {
    at = text.find_first_not_of(" ,-", at);
    if (at == std::string_view::npos) break;
    const std::size_t end = std::min(text.find_first_of(" ,-", at), text.size());
    if (count == words.size()) return std::nullopt;
    words[count++] = text.substr(at, end - at);
    at = end;
  }
  const bool is_asctime = count == 5;
  if (!is_asctime && (count != 6 || (words[5] != "GMT" && words[5] != "UTC"))) return std::nullopt;
  const auto day = parse_int(words[is_asctime ? 2 : 1]);
  const auto month = month_number(words[is_asctime ? 1 : 2]);
  auto year = parse_int(words[is_asctime ? 4 : 3]);
  const auto clock = parse_clock(words[is_asctime ? 3 : 4]);
  if (!day || !month || !year || !clock || *day < 1) return std::nullopt;
  if (words[is_asctime ? 4 : 3].size() == 2) *year += *year < 70 ? 2000 : 1900;
  if (*year < 1970 || *year > 9999) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{*month},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) return std::nullopt;
  return Time{std::chrono::sys_days{date} + *clock};
}

std::optional<Milliseconds> asked_wait(int status, const Headers& headers, Time now) noexcept {
  if (const auto wait = parse_seconds(find_header(headers, "retry-after-ms"))) return clamp(*wait);
  if (const auto value = find_header(headers, "retry-after"); !value.empty()) {
    if (const auto seconds = parse_seconds(value)) return clamp(*seconds * 1000);
    if (const auto date = parse_http_date(value)) {
      return clamp(static_cast<double>((*date - now).count()));
    }
  }
  // Some send the rest with every answer, also with a 500 that has nothing to do with limits.
  if (status != 420 && status != 429) return std::nullopt;
  if (const auto wait = parse_rate_limit(find_header(headers, "ratelimit"))) return wait;
  for (const std::string_view name :
       {"ratelimit-reset", "x-ratelimit-reset", "x-featureratelimit-reset"}) {
    const auto value = find_header(headers, name);
    if (value.empty()) continue;
    if (const auto wait = parse_reset(value, now)) return wait;
  }
  return std::nullopt;
}

Milliseconds backoff(int tries, double random) noexcept {
  const int doublings = std::clamp(tries - 1, 0, 4);
  return Milliseconds{static_cast<std::int64_t>(500.0 * (1 << doublings) * random)};
}

void RetryBudget::refill(Mono now) noexcept {
  if (refilled_ != Mono{} && now > refilled_) {
    const double seconds = std::chrono::duration<double>(now - refilled_).count();
    tokens_ = std::min(burst, tokens_ + seconds * per_second);
  }
  refilled_ = now;
}

bool RetryBudget::take(Mono now) noexcept {
  refill(now);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void RetryBudget::succeeded() noexcept { tokens_ = std::min(burst, tokens_ + per_success); }

bool RetryBudget::is_full(Mono now) noexcept {
  refill(now);
  return tokens_ >= burst;
}

}  // namespace cofounder::http
