// SPDX-License-Identifier: Apache-2.0
// The whole metrics plugin in the loop-back host: what it tells when the store answers, when it
// fails and when it hangs, and budgets.
#include <gtest/gtest.h>

#include <cofounder/plugin.h>
#include <cofounder/testkit.hpp>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "plugins/metrics/budget.hpp"

namespace {

using Json = nlohmann::json;
namespace sdk = cofounder::sdk;
using cofounder::testkit::Host;

constexpr const char* stats =
    R"({"tasks": {"scheduled": 1, "ready": 2, "running": 3, "succeeded": 4, "failed": 5,
                  "cancelled": 6, "timed_out": 7}, "total": 28, "average_seconds": 0.5})";
constexpr const char* head =
    R"({"method": "GET", "path": "/metrics", "query": [], "headers": [], "peer": {}})";
// 2026-11-16T00:00:00Z: half of November is over.
constexpr std::int64_t mid_november_ms = 1'794'787'200'000;

class MetricsPlugin : public testing::Test {
 protected:
  Host host{*cof_plugin_entry_v1()};

  void SetUp() override {
    host.wall_ms = mid_november_ms;
    host.stats_json = stats;
    host.usage_json = R"({"rows": [{"key": "hf", "calls": 3, "cost_micros": 1500000, "unpriced": 0}]})";
  }
  void TearDown() override {
    host.stop();
    EXPECT_EQ(host.violations, std::vector<std::string>{});
    EXPECT_EQ(host.open_tags(), 0u);
  }
  cofounder::testkit::Ended ask(const std::string& route, const Json& query = Json::array()) {
    Json request = Json::parse(head);
    request["query"] = query;
    auto& call = host.route(route, request.dump());
    host.run();
    EXPECT_TRUE(call.ended.has_value());
    return call.ended.value_or(cofounder::testkit::Ended{});
  }
  Json answer(const std::string& route, const Json& query = Json::array()) {
    const auto ended = ask(route, query);
    EXPECT_TRUE(ended.ok()) << ended.error_code << ended.error_message;
    return Json::parse(ended.result);
  }
  // A forgotten one has no value left.
  std::size_t series(const std::string& family) {
    std::size_t count = 0;
    for (const auto& [labels, values] : host.metrics[family].values) count += values.empty() ? 0 : 1;
    return count;
  }
  double value(const std::string& family, const std::string& label) {
    const auto& values = host.metrics[family].values;
    const auto found = values.find({label});
    return found == values.end() || found->second.empty() ? -1 : found->second.back();
  }
  static Json window(const char* name) { return Json::array({Json::array({"window", name})}); }
  // Of a counter, over all additions.
  double sum(const std::string& family, const std::string& label) {
    double all = 0;
    for (const double one : host.metrics[family].values[{label}]) all += one;
    return all;
  }
  void scrape() {
    ask("metrics");
    host.advance(1'100'000'000);  // what it knows is a second old at most
  }
};

TEST_F(MetricsPlugin, AScrapeAsksTheStore) {
  host.start(R"({"budget": {"month": 20}})");
  scrape();
  EXPECT_EQ(series("store_tasks"), 7u);
  EXPECT_EQ(value("store_tasks", "timed_out"), 7);
  EXPECT_EQ(value("spend_usd", "month"), 1.5);
  EXPECT_EQ(value("budget_usd", "month"), 20);
  EXPECT_EQ(sum("metrics_refresh_errors", "tasks"), 0);
  EXPECT_EQ(value("metrics_last_refresh_timestamp_seconds", "tasks"), mid_november_ms / 1000.0);
}

// Row "zeros on DB failure": the series are dropped, the counter rises, the values return.
TEST_F(MetricsPlugin, AFailingStoreDropsTheSeriesAndIsCounted) {
  host.start(R"({"budget": {"month": 20}})");
  scrape();
  host.stats_json.clear();
  scrape();
  EXPECT_EQ(series("store_tasks"), 0u);
  EXPECT_EQ(series("metrics_last_refresh_timestamp_seconds"), 1u) << "that of the costs stays";
  EXPECT_EQ(sum("metrics_refresh_errors", "tasks"), 1);
  EXPECT_EQ(sum("metrics_refresh_errors", "costs"), 0);
  scrape();
  EXPECT_EQ(sum("metrics_refresh_errors", "tasks"), 2);
  host.stats_json = stats;
  scrape();
  EXPECT_EQ(value("store_tasks", "failed"), 5);
  EXPECT_EQ(sum("metrics_refresh_errors", "tasks"), 2);
}

TEST_F(MetricsPlugin, TheSummaryIsNullWhileTheStoreIsAway) {
  host.start();
  host.stats_json.clear();
  const Json summary = answer("summary");
  EXPECT_TRUE(summary.at("total_tasks").is_null());
  EXPECT_EQ(summary.at("total_cost_usd"), 1.5);
}

TEST_F(MetricsPlugin, BudgetOfTheMonth) {
  host.start(R"({"budget": {"month": 2.5, "day": 1.5}})");
  const auto ended = ask("budget");
  EXPECT_NE(ended.result.find("\"remaining_usd\":1.000000"), std::string::npos) << ended.result;
  const Json month = Json::parse(ended.result);
  EXPECT_EQ(month.at("from"), "2026-11-01T00:00:00.000Z");
  EXPECT_EQ(month.at("to"), "2026-12-01T00:00:00.000Z");
  EXPECT_EQ(month.at("projected_usd"), 3.0) << "15 of 30 days are over";
  EXPECT_EQ(month.at("status"), "warning") << "it will be more than 110 % of the budget";
  EXPECT_TRUE(month.at("unavailable").empty());
  const Json day = answer("budget", window("day"));
  EXPECT_EQ(day.at("status"), "critical");
  EXPECT_TRUE(day.at("projected_usd").is_null());
  EXPECT_EQ(day.at("unavailable").at(0).at("code"), "too_early");
  EXPECT_EQ(ask("budget", window("year")).error_code, "invalid_window");
}

TEST_F(MetricsPlugin, ABudgetThatIsNotSetIsNull) {
  host.start();
  const Json month = answer("budget");
  EXPECT_TRUE(month.at("budget_usd").is_null());
  EXPECT_TRUE(month.at("status").is_null());
  EXPECT_EQ(month.at("spend_usd"), 1.5);
  EXPECT_EQ(month.at("unavailable").at(0).at("code"), "not_configured");
}

TEST_F(MetricsPlugin, CallsWithoutAPriceMakeTheSpendUnknown) {
  host.usage_json = R"({"rows": [{"key": "a", "calls": 3, "cost_micros": 3000000, "unpriced": 1},
                                 {"key": "b", "calls": 1, "cost_micros": 0, "unpriced": 1}]})";
  host.start(R"({"budget": {"month": 2.5, "day": 5}})");
  const Json month = answer("budget");
  EXPECT_TRUE(month.at("spend_usd").is_null());
  EXPECT_EQ(month.at("known_spend_usd"), 3.0);
  EXPECT_EQ(month.at("unpriced_calls"), 2);
  EXPECT_EQ(month.at("status"), "critical") << "the known part is over it already";
  EXPECT_TRUE(answer("budget", window("day")).at("status").is_null());
  const Json costs = answer("costs");
  EXPECT_TRUE(costs.at("total_cost_usd").is_null());
  EXPECT_EQ(costs.at("rows").at(0).at("cost_usd"), 3.0);
  EXPECT_TRUE(costs.at("rows").at(1).at("cost_usd").is_null()) << "not 0";
}

