// SPDX-License-Identifier: Apache-2.0
#include "budget.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>
#include <tuple>

#include "figures.hpp"

namespace metrics {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;
__extension__ typedef __int128 Wide;

constexpr double dollars_max = 1e12;
constexpr double warning_ratio = 0.8;     // spent
constexpr double projection_ratio = 1.1;  // will be spent
constexpr std::chrono::hours projection_needs{1};

std::string time_text(sdk::WallTime time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  char text[40];
  std::snprintf(text, sizeof text, "%04d-%02u-%02uT00:00:00.000Z", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
  return text;
}

bool is_date(const std::string& text) {
  int year = 0, month = 0, day = 0, used = 0;
  if (text.size() != 10 ||
      std::sscanf(text.c_str(), "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || used != 10 ||
      month < 0 || day < 0) {
    return false;
  }
  return std::chrono::year_month_day{std::chrono::year{year},
                                     std::chrono::month{static_cast<unsigned>(month)},
                                     std::chrono::day{static_cast<unsigned>(day)}}
      .ok();
}

// What the window costs when it goes on as it began; real lengths of months, rounded half up.
std::optional<std::int64_t> project(const Window& window, sdk::WallTime now, std::int64_t micros) {
  if (now - window.from < projection_needs) return std::nullopt;
  const Wide elapsed = (now - window.from).count();
  const Wide all = (window.to - window.from).count();
  const Wide exact = (Wide{micros} * all + elapsed / 2) / elapsed;
  if (exact > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(exact);
}

double ratio(std::int64_t part, std::int64_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

// A budget of 0 allows nothing, and nothing is what it may cost.
bool is_used_up(std::int64_t budget, std::int64_t micros) {
  return budget > 0 ? micros >= budget : micros > 0;
}

void show_against(Object& out, std::int64_t budget, const Total& total,
                  std::optional<std::int64_t> projected) {
  if (total.unpriced > 0) {
    const std::string reason = unpriced_reason(total.unpriced);
    out.unknown("remaining_usd", "unpriced_calls", reason);
    out.unknown("used_ratio", "unpriced_calls", reason);
    // What is known to be spent cannot become less.
    if (is_used_up(budget, total.micros)) return out.word("status", "critical");
    return out.unknown("status", "unpriced_calls", reason);
  }
  out.figure("remaining_usd", dollars(budget - total.micros));
  if (budget > 0) {
    out.figure("used_ratio", Json(ratio(total.micros, budget)).dump());
  } else {
    out.unknown("used_ratio", "no_budget", "The budget is 0.");
  }
  const bool is_critical = is_used_up(budget, total.micros);
  const bool is_warning =
      budget > 0 && (ratio(total.micros, budget) >= warning_ratio ||
                     (projected && ratio(*projected, budget) > projection_ratio));
  out.word("status", is_critical ? "critical" : is_warning ? "warning" : "healthy");
}

}  // namespace

Budget read_budget(const Json& config) {
  Budget budget;
  if (!config.contains("budget")) return budget;
  for (const auto& [window, value] : config.at("budget").items()) {
    const double amount = value.is_number() ? value.get<double>() : -1;
    if (!std::isfinite(amount) || amount < 0 || amount > dollars_max) {
      throw sdk::Failed{"invalid_config", "budget." + window + " is no amount of dollars"};
    }
    budget[window] = std::llroundl(static_cast<long double>(amount) * 1'000'000);
  }
  return budget;
}

void check_prices(const Json& config) {
  if (!config.contains("prices")) return;
  std::set<std::tuple<std::string, std::string, std::string>> seen;
  std::size_t number = 0;
  for (const Json& price : config.at("prices")) {
    const std::string where = "prices[" + std::to_string(number++) + "]";
    const std::string from = price.value("from", "");
    if (!from.empty() && !is_date(from)) {
      throw sdk::Failed{"invalid_config", where + ".from is no date like \"2026-01-31\""};
    }
    if (!seen.emplace(price.value("provider", ""), price.value("model", ""), from).second) {
      throw sdk::Failed{"invalid_config", where + ": there is another price from the same day"};
    }
  }
}

std::optional<Window> window_at(std::string_view name, sdk::WallTime now) {
  const auto today = std::chrono::floor<std::chrono::days>(now);
  if (name == "day") {
    return Window{"day", sdk::WallTime{today}, sdk::WallTime{today + std::chrono::days{1}}};
  }
  if (name != "month") return std::nullopt;
  const std::chrono::year_month_day date{today};
  const auto month = date.year() / date.month();
  return Window{"month", sdk::WallTime{std::chrono::sys_days{month / 1}},
                sdk::WallTime{std::chrono::sys_days{(month + std::chrono::months{1}) / 1}}};
}

std::string show_budget(const Window& window, sdk::WallTime now, const Budget& budget,
                        const sdk::Result<Json>& usage) {
  Object out;
  out.word("window", window.name);
  out.word("from", time_text(window.from));
  out.word("to", time_text(window.to));
  const auto amount = budget.find(window.name);
  if (amount == budget.end()) {
    out.unknown("budget_usd", "not_configured",
                "[plugin.metrics.budget] " + window.name + " is not set.");
  } else {
    out.figure("budget_usd", dollars(amount->second));
  }
  if (!usage) {
    for (const char* figure : {"spend_usd", "known_spend_usd", "calls", "unpriced_calls",
                               "projected_usd", "remaining_usd", "used_ratio", "status"}) {
      out.unknown(figure, usage.failure().code, usage.failure().message);
    }
    return out.take();
  }
  const Total total = total_of(*usage);
  if (total.unpriced > 0) {
    out.unknown("spend_usd", "unpriced_calls", unpriced_reason(total.unpriced));
  } else {
    out.figure("spend_usd", dollars(total.micros));
  }
  out.figure("known_spend_usd", dollars(total.micros));
  out.figure("calls", std::to_string(total.calls));
  out.figure("unpriced_calls", std::to_string(total.unpriced));
  const auto projected = project(window, now, total.micros);
  if (total.unpriced > 0) {
    out.unknown("projected_usd", "unpriced_calls", unpriced_reason(total.unpriced));
  } else if (!projected) {
    out.unknown("projected_usd", "too_early", "The window has only begun.");
  } else {
    out.figure("projected_usd", dollars(*projected));
  }
  if (amount != budget.end()) {
    show_against(out, amount->second, total, projected);
  } else {
    for (const char* figure : {"remaining_usd", "used_ratio", "status"}) {
      out.unknown(figure, "not_configured", "There is no budget to compare with.");
    }
  }
  return out.take();
}

}  // namespace metrics
