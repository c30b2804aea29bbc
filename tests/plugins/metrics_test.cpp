// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "plugins/metrics/exposition.hpp"
#include "plugins/metrics/figures.hpp"
#include "plugins/metrics/summary.hpp"

namespace metrics {
namespace {

namespace sdk = cofounder::sdk;
using Json = nlohmann::json;

// The families that the vectors' good texts were made from.
constexpr const char* snapshot = R"({"families": [
  {"name": "cofounderd_tasks", "kind": "counter", "help": "Tasks finished, by outcome.", "unit": "",
   "samples": [{"labels": {"outcome": "completed"}, "value": 3},
               {"labels": {"outcome": "failed"}, "value": 1}]},
  {"name": "cofounderd_llm_cost_usd", "kind": "counter", "help": "Provider spend.", "unit": "",
   "samples": [{"labels": {"provider": "openai", "model": "gpt"}, "value": 0.0125}]},
  {"name": "cofounderd_task_duration_seconds", "kind": "histogram", "help": "Wall time of tasks.",
   "unit": "seconds", "samples": [{"labels": {}, "buckets": [[0.1, 1], [1, 2], ["+Inf", 4]],
                                   "sum": 12.5, "count": 4}]},
  {"name": "cofounderd_build", "kind": "info", "help": "Build.", "unit": "",
   "samples": [{"labels": {"version": "0.1.0"}, "value": 1}]},
  {"name": "cofounderd_queue_depth", "kind": "gauge", "help": "Pending tasks.", "unit": "",
   "samples": [{"labels": {"priority": "high"}, "value": 0}]}
]})";

Json vectors() {
  std::ifstream file{COFOUNDER_SOURCE_DIR "/tests/vectors/metrics_cases.json"};
  return Json::parse(file);
}

TEST(Exposition, WritesOpenMetricsAsTheStrictParserWantsIt) {
  EXPECT_EQ(expose(snapshot, Format::openmetrics), vectors().at("good_openmetrics").get<std::string>());
}

TEST(Exposition, WritesTheClassicFormatAsPromtoolWantsIt) {
  EXPECT_EQ(expose(snapshot, Format::classic), vectors().at("good_classic").get<std::string>());
}

TEST(Exposition, EscapesLabelsAndHelp) {
  const std::string text = expose(
      R"({"families": [{"name": "a", "kind": "gauge", "help": "x\ny\\z", "unit": "",
          "samples": [{"labels": {"l": "q\"b\\n\n"}, "value": 1}]}]})",
      Format::openmetrics);
  EXPECT_EQ(text, "# TYPE a gauge\n# HELP a x\\ny\\\\z\na{l=\"q\\\"b\\\\n\\n\"} 1\n# EOF\n");
}

TEST(Exposition, ChoosesTheFormatByAccept) {
  EXPECT_EQ(choose_format(""), Format::classic);
  EXPECT_EQ(choose_format("text/plain"), Format::classic);
  EXPECT_EQ(choose_format("application/openmetrics-text; version=1.0.0"), Format::openmetrics);
  // What Prometheus 2.42 sends.
  EXPECT_EQ(choose_format("application/openmetrics-text;version=1.0.0,"
                          "application/openmetrics-text;version=0.0.1;q=0.75,"
                          "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"),
            Format::openmetrics);
  EXPECT_EQ(choose_format("application/openmetrics-text;q=0.2, text/plain"), Format::classic);
}

TEST(Summary, MoneyIsExact) {
  EXPECT_EQ(dollars(0), "0.000000");
  EXPECT_EQ(dollars(12'500), "0.012500");
  EXPECT_EQ(dollars(1'234'567'890'123'456'789), "1234567890123.456789");
  EXPECT_EQ(dollars(-1), "-0.000001");
}

sdk::Json stats() {
  return {{"tasks", {{"scheduled", 2}, {"running", 1}, {"succeeded", 6}, {"failed", 1}, {"timed_out", 1}}},
          {"total", 11},
          {"average_seconds", 0.25}};
}

TEST(Summary, GivesTheFigures) {
  const sdk::Json usage{{"rows", {{{"key", "hf"}, {"cost_micros", 12'500}, {"unpriced", 0}}}}};
  const std::string text = summarize(stats(), usage);
  const Json json = Json::parse(text);
  EXPECT_EQ(json.at("total_tasks"), 11);
  EXPECT_EQ(json.at("completed_tasks"), 6);
  EXPECT_EQ(json.at("failed_tasks"), 2);
  EXPECT_EQ(json.at("pending_tasks"), 3);
  EXPECT_EQ(json.at("success_rate"), 0.75);
  EXPECT_EQ(json.at("avg_execution_seconds"), 0.25);
  EXPECT_NE(text.find("\"total_cost_usd\":0.012500"), std::string::npos);
  EXPECT_TRUE(json.at("unavailable").empty());
}

TEST(Summary, AnUnknownFigureIsNullWithAReasonAndNeverZero) {
  const sdk::Failure away{COF_EUNAVAILABLE, "store_unavailable", "disk I/O error"};
  const Json json = Json::parse(summarize(away, away));
  for (const char* figure : {"total_tasks", "completed_tasks", "failed_tasks", "pending_tasks",
                             "success_rate", "avg_execution_seconds", "total_cost_usd"}) {
    EXPECT_TRUE(json.at(figure).is_null()) << figure;
  }
  ASSERT_EQ(json.at("unavailable").size(), 7u);
  EXPECT_EQ(json.at("unavailable")[0].at("code"), "store_unavailable");
  EXPECT_EQ(json.at("unavailable")[0].at("reason"), "disk I/O error");
}

TEST(Summary, ACallWithoutAPriceMakesTheTotalUnknown) {
  const sdk::Json usage{{"rows", {{{"key", "hf"}, {"cost_micros", 100}, {"unpriced", 2}}}}};
  const Json json = Json::parse(summarize(stats(), usage));
  EXPECT_TRUE(json.at("total_cost_usd").is_null());
  EXPECT_EQ(json.at("unavailable")[0].at("reason"),
            "2 calls have no known price. The others cost 0.000100.");
}

TEST(Summary, PeriodsBeginAtMidnightUtc) {
  const sdk::WallTime now{sdk::Milliseconds{1'795'456'358'123}};  // 2026-11-23T17:52:38Z
  const auto start = [&](const char* period) { return period_start(period, now)->time_since_epoch().count(); };
  EXPECT_EQ(start("today"), 1'795'392'000'000);
  EXPECT_EQ(start("week"), 1'795'392'000'000 - 6 * 86'400'000LL);
  EXPECT_EQ(start("month"), 1'793'491'200'000);
  EXPECT_EQ(start("all"), 0);
  EXPECT_FALSE(period_start("year", now));
}

}  // namespace
}  // namespace metrics
