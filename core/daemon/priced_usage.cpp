// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/priced_usage.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <limits>

#include "core/base/log.hpp"
#include "core/daemon/family_writer.hpp"

namespace cofounder {

using metrics::begin_family;
using metrics::end_family;
using metrics::write_sample;

namespace {

__extension__ typedef __int128 Wide;

constexpr double dollars_max = 1e9;
constexpr std::int64_t billion = 1'000'000'000;
// Names come from those who submit tasks: beyond so many pairs they are counted together.
constexpr std::size_t models_max = 500;

std::optional<Time> parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return std::nullopt;
  const auto number = [&](std::size_t at, std::size_t count) {
    int value = -1;
    const char* end = text.data() + at + count;
    const auto [stopped, error] = std::from_chars(text.data() + at, end, value);
    return error == std::errc{} && stopped == end ? value : -1;
  };
  const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
  if (year < 0 || month < 0 || day < 0) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!date.ok()) return std::nullopt;
  return Time{std::chrono::sys_days{date}};
}

// The nearest billionth: of what was written with so many decimals, exactly that.
std::optional<std::int64_t> parse_price(json::View value) {
  const auto dollars = value.as_number();
  if (!dollars || !std::isfinite(*dollars) || *dollars < 0 || *dollars > dollars_max) {
    return std::nullopt;
  }
  return static_cast<std::int64_t>(std::llroundl(static_cast<long double>(*dollars) * billion));
}

}  // namespace

Result<std::pair<std::pair<std::string, std::string>, PriceTable::Price>> PriceTable::read_entry(
    json::View entry) {
  const auto invalid = [](const std::string& why) { return make_error("invalid_prices", why); };
  const std::string provider = entry.string_or("provider", "");
  const std::string model = entry.string_or("model", "");
  if (provider.empty() || model.empty()) return invalid("provider and model have to be named");
  Price price;
  if (const json::View from = entry.find("from")) {
    const auto date = parse_date(from.as_string().value_or(""));
    if (!date) return invalid("from is no date like \"2026-01-31\"");
    price.from = *date;
  }
  const auto input = parse_price(entry.find("input_usd_per_million"));
  const auto output = parse_price(entry.find("output_usd_per_million"));
  const json::View cached_view = entry.find("cached_usd_per_million");
  const auto cached = cached_view ? parse_price(cached_view) : input;
  if (!input || !output || !cached) {
    return invalid("input_usd_per_million and output_usd_per_million are dollars, 0 or more");
  }
  price.input = *input;
  price.output = *output;
  price.cached = *cached;
  return std::pair{std::pair{provider, model}, price};
}

Result<PriceTable> PriceTable::read(json::View prices) {
  PriceTable table;
  if (!prices) return table;
  if (!prices.is_array()) return make_error("invalid_prices", "prices is a list of tables");
  for (std::size_t i = 0; i < prices.size(); ++i) {
    auto entry = read_entry(prices.at(i));
    if (!entry) {
      return make_error("invalid_prices",
                        "prices[" + std::to_string(i) + "]: " + entry.error().message);
    }
    auto& all = table.prices_[std::move(entry->first)];
    for (const Price& other : all) {
      if (other.from == entry->second.from) {
        return make_error("invalid_prices", "prices[" + std::to_string(i) +
                                                "]: there is another price from the same day");
      }
    }
    all.push_back(entry->second);
    std::sort(all.begin(), all.end(),
              [](const Price& a, const Price& b) { return a.from < b.from; });
  }
  return table;
}

const PriceTable::Price* PriceTable::find(const std::string& provider, const std::string& model,
                                          Time at) const {
  for (const std::string& name : {model, std::string{"*"}}) {
    const auto found = prices_.find({provider, name});
    if (found == prices_.end()) continue;
    const Price* newest = nullptr;
    for (const Price& price : found->second) {
      if (price.from <= at) newest = &price;
    }
    if (newest != nullptr) return newest;
  }
  return nullptr;
}

std::optional<std::int64_t> PriceTable::cost(const UsageStore::Record& record) const {
  const Price* price = find(record.provider, record.model, record.at);
  if (price == nullptr) return std::nullopt;
  // What is not known matters only where it costs something.
  if ((!record.input_tokens && price->input > 0) || (!record.output_tokens && price->output > 0)) {
    return std::nullopt;
  }
  const std::int64_t input = record.input_tokens.value_or(0);
  const std::int64_t cached = std::min(input, record.cached_tokens.value_or(0));
  // Dollars per million tokens are micro-dollars per token.
  const Wide exact = Wide{input - cached} * price->input + Wide{cached} * price->cached +
                     Wide{record.output_tokens.value_or(0)} * price->output;
  const Wide micros = (exact + billion / 2) / billion;
  if (micros > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(micros);
}

void PricedUsage::take_prices(const Config& config) {
  const auto table = config.plugin.find("metrics");
  if (table == config.plugin.end()) return set_prices({});
  const auto settings = json::parse(table->second.settings);
  if (!settings) return;
  auto prices = PriceTable::read(settings->root().find("prices"));
  if (!prices) {
    log::warning("[plugin.metrics] " + prices.error().message + "; the former prices stay");
    return;
  }
  set_prices(std::move(*prices));
}

void PricedUsage::usage_record(Record record, Done<bool> done) {
  if (!record.cost_micros) record.cost_micros = prices_.cost(record);
  count(record);
  store_.usage_record(std::move(record), std::move(done));
}

void PricedUsage::usage_sum(By by, Time from, Time to, Done<std::vector<Sum>> done) {
  store_.usage_sum(by, from, to, std::move(done));
}

void PricedUsage::count(const Record& record) {
  std::pair<std::string, std::string> key{record.provider, record.model};
  if (counts_.size() >= models_max && !counts_.contains(key)) key = {"other", "other"};
  Counts& counts = counts_[std::move(key)];
  const auto add = [](std::uint64_t& sum, const std::optional<std::int64_t>& figure) {
    sum += static_cast<std::uint64_t>(figure.value_or(0));
  };
  add(counts.input, record.input_tokens);
  add(counts.output, record.output_tokens);
  add(counts.cached, record.cached_tokens);
  add(counts.micros, record.cost_micros);
  if (record.cost_micros) {
    counts.is_priced = true;
  } else {
    ++counts.unpriced;
  }
}

void PricedUsage::write(json::Writer& out) const {
  begin_family(out, "cofounderd_llm_tokens", "counter",
               "Tokens as providers counted them; cached ones are part of the input.");
  for (const auto& [key, counts] : counts_) {
    const auto sample = [&, &name = key](std::string_view direction, std::uint64_t count) {
      write_sample(
          out, {{"provider", name.first}, {"model", name.second}, {"direction", direction}},
          static_cast<double>(count));
    };
    sample("input", counts.input);
    sample("cached", counts.cached);
    sample("output", counts.output);
  }
  end_family(out);
  begin_family(out, "cofounderd_llm_cost_usd", "counter",
               "What calls with a known price cost, failed ones included.");
  for (const auto& [key, counts] : counts_) {
    if (!counts.is_priced) continue;  // unknown is absent, never 0
    write_sample(out, {{"provider", key.first}, {"model", key.second}},
                 static_cast<double>(counts.micros) / 1e6);
  }
  end_family(out);
  begin_family(out, "cofounderd_llm_unpriced", "counter", "Calls whose price is not known.");
  for (const auto& [key, counts] : counts_) {
    write_sample(out, {{"provider", key.first}, {"model", key.second}},
                 static_cast<double>(counts.unpriced));
  }
  end_family(out);
}

}  // namespace cofounder
