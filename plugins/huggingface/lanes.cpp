// SPDX-License-Identifier: Apache-2.0
#include "lanes.hpp"

#include <chrono>

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

constexpr std::chrono::seconds later{5};
constexpr std::size_t lanes_max = 1000;

}  // namespace

sdk::Task<sdk::Result<Lanes::Place>> Lanes::enter(sdk::Context ctx, std::string provider,
                                                  std::size_t places, sdk::Milliseconds wait_max) {
  // Names come from users; those beyond a sane number share one lane.
  if (lanes_.size() >= lanes_max && !lanes_.contains(provider)) provider.clear();
  Lane* lane = &lanes_[provider];
  if (lane->taken < places && lane->waiting.is_empty()) {
    ++lane->taken;
    co_return Place{lane, ctx.host()};
  }
  const bool served = co_await lane->waiting.wait(ctx, wait_max);
  if (served) {
    Place place{lane, ctx.host()};
    if (!ctx.cancelled()) co_return std::move(place);
  }
  if (ctx.cancelled()) co_return sdk::Failure{COF_ECANCELLED, "cancelled", "The call was cancelled."};
  co_return ctx.defer(ctx.host().wall() + later);
}

}  // namespace huggingface
