// SPDX-License-Identifier: Apache-2.0
#include "summary.hpp"

#include <chrono>

#include "figures.hpp"

namespace metrics {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

void write_tasks(Object& out, const sdk::Result<Json>& stats) {
  constexpr std::string_view figures[] = {"total_tasks",   "completed_tasks", "failed_tasks",
                                          "pending_tasks", "success_rate",    "avg_execution_seconds"};
  if (!stats) {
    for (const auto figure : figures) {
      out.unknown(figure, stats.failure().code, stats.failure().message);
    }
    return;
  }
  const Json& json = *stats;
  const auto count = [&](const char* state) { return json.at("tasks").value(state, std::int64_t{0}); };
  const std::int64_t good = count("succeeded");
  const std::int64_t bad = count("failed") + count("timed_out");
  out.figure("total_tasks", json.at("total").dump());
  out.figure("completed_tasks", std::to_string(good));
  out.figure("failed_tasks", std::to_string(bad));
  out.figure("pending_tasks", std::to_string(count("scheduled") + count("ready") + count("running")));
  if (good + bad == 0) {
    out.unknown("success_rate", "no_tasks", "No task has succeeded or failed yet.");
  } else {
    out.figure("success_rate", Json(static_cast<double>(good) / static_cast<double>(good + bad)).dump());
  }
  if (json.at("average_seconds").is_null()) {
    out.unknown("avg_execution_seconds", "no_tasks", "No task has ended yet.");
  } else {
    out.figure("avg_execution_seconds", json.at("average_seconds").dump());
  }
}

}  // namespace

std::string dollars(std::int64_t micros) {
  const bool negative = micros < 0;
  const auto magnitude = negative ? 0 - static_cast<std::uint64_t>(micros)
                                  : static_cast<std::uint64_t>(micros);
  std::string fraction = std::to_string(magnitude % 1'000'000);
  fraction.insert(0, 6 - fraction.size(), '0');
  return (negative ? "-" : "") + std::to_string(magnitude / 1'000'000) + "." + fraction;
}

Total total_of(const Json& usage) {
  Total total;
  for (const Json& row : usage.at("rows")) {
    total.calls += row.value("calls", std::int64_t{0});
    total.micros += row.value("cost_micros", std::int64_t{0});
    total.unpriced += row.value("unpriced", std::int64_t{0});
  }
  return total;
}

std::string unpriced_reason(std::int64_t count) {
  return std::to_string(count) + (count == 1 ? " call has" : " calls have") + " no known price.";
}

std::string summarize(const sdk::Result<Json>& stats, const sdk::Result<Json>& usage) {
  Object out;
  write_tasks(out, stats);
  if (!usage) {
    out.unknown("total_cost_usd", usage.failure().code, usage.failure().message);
    return out.take();
  }
  const Total total = total_of(*usage);
  if (total.unpriced > 0) {
    out.unknown("total_cost_usd", "unpriced_calls",
                unpriced_reason(total.unpriced) + " The others cost " + dollars(total.micros) + ".");
  } else {
    out.figure("total_cost_usd", dollars(total.micros));
  }
  return out.take();
}

std::string list_costs(const sdk::Result<Json>& usage, std::string_view period,
                       std::string_view by) {
  Object out;
  out.word("period", period);
  out.word("by", by);
  if (!usage) {
    for (const char* figure : {"rows", "total_cost_usd"}) {
      out.unknown(figure, usage.failure().code, usage.failure().message);
    }
    return out.take();
  }
  std::string rows;
  for (const Json& row : usage->at("rows")) {
    Json shown = row;
    const auto micros = row.value("cost_micros", std::int64_t{0});
    const auto calls = row.value("calls", std::int64_t{0});
    shown.erase("cost_micros");
    std::string text = sdk::to_text(shown);
    text.back() = ',';
    // Of calls that all lack a price nothing is known, which is not 0.
    const bool is_unknown = calls > 0 && row.value("unpriced", std::int64_t{0}) == calls;
    text += "\"cost_usd\":" + (is_unknown ? "null" : dollars(micros)) + "}";
    rows += (rows.empty() ? "" : ",") + text;
  }
  const Total total = total_of(*usage);
  out.figure("rows", "[" + rows + "]");
  if (total.unpriced > 0) {
    out.unknown("total_cost_usd", "unpriced_calls",
                unpriced_reason(total.unpriced) + " The others cost " + dollars(total.micros) + ".");
  } else {
    out.figure("total_cost_usd", dollars(total.micros));
  }
  return out.take();
}

std::optional<sdk::WallTime> period_start(std::string_view period, sdk::WallTime now) {
  const auto today = std::chrono::floor<std::chrono::days>(now);
  if (period == "today") return sdk::WallTime{today};
  if (period == "week") return sdk::WallTime{today - std::chrono::days{6}};
  if (period == "month") {
    const std::chrono::year_month_day date{today};
    return sdk::WallTime{std::chrono::sys_days{date.year() / date.month() / 1}};
  }
  if (period == "all") return sdk::WallTime{};
  return std::nullopt;
}

}  // namespace metrics
