// SPDX-License-Identifier: Apache-2.0
// Prices with effective dates, and money that is exact.
#include "core/daemon/priced_usage.hpp"

#include <gtest/gtest.h>

#include "core/daemon/traffic_metrics.hpp"

namespace cofounder {
namespace {

// Keeps what is written.
class Ledger final : public UsageStore {
 public:
  void usage_record(Record record, Done<bool> done) override {
    records.push_back(std::move(record));
    done(true);
  }
  void usage_sum(By, Time, Time, Done<std::vector<Sum>> done) override { done(std::vector<Sum>{}); }
  std::vector<Record> records;
};

constexpr const char* prices = R"([
  {"provider": "p", "model": "m", "input_usd_per_million": 0.15, "output_usd_per_million": 0.6},
  {"provider": "p", "model": "m", "from": "2026-03-01", "input_usd_per_million": 0.1,
   "output_usd_per_million": 0.4, "cached_usd_per_million": 0.025},
  {"provider": "p", "model": "*", "input_usd_per_million": 2, "output_usd_per_million": 0},
  {"provider": "late", "model": "m", "from": "2030-01-01", "input_usd_per_million": 1,
   "output_usd_per_million": 1}])";

constexpr Time february{std::chrono::sys_days{std::chrono::year{2026} / 2 / 28}};
constexpr Time march{std::chrono::sys_days{std::chrono::year{2026} / 3 / 1}};

Result<PriceTable> table(const std::string& text) { return PriceTable::read(json::parse(text)->root()); }

UsageStore::Record record_of(std::string provider, std::string model, Time at,
                             std::optional<std::int64_t> input, std::optional<std::int64_t> output) {
  UsageStore::Record record;
  record.provider = std::move(provider);
  record.model = std::move(model);
  record.at = at;
  record.input_tokens = input;
  record.output_tokens = output;
  return record;
}