TEST_F(MetricsPlugin, RefusesABadConfiguration) {
  host.start();
  for (const char* bad :
       {R"({"budget": {"month": "20"}})", R"({"budget": {"month": -1}})",
        R"({"prices": [{"provider": "p", "model": "m", "from": "2026-02-30"}]})",
        R"({"prices": [{"provider": "p", "model": "m"}, {"provider": "p", "model": "m"}]})"}) {
    const auto& call = host.configure(COF_CONFIGURE_CHECK, bad);
    host.run();
    ASSERT_TRUE(call.ended) << bad;
    EXPECT_EQ(call.ended->error_code, "invalid_config") << bad;
  }
}

TEST(BudgetWindow, MonthsHaveTheirRealLengths) {
  const auto length = [](std::int64_t ms) {
    const auto window = metrics::window_at("month", sdk::WallTime{sdk::Milliseconds{ms}});
    return (window->to - window->from).count() / 86'400'000;
  };
  EXPECT_EQ(length(mid_november_ms), 30);
  EXPECT_EQ(length(1'709'164'800'000), 29);  // 2024-02-29
  EXPECT_EQ(length(1'767'139'200'000), 31);  // 2025-12-31: it ends in another year
  EXPECT_FALSE(metrics::window_at("week", sdk::WallTime{}));
}

}  // namespace
