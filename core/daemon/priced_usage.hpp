// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/json.hpp"
#include "core/config/config.hpp"
#include "core/scheduler/side_stores.hpp"

namespace cofounder {

// What tokens cost, from [plugin.metrics] prices.  Exact: whole billionths of a dollar per million
// tokens, which holds every price with up to nine decimals.
class PriceTable {
 public:
  // A JSON array of {"provider", "model" ("*": any), "from"? ("2026-01-31", UTC),
  // "input_usd_per_million", "output_usd_per_million", "cached_usd_per_million"?}.  Code
  // "invalid_prices" names the entry.
  static Result<PriceTable> read(json::View prices);

  // Micro-dollars, rounded once, half up, by the price that held at the record's time; one for the
  // model itself goes before one for any model.  Nothing when there is no price or the provider did
  // not say how many tokens it counted.
  std::optional<std::int64_t> cost(const UsageStore::Record& record) const;

 private:
  struct Price {
    Time from{};
    std::int64_t input = 0;
    std::int64_t output = 0;
    std::int64_t cached = 0;
  };
  const Price* find(const std::string& provider, const std::string& model, Time at) const;
  static Result<std::pair<std::pair<std::string, std::string>, Price>> read_entry(json::View entry);

  std::map<std::pair<std::string, std::string>, std::vector<Price>> prices_;  // oldest first
};

// The usage store with prices: a record without a cost gets the one that the table knows, before it
// is written.  Counts tokens and money for /metrics, failed calls included.  On the loop only.
class PricedUsage final : public UsageStore {
 public:
  explicit PricedUsage(UsageStore& store) noexcept : store_{store} {}

  void set_prices(PriceTable prices) { prices_ = std::move(prices); }
  // Those of [plugin.metrics].  The plugin has checked them already, unless it is not there: then
  // the former ones stay, and the log says why.
  void take_prices(const Config& config);

  void usage_record(Record record, Done<bool> done) override;
  void usage_sum(By by, Time from, Time to, Done<std::vector<Sum>> done) override;

  void write(json::Writer& out) const;

 private:
  struct Counts {
    std::uint64_t input = 0;
    std::uint64_t output = 0;
    std::uint64_t cached = 0;
    std::uint64_t micros = 0;
    std::uint64_t unpriced = 0;
    bool is_priced = false;  // one of its calls was
  };
  void count(const Record& record);

  UsageStore& store_;
  PriceTable prices_;
  std::map<std::pair<std::string, std::string>, Counts> counts_;  // by provider and model
};

}  // namespace cofounder