TEST(PriceTable, ThePriceOfTheDayCounts) {
  const auto known = table(prices);
  ASSERT_TRUE(known) << known.error().message;
  EXPECT_EQ(known->cost(record_of("p", "m", february, 1'000'000, 1'000'000)), 750'000);
  EXPECT_EQ(known->cost(record_of("p", "m", march - Milliseconds{1}, 1'000'000, 1'000'000)), 750'000);
  EXPECT_EQ(known->cost(record_of("p", "m", march, 1'000'000, 1'000'000)), 500'000);
  auto cached = record_of("p", "m", march, 1'000'000, 0);
  cached.cached_tokens = 400'000;
  EXPECT_EQ(known->cost(cached), 60'000 + 10'000);
  EXPECT_EQ(known->cost(record_of("p", "other", march, 7, 9)), 14);
  EXPECT_EQ(known->cost(record_of("p", "other", march, 7, std::nullopt)), 14) << "its output is free";
}

TEST(PriceTable, RoundsOnceHalfUp) {
  const auto known = table(prices);
  EXPECT_EQ(known->cost(record_of("p", "m", february, 3, 0)), 0) << "0.45";
  EXPECT_EQ(known->cost(record_of("p", "m", february, 10, 0)), 2) << "1.5";
  EXPECT_EQ(known->cost(record_of("p", "m", february, 1, 1)), 1) << "0.15 + 0.6";
}

TEST(PriceTable, WhatIsNotKnownIsNotZero) {
  const auto known = table(prices);
  EXPECT_FALSE(known->cost(record_of("q", "m", march, 1, 1)));
  EXPECT_FALSE(known->cost(record_of("late", "m", march, 1, 1))) << "not yet in force";
  EXPECT_FALSE(known->cost(record_of("p", "m", march, std::nullopt, 1)));
  EXPECT_FALSE(known->cost(record_of("p", "m", march, 1, std::nullopt)));
}

TEST(PriceTable, RefusesNonsense) {
  for (const char* bad : {R"({})", R"([{"provider": "p"}])",
                          R"([{"provider": "p", "model": "m", "input_usd_per_million": -1, "output_usd_per_million": 1}])",
                          R"([{"provider": "p", "model": "m", "from": "2026-02-30", "input_usd_per_million": 1, "output_usd_per_million": 1}])",
                          R"([{"provider": "p", "model": "m", "input_usd_per_million": "1", "output_usd_per_million": 1}])"}) {
    const auto refused = table(bad);
    ASSERT_FALSE(refused) << bad;
    EXPECT_EQ(refused.error().code, "invalid_prices");
  }
}

// Row "all-zero model/pricing": known usage gives the exact sum per model with failed calls; an
// unknown model has no cost and is counted, and is not 0.
// The providers' facts, row 20: "all-zero model/pricing".
TEST(PricedUsage, PricesWhatIsWrittenAndCountsFailedCalls) {
  Ledger ledger;
  PricedUsage usage{ledger};
  usage.set_prices(*table(prices));
  const auto write = [&](UsageStore::Record record) {
    usage.usage_record(std::move(record), [](Result<bool> done) { EXPECT_TRUE(done); });
  };
  write(record_of("p", "m", march, 1000, 1000));
  auto failed = record_of("p", "m", march, 1000, 0);
  failed.succeeded = false;
  write(failed);
  write(record_of("p\nq", "unknown", march, 5, 5));
  auto told = record_of("p", "m", march, 1000, 1000);
  told.cost_micros = 1;  // the provider's own figure goes before the table
  write(told);
  ASSERT_EQ(ledger.records.size(), 4u);
  EXPECT_EQ(ledger.records[0].cost_micros, 500);
  EXPECT_EQ(ledger.records[1].cost_micros, 100);
  EXPECT_FALSE(ledger.records[2].cost_micros);
  EXPECT_EQ(ledger.records[3].cost_micros, 1);
  json::Writer out;
  out.begin_array();
  usage.write(out);
  out.end_array();
  const auto families = json::parse(out.text());
  ASSERT_TRUE(families) << out.text();
  EXPECT_EQ(families->root().at_pointer("/1/name").as_string(), "cofounderd_llm_cost_usd");
  EXPECT_EQ(families->root().at_pointer("/1/samples").size(), 1u) << "unknown is absent: " << out.text();
  EXPECT_EQ(families->root().at_pointer("/1/samples/0/value").as_number(), 0.000601);
  EXPECT_EQ(families->root().at_pointer("/2/samples/1/value").as_number(), 1);
}

TEST(PricedUsage, ManyModelsBecomeOther) {
  Ledger ledger;
  PricedUsage usage{ledger};
  for (int i = 0; i < 1000; ++i) {
    usage.usage_record(record_of("p", "m" + std::to_string(i), march, 1, 1), [](Result<bool>) {});
  }
  json::Writer out;
  out.begin_array();
  usage.write(out);
  out.end_array();
  const auto families = json::parse(out.text());
  EXPECT_EQ(families->root().at_pointer("/2/samples").size(), 501u);
}

TEST(TrafficMetrics, OutcomesAreFewWords) {
  EXPECT_EQ(outcome_word(200, {}), "ok");
  EXPECT_EQ(outcome_word(303, {}), "redirected");
  EXPECT_EQ(outcome_word(404, {}), "client_error");
  EXPECT_EQ(outcome_word(420, {}), "rate_limited");
  EXPECT_EQ(outcome_word(429, {}), "rate_limited");
  EXPECT_EQ(outcome_word(503, {}), "server_error");
  EXPECT_EQ(outcome_word(200, "connection_lost"), "connection_lost");
}

TEST(TrafficMetrics, RateLimitsComeFromEachStyleOfHeader) {
  const auto seen = [](http::Headers headers) {
    TrafficMetrics traffic;
    http::ClientRequest request;
    request.owner = "p";
    http::ResponseHead head;
    head.headers = std::move(headers);
    traffic.observe({http::Client::Seen::Kind::head, request, &head, 200, {}, Nanoseconds{0},
                     Time{Milliseconds{1'000'000}}});
    json::Writer out;
    out.begin_array();
    traffic.write(out);
    out.end_array();
    return out.take();
  };
  const auto value = [](const std::string& text, const char* family) {
    const auto families = json::parse(text);
    for (std::size_t i = 0; i < families->root().size(); ++i) {
      if (families->root().at(i).string_or("name", "") != family) continue;
      return families->root().at(i).at_pointer("/samples/0/value").as_number().value_or(-1);
    }
    return -2.0;
  };
  constexpr const char* remaining = "cofounderd_provider_rate_limit_remaining";
  EXPECT_EQ(value(seen({{"x-featureratelimit-remaining", "12"}}), remaining), 12);
  EXPECT_EQ(value(seen({{"x-ratelimit-remaining-tokens", "7"}}), remaining), 7);
  const std::string structured = seen({{"ratelimit", "\"api\";r=50;t=30"}});
  EXPECT_EQ(value(structured, remaining), 50);
  EXPECT_EQ(value(structured, "cofounderd_provider_rate_limit_reset_timestamp_seconds"), 1030);
  EXPECT_EQ(value(seen({{"x-ratelimit-remaining", "many"}}), remaining), -1);
}

}  // namespace
}  // namespace cofounder
