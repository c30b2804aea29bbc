// SPDX-License-Identifier: Apache-2.0
// Logging in from a terminal (RFC 8628): the code is typed in a browser elsewhere, and the terminal
// asks until that is done.  The provider's device code stays here; the terminal has a token of ours.
#include <algorithm>

#include "crypto.hpp"
#include "login.hpp"
#include "vault.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

constexpr std::int64_t interval_max_s = 300;

std::string device_key(std::string_view token) { return "device/" + base64url(sha256(token)); }

sdk::Failure store_failure() {
  return refusal(503, COF_EUNAVAILABLE, "store_unavailable", "logins cannot be kept now");
}
sdk::Failure unknown_device() {
  return refusal(400, COF_EINVALID, "invalid_device_code",
                 "device_code is unknown, used or too old; begin again");
}

sdk::RouteResponse pending(std::int64_t interval_s) {
  sdk::RouteResponse response{Json{{"status", "pending"}, {"interval", interval_s}}};
  response.status = 202;
  response.header("Cache-Control", "no-store");
  return response;
}

Page begin(sdk::Context ctx, WorldPtr world, std::shared_ptr<Provider> provider) {
  if (!world->logins.take(ctx.host().now(), world->settings.logins_per_second)) {
    auto busy = refusal(429, COF_ELIMIT, "too_many_logins", "too many logins are being begun");
    co_return error_response(busy.retry_in(sdk::Milliseconds{1000}));
  }
  const auto start = co_await provider->start_device(ctx);
  if (!start) co_return error_response(start.failure());
  const std::string token = random_token();
  const std::string key = device_key(token);
  const Vault vault{ctx, world->settings, provider->settings().name};
  Json row{{"provider", provider->settings().name},
           {"interval_s", start->interval_s},
           {"next_ms", now_ms(ctx) + start->interval_s * 1000}};
  if (vault.can_keep()) {
    auto sealed = vault.seal(start->device_code, key);
    if (!sealed) co_return error_response(sealed.failure());
    row["sealed"] = std::move(*sealed);
  } else {
    row["plain"] = start->device_code;
  }
  const std::string text = sdk::to_text(row);
  const sdk::Milliseconds ttl{start->expires_in_s * 1000};
  auto put = co_await ctx.kv().put(key, text, sdk::Kv::absent, ttl);
  if (!put) co_return error_response(store_failure());
  Json answer{{"device_code", token},
              {"user_code", start->user_code},
              {"verification_uri", start->verification_uri},
              {"expires_in", start->expires_in_s},
              {"interval", start->interval_s}};
  if (!start->verification_uri_complete.empty()) {
    answer["verification_uri_complete"] = start->verification_uri_complete;
  }
  sdk::RouteResponse response{answer};
  response.header("Cache-Control", "no-store");
  co_return std::move(response);
}

// What the provider said to the question: still waiting, a failure for good, or one to ask again.
enum class Said { wait, slow_down, over, trouble };
Said said_by(const sdk::Failure& failure) {
  if (failure.code == "authorization_pending") return Said::wait;
  if (failure.code == "slow_down") return Said::slow_down;
  return failure.status == COF_EDENIED || failure.code == "bad_answer" ? Said::over : Said::trouble;
}

sdk::Failure final_failure(const sdk::Failure& failure) {
  sdk::Failure out = failure;
  if (out.code == "token_expired") out.code = "expired_token";  // GitHub has had both names
  if (out.code == "access_denied") out.value = 403;
  return out;
}

Page poll(sdk::Context ctx, WorldPtr world, std::shared_ptr<Provider> provider, std::string token) {
  const std::string key = device_key(token);
  auto row = co_await ctx.kv().get(key);
  if (!row && row.failure().status == COF_ENOTFOUND) co_return error_response(unknown_device());
  if (!row) co_return error_response(store_failure());
  Json state = Json::parse(row->value, nullptr, /*allow_exceptions=*/false);
  if (!state.is_object() || state.value("provider", "") != provider->settings().name) {
    co_return error_response(unknown_device());
  }
  std::int64_t interval = state.value("interval_s", std::int64_t{5});
  const std::int64_t next = state.value("next_ms", std::int64_t{0});
  // Whoever asks too often is not passed on to the provider.
  if (now_ms(ctx) < next) co_return pending(interval);
  std::string device_code = state.value("plain", "");
  if (state.contains("sealed")) {
    const Vault vault{ctx, world->settings, provider->settings().name};
    auto opened = vault.open(state.at("sealed").get<std::string>(), key);
    if (!opened) co_return error_response(opened.failure());
    device_code = std::move(*opened);
  }
  auto tokens = co_await provider->poll_device(ctx, std::move(device_code));
  if (!tokens && said_by(tokens.failure()) != Said::over) {
    const Said said = said_by(tokens.failure());
    if (said == Said::slow_down) interval += 5;
    if (said == Said::trouble) interval *= 2;
    interval = std::min(interval, interval_max_s);
    state["interval_s"] = interval;
    state["next_ms"] = now_ms(ctx) + interval * 1000;
    const std::string text = sdk::to_text(state);
    // Long enough for any provider; it says itself when the code is too old.
    auto put = co_await ctx.kv().put(key, text, row->version, sdk::Milliseconds{3'600'000});
    if (!put && put.failure().status != COF_ECONFLICT) co_return error_response(store_failure());
    if (said == Said::trouble) co_return error_response(tokens.failure());
    co_return pending(interval);
  }
  auto removed = co_await ctx.kv().remove(key, row->version);
  if (!removed) co_return error_response(unknown_device());
  const std::string name = provider->settings().name;
  if (!tokens) {
    const sdk::Failure failure = final_failure(tokens.failure());
    world->count(name, &failure);
    co_return error_response(failure);
  }
  auto made = co_await log_in(ctx, world, provider, std::move(*tokens), "");
  world->count(name, made ? nullptr : &made.failure());
  if (!made) co_return error_response(made.failure());
  Json answer{{"token", made->token}, {"user", made->session.to_json(world->settings)}};
  answer["expires_at"] = rfc3339(made->session.expires_ms);
  sdk::RouteResponse response{answer};
  response.header("Cache-Control", "no-store");
  co_return std::move(response);
}

}  // namespace

Page device_login(sdk::Context ctx, WorldPtr world, sdk::RouteRequest request) {
  const std::string name = request.params["provider"];
  auto provider = world->find(name);
  if (provider == nullptr) {
    co_return error_response(refusal(404, COF_ENOTFOUND, "unknown_provider",
                                     "there is no provider \"" + printable(name) + "\""));
  }
  if (request.body.empty()) co_return co_await begin(ctx, world, provider);
  const Json body = Json::parse(request.body, nullptr, /*allow_exceptions=*/false);
  const Json token = body.is_object() ? body.value("device_code", Json{}) : Json{};
  if (!token.is_string()) {
    co_return error_response(refusal(400, COF_EINVALID, "invalid_request",
                                     "the body must be empty, or {\"device_code\": \"...\"}"));
  }
  const std::string text = token.get<std::string>();
  if (!is_token(text)) co_return error_response(unknown_device());
  co_return co_await poll(ctx, world, provider, text);
}

}  // namespace oauth
