// SPDX-License-Identifier: Apache-2.0
#include "ledger.hpp"

#include <chrono>
#include <utility>

namespace huggingface {
namespace sdk = cofounder::sdk;

void Ledger::served_by(std::string_view said) {
  constexpr std::size_t name_bytes_max = 64;
  provider_ = said.empty() ? model_.provider() : said;
  if (provider_.size() > name_bytes_max) provider_.clear();
}

sdk::Task<std::optional<std::int64_t>> Ledger::record(std::optional<Usage> usage, bool failed) {
  const auto took = std::chrono::duration_cast<sdk::Milliseconds>(ctx_.host().now() - began_);
  std::optional<std::int64_t> micros;
  // A cancelled call has to end soon: nothing is waited for then.
  if (usage && usage->input && usage->output && !ctx_.cancelled()) {
    auto prices = co_await world_->prices.find(ctx_, account_, token_, model_.id);
    micros = cost_micros(usage, price_of(prices, provider_));
  }
  sdk::UsageRecord record{"huggingface", model_.id, std::string{ctx_.name()}};
  if (usage) {
    record.input_tokens = usage->input;
    record.output_tokens = usage->output;
    record.cached_tokens = usage->cached;
  }
  record.cost_micros = micros;
  record.duration = took;
  record.failed = failed;
  auto recording = ctx_.usage(record);
  if (ctx_.cancelled()) {
    std::move(recording).ignore();
    co_return micros;
  }
  auto recorded = co_await recording;
  if (!recorded && !recorded.failure().is_cancelled()) {
    ctx_.log(sdk::LogLevel::error, "what it cost was not written down: " + recorded.failure().message);
  }
  co_return micros;
}

}  // namespace huggingface
