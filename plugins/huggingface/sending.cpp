// SPDX-License-Identifier: Apache-2.0
#include "sending.hpp"

#include <algorithm>
#include <cmath>

#include "answer.hpp"

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

constexpr int tries_max = 3;
constexpr double first_wait_ms = 500;
constexpr double loading_first_wait_ms = 100;
constexpr double own_wait_max_ms = 8'000;

// Half to whole of it, other for each call: those that failed together do not come back together.
double spread(sdk::Context ctx, double wait_ms) {
  const std::uint64_t mixed = (ctx.id() + 1) * 0x9E3779B97F4A7C15u;
  return wait_ms * (0.5 + static_cast<double>(mixed >> 40) / static_cast<double>(1u << 25));
}

}  // namespace

std::optional<sdk::Milliseconds> Retries::next(sdk::Context ctx, const sdk::Failure& why) {
  if (!why.is_retryable() || why.is_cancelled()) return std::nullopt;
  const bool is_loading = why.code == "model_loading";
  if (!is_loading && tries_ + 1 >= tries_max) return std::nullopt;
  const double doubled = std::ldexp(is_loading ? loading_first_wait_ms : first_wait_ms, std::min(tries_, 10));
  ++tries_;
  const double own = std::min(spread(ctx, doubled), own_wait_max_ms);
  const auto wait = std::max(why.retry_after, sdk::Milliseconds{static_cast<std::int64_t>(own)});
  if (wait > left_ || wait >= ctx.time_left()) return std::nullopt;
  left_ -= wait;
  return wait;
}

sdk::Task<sdk::Result<sdk::HttpResponse>> send(sdk::Context ctx, Route route,
                                               sdk::HttpRequest request) {
  Retries retries{route.wait_max};
  request.tries_max = 1;  // it is tried again here, where bodies of refusals are understood
  for (;;) {
    auto place = co_await route.lanes->enter(ctx, route.provider,
                                             route.account->requests_per_provider_max,
                                             route.account->queue_wait_max);
    if (!place) co_return place.failure();
    auto response = co_await ctx.http().send(request);
    if (response && response->ok()) co_return std::move(*response);
    place->leave();
    const sdk::Failure why = response ? failure_of(refusal_of(*response)) : response.failure();
    const auto wait = retries.next(ctx, why);
    if (!wait) co_return why;
    auto slept = co_await ctx.sleep(*wait);
    if (!slept) co_return slept.failure();
  }
}

sdk::Task<sdk::Result<Opened>> open_stream(sdk::Context ctx, Route route, sdk::HttpRequest request,
                                           sdk::Framing framing) {
  Retries retries{route.wait_max};
  request.tries_max = 1;
  for (;;) {
    auto place = co_await route.lanes->enter(ctx, route.provider,
                                             route.account->requests_per_provider_max,
                                             route.account->queue_wait_max);
    if (!place) co_return place.failure();
    auto stream = co_await ctx.http().stream(request, framing);
    if (stream && stream->ok()) co_return Opened{std::move(*stream), std::move(*place)};
    place->leave();
    const sdk::Failure why = stream ? failure_of(refusal_of(*stream)) : stream.failure();
    const auto wait = retries.next(ctx, why);
    if (!wait) co_return why;
    auto slept = co_await ctx.sleep(*wait);
    if (!slept) co_return slept.failure();
  }
}

}  // namespace huggingface
