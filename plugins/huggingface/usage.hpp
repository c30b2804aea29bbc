// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace huggingface {

// Tokens as the provider reported them; what it did not say is absent, never 0.
struct Usage {
  std::optional<std::int64_t> input;
  std::optional<std::int64_t> output;
  std::optional<std::int64_t> cached;  // part of the input
};

// From "usage" of an answer or a chunk; nothing when that has none.  "bad_answer" names the field.
cofounder::sdk::Result<std::optional<Usage>> read_usage(const cofounder::sdk::Json& answer);

// What a million tokens cost, in billionths of a dollar: exact for every price with up to nine
// decimals.
struct Price {
  std::int64_t input = 0;
  std::int64_t output = 0;
};

// Nothing for a price that is not known, not finite, negative or beyond reason.
std::optional<std::int64_t> read_price(const cofounder::sdk::Json& dollars_per_million);

// Of one model, by provider.
using PriceList = std::map<std::string, Price, std::less<>>;

// From one entry of GET /v1/models.
PriceList read_prices(const cofounder::sdk::Json& model);

// The price of what `provider` served.  When it is not known who that was (empty), only a price
// that all have in common is known.
std::optional<Price> price_of(const PriceList& prices, std::string_view provider);

// Whole micro-dollars, rounded once, half up; nothing when tokens or price are not known, or when
// it does not fit.
std::optional<std::int64_t> cost_micros(const std::optional<Usage>& usage,
                                        const std::optional<Price>& price);

// {prompt_tokens, completion_tokens, cost_usd}, null for what is not known.
cofounder::sdk::Json usage_json(const std::optional<Usage>& usage,
                                const std::optional<std::int64_t>& micros);

}  // namespace huggingface
