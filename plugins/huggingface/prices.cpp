// SPDX-License-Identifier: Apache-2.0
#include "prices.hpp"

#include <chrono>
#include <utility>

#include "answer.hpp"
#include "models.hpp"

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

constexpr std::chrono::seconds unknown_kept{30};
constexpr std::size_t entries_max = 1000;

std::int64_t nanoseconds(sdk::Nanoseconds duration) { return duration.count(); }

}  // namespace

sdk::Task<PriceList> Prices::find(sdk::Context ctx, std::shared_ptr<const Account> account,
                                  std::string token, std::string model) {
  if (entries_.size() >= entries_max && !entries_.contains(model)) {
    std::erase_if(entries_, [](const auto& entry) { return !entry.second->asking; });
  }
  auto& slot = entries_[model];
  if (slot == nullptr) slot = std::make_shared<Entry>();
  const std::shared_ptr<Entry> entry = slot;
  if (nanoseconds(ctx.host().now()) < entry->valid_until_ns) co_return entry->prices;
  if (entry->asking) {
    co_await entry->waiting.wait(ctx, account->quick_timeout);
    co_return entry->prices;
  }
  entry->asking = true;
  auto found = co_await ask_models(ctx, account, token, model);
  entry->asking = false;
  entry->prices.clear();
  if (found) {
    for (const auto& one : *found) {
      if (one.value("id", model) == model) entry->prices = read_prices(one);
    }
  } else {
    ctx.log(sdk::LogLevel::warning, "no price of " + model + ": " + found.failure().message);
  }
  const sdk::Nanoseconds kept = found ? sdk::Nanoseconds{account->prices_kept} : unknown_kept;
  // Who asked may have been cancelled: that says nothing about the price.
  if (!ctx.cancelled()) entry->valid_until_ns = nanoseconds(ctx.host().now() + kept);
  entry->waiting.wake_all(ctx.host());
  co_return entry->prices;
}

}  // namespace huggingface
