// SPDX-License-Identifier: Apache-2.0
#include "usage.hpp"

#include <cmath>
#include <limits>

#include "answer.hpp"

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;
__extension__ typedef __int128 Wide;

constexpr std::int64_t tokens_max = 1'000'000'000'000;
constexpr double dollars_max = 1e9;
constexpr std::int64_t billion = 1'000'000'000;

// A number of tokens, absent, or null.
sdk::Result<std::optional<std::int64_t>> read_tokens(const Json& object, const char* name,
                                                     const std::string& field) {
  const auto found = object.find(name);
  if (found == object.end() || found->is_null()) return std::optional<std::int64_t>{};
  if (!found->is_number_integer()) return bad_answer(field, "is no whole number");
  // An unsigned one may be beyond the signed range.
  if (found->is_number_unsigned() &&
      found->get<std::uint64_t>() > static_cast<std::uint64_t>(tokens_max)) {
    return bad_answer(field, "is out of range");
  }
  const auto value = found->get<std::int64_t>();
  if (value < 0 || value > tokens_max) return bad_answer(field, "is out of range");
  return std::optional{value};
}

}  // namespace

sdk::Result<std::optional<Usage>> read_usage(const Json& answer) {
  const auto found = answer.find("usage");
  if (found == answer.end() || found->is_null()) return std::optional<Usage>{};
  if (!found->is_object()) return bad_answer("usage", "is no object");
  Usage usage;
  auto input = read_tokens(*found, "prompt_tokens", "usage.prompt_tokens");
  if (!input) return input.failure();
  auto output = read_tokens(*found, "completion_tokens", "usage.completion_tokens");
  if (!output) return output.failure();
  usage.input = *input;
  usage.output = *output;
  const auto details = found->find("prompt_tokens_details");
  if (details != found->end() && details->is_object()) {
    auto cached = read_tokens(*details, "cached_tokens", "usage.prompt_tokens_details.cached_tokens");
    if (!cached) return cached.failure();
    usage.cached = *cached;
  }
  return std::optional{usage};
}

std::optional<std::int64_t> read_price(const Json& dollars_per_million) {
  if (!dollars_per_million.is_number()) return std::nullopt;
  const double dollars = dollars_per_million.get<double>();
  if (!std::isfinite(dollars) || dollars < 0 || dollars > dollars_max) return std::nullopt;
  // The nearest billionth: of what was written with so many decimals, exactly that.
  return static_cast<std::int64_t>(std::llroundl(static_cast<long double>(dollars) * billion));
}

PriceList read_prices(const Json& model) {
  PriceList prices;
  if (!model.is_object() || !model.contains("providers")) return prices;
  const Json& providers = model.at("providers");
  if (!providers.is_array()) return prices;
  for (const Json& one : providers) {
    if (!one.is_object() || !one.contains("provider") || !one.at("provider").is_string()) continue;
    const std::string name = one.at("provider").get<std::string>();
    if (one.contains("is_free") && one.at("is_free") == true) {
      prices[name] = Price{};
      continue;
    }
    if (!one.contains("pricing") || !one.at("pricing").is_object()) continue;
    const Json& pricing = one.at("pricing");
    const auto input = pricing.contains("input") ? read_price(pricing.at("input")) : std::nullopt;
    const auto output = pricing.contains("output") ? read_price(pricing.at("output")) : std::nullopt;
    if (input && output) prices[name] = Price{*input, *output};
  }
  return prices;
}

std::optional<Price> price_of(const PriceList& prices, std::string_view provider) {
  if (!provider.empty()) {
    const auto found = prices.find(provider);
    return found == prices.end() ? std::nullopt : std::optional{found->second};
  }
  if (prices.empty()) return std::nullopt;
  const Price& first = prices.begin()->second;
  for (const auto& [name, price] : prices) {
    if (price.input != first.input || price.output != first.output) return std::nullopt;
  }
  return first;
}

std::optional<std::int64_t> cost_micros(const std::optional<Usage>& usage,
                                        const std::optional<Price>& price) {
  if (!usage || !price || !usage->input || !usage->output) return std::nullopt;
  // Dollars per million tokens are micro-dollars per token.
  const Wide exact = Wide{*usage->input} * price->input + Wide{*usage->output} * price->output;
  const Wide micros = (exact + billion / 2) / billion;
  if (micros > std::numeric_limits<std::int64_t>::max()) return std::nullopt;
  return static_cast<std::int64_t>(micros);
}

Json usage_json(const std::optional<Usage>& usage, const std::optional<std::int64_t>& micros) {
  const auto number = [](const std::optional<std::int64_t>& value) {
    return value ? Json(*value) : Json();
  };
  Json json{{"prompt_tokens", number(usage ? usage->input : std::nullopt)},
            {"completion_tokens", number(usage ? usage->output : std::nullopt)}};
  // The nearest double is printed as the decimal itself.
  json["cost_usd"] = micros ? Json(static_cast<double>(*micros) / 1e6) : Json();
  return json;
}

}  // namespace huggingface
