// SPDX-License-Identifier: Apache-2.0
// Logging in with a browser.
//
// What keeps other people's codes out: a state of 256 random bits, known to the store together with
// the browser that it was given to, taken out once, gone after ten minutes; a PKCE verifier and a
// nonce that never leave the store; the provider's own redirect_uri and `iss`.
#include "login.hpp"

#include "crypto.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

constexpr std::string_view browser_cookie = "cof_login";
constexpr std::string_view session_cookie = "cof_session";
constexpr std::size_t code_bytes_max = 4096;

std::string state_key(std::string_view state, std::string_view browser) {
  return "state/" + base64url(sha256(std::string{state} + "|" + std::string{browser}));
}

sdk::RouteResponse to(std::string place) {
  sdk::RouteResponse response = sdk::RouteResponse::redirect(std::move(place));
  response.header("Cache-Control", "no-store").header("Referrer-Policy", "no-referrer");
  return response;
}

sdk::Failure bad_state() {
  return refusal(400, COF_EINVALID, "invalid_state",
                 "state: this login is unknown, over, too old, or was begun in another browser; "
                 "begin again");
}

// A parameter that must not be there twice; RFC 6749, 3.1.
sdk::Result<std::optional<std::string>> only(const sdk::RouteRequest& request, const char* name) {
  std::optional<std::string> value;
  for (const auto& [key, text] : request.query) {
    if (key != name) continue;
    if (value) {
      return refusal(400, COF_EINVALID, "invalid_request", std::string{name} + " is there twice");
    }
    value = text;
  }
  return value;
}

struct Callback {
  std::optional<std::string> state, code, error, error_description, iss;
};

sdk::Result<Callback> read_callback(const sdk::RouteRequest& request) {
  Callback callback;
  for (const auto& [name, value] :
       {std::pair{"state", &callback.state}, std::pair{"code", &callback.code},
        std::pair{"error", &callback.error},
        std::pair{"error_description", &callback.error_description},
        std::pair{"iss", &callback.iss}}) {
    auto found = only(request, name);
    if (!found) return found.failure();
    *value = std::move(*found);
  }
  return callback;
}

// Takes the login that the state is of out of the store.
Reply<Json> take_login(sdk::Context ctx, std::string state, std::string browser) {
  if (!is_token(state) || !is_token(browser)) co_return bad_state();
  const std::string key = state_key(state, browser);
  auto row = co_await ctx.kv().take(key);
  if (!row && row.failure().status == COF_ENOTFOUND) co_return bad_state();
  if (!row) {
    co_return refusal(503, COF_EUNAVAILABLE, "store_unavailable", "logins cannot be read now");
  }
  Json login = Json::parse(row->value, nullptr, /*allow_exceptions=*/false);
  if (!login.is_object()) co_return bad_state();
  co_return std::move(login);
}

sdk::Failure refused_by(const Callback& callback) {
  std::string code;
  for (const char c : callback.error->substr(0, 64)) {
    code += (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '_';
  }
  return refusal(403, COF_EDENIED, code.empty() ? "access_denied" : code,
                 "the provider refuses: " +
                     printable(callback.error_description.value_or(*callback.error)));
}

// From the callback to tokens.
Reply<Tokens> tokens_of(sdk::Context ctx, Provider* provider, Callback callback, Json login) {
  if (login.value("provider", "") != provider->settings().name) co_return bad_state();
  auto ours = co_await provider->accepts_issuer(ctx, callback.iss);
  if (!ours) co_return ours.failure();
  if (!*ours) {
    co_return refusal(400, COF_EINVALID, "invalid_issuer",
                      "iss: this answer is not from the provider that was asked");
  }
  if (callback.error) co_return refused_by(callback);
  if (!callback.code || callback.code->empty() || callback.code->size() > code_bytes_max) {
    co_return refusal(400, COF_EINVALID, "invalid_request", "code is missing or too long");
  }
  LoginSecrets secrets;
  secrets.verifier = login.value("verifier", "");
  secrets.redirect_uri = login.value("redirect_uri", "");
  co_return co_await provider->exchange(ctx, *callback.code, std::move(secrets));
}

// The browser's own secret; kept when it has one, so that two logins in two tabs both work.
std::string browser_of(const sdk::RouteRequest& request, const Site& site) {
  const auto known = cookie_of(request, site.cookie_name(browser_cookie));
  return known && is_token(*known) ? *known : random_token();
}

}  // namespace

void World::count(const std::string& provider, const sdk::Failure* failure) const {
  const char* outcome = "ok";
  if (failure != nullptr) {
    // Of a person's or an attacker's making, of the provider's, or of ours.
    outcome = failure->code == "invalid_state" || failure->code == "invalid_issuer" ? "forged"
              : failure->code == "access_denied"                                    ? "denied"
              : failure->code == "not_allowed"                                      ? "not_allowed"
              : failure->code == "expired_token"                                    ? "expired"
              : failure->code == "store_unavailable"                                ? "error"
                                                                                    : "provider_error";
  }
  outcomes.add(1, provider, outcome);
}

sdk::Result<Site> site_of(const sdk::RouteRequest& request) {
  Site site;
  if (const auto origin = origin_of(request.base_url)) {
    site.origin = *origin;
    return site;
  }
  const auto origin = origin_of("http://" + std::string{request.header("host")});
  if (origin && is_loopback_origin(*origin)) {
    site.origin = *origin;
    return site;
  }
  return refusal(503, COF_EUNAVAILABLE, "not_configured",
                 "[http] public_url is not set: a login needs to know this site's own address");
}

std::string token_of(const sdk::RouteRequest& request) {
  auto token = bearer_of(request);
  if (!token) {
    const auto site = site_of(request);
    for (const bool secure : {true, false}) {
      if (site && site->is_secure() != secure) continue;
      const std::string name = (secure ? "__Host-" : "") + std::string{session_cookie};
      if (!token) token = cookie_of(request, name);
    }
  }
  return token && is_token(*token) ? *token : std::string{};
}

Page begin_login(sdk::Context ctx, WorldPtr world, sdk::RouteRequest request) {
  const std::string name = request.params["provider"];
  const auto provider = world->find(name);
  if (provider == nullptr) {
    co_return error_response(refusal(404, COF_ENOTFOUND, "unknown_provider",
                                     "there is no provider \"" + printable(name) + "\""));
  }
  const auto site = site_of(request);
  if (!site) co_return error_response(site.failure());
  const auto wanted = only(request, "return_to");
  if (!wanted) co_return error_response(wanted.failure());
  const std::string return_to = wanted->value_or(world->settings.start_page);
  if (!is_return_to(return_to, site->origin, world->settings.return_to)) {
    co_return error_response(refusal(400, COF_EINVALID, "invalid_return_to",
                                     "return_to must be a path of this site, or a place that the "
                                     "configuration allows"));
  }
  if (!world->logins.take(ctx.host().now(), world->settings.logins_per_second)) {
    auto busy = refusal(429, COF_ELIMIT, "too_many_logins", "too many logins are being begun");
    co_return error_response(busy.retry_in(sdk::Milliseconds{1000}));
  }
  LoginSecrets login;
  login.state = random_token();
  login.verifier = random_token();
  login.nonce = random_token();
  login.redirect_uri = (request.base_url.empty() ? site->origin : request.base_url);
  while (login.redirect_uri.ends_with('/')) login.redirect_uri.pop_back();
  login.redirect_uri += "/oauth/" + name + "/callback";
  auto url = co_await provider->login_url(ctx, login);
  if (!url) co_return error_response(url.failure());
  const std::string browser = browser_of(request, *site);
  const Json row{{"provider", name},           {"verifier", login.verifier},
                 {"nonce", login.nonce},       {"redirect_uri", login.redirect_uri},
                 {"return_to", return_to}};
  const std::string text = sdk::to_text(row);
  auto put = co_await ctx.kv().put(state_key(login.state, browser), text, sdk::Kv::absent,
                                   world->settings.state);
  if (!put) {
    co_return error_response(refusal(503, COF_EUNAVAILABLE, "store_unavailable",
                                     "a login cannot be begun now: " + put.failure().message));
  }
  sdk::RouteResponse response = to(std::move(*url));
  response.header("Set-Cookie", site->set_cookie(browser_cookie, browser,
                                                 world->settings.state.count() / 1000 + 1));
  co_return std::move(response);
}

Reply<NewSession> log_in(sdk::Context ctx, WorldPtr world, std::shared_ptr<Provider> provider,
                         Tokens tokens, std::string nonce) {
  auto person = co_await provider->person(ctx, tokens, std::move(nonce));
  if (!person) co_return person.failure();
  if (!world->settings.lets_in(*person)) {
    ctx.log(sdk::LogLevel::warning, "a login by " + printable(person->subject) + " was not allowed");
    auto revoked = co_await provider->revoke(ctx, std::move(tokens));
    if (!revoked) ctx.log(sdk::LogLevel::warning, revoked.failure().message);
    co_return refusal(403, COF_EDENIED, "not_allowed",
                      "this account may not log in here (allowed_users, allowed_orgs, "
                      "allowed_domains)");
  }
  auto made = co_await create_session(ctx, world, std::move(*person), std::move(tokens));
  if (!made) co_return made.failure();
  const Json event{{"subject", made->session.person.subject}, {"session", made->session.id}};
  static_cast<void>(ctx.host().publish("login", event));
  co_return std::move(*made);
}

Page finish_login(sdk::Context ctx, WorldPtr world, sdk::RouteRequest request) {
  const std::string name = request.params["provider"];
  const auto provider = world->find(name);
  if (provider == nullptr) {
    co_return error_response(refusal(404, COF_ENOTFOUND, "unknown_provider",
                                     "there is no provider \"" + printable(name) + "\""));
  }
  const auto site = site_of(request);
  if (!site) co_return error_response(site.failure());
  const auto callback = read_callback(request);
  if (!callback) co_return error_response(callback.failure());
  const auto browser = cookie_of(request, site->cookie_name(browser_cookie));
  auto login = co_await take_login(ctx, callback->state.value_or(""), browser.value_or(""));
  if (!login) {
    world->count(name, &login.failure());
    co_return error_response(login.failure());
  }
  auto tokens = co_await tokens_of(ctx, provider.get(), *callback, *login);
  if (!tokens) {
    world->count(name, &tokens.failure());
    co_return error_response(tokens.failure());
  }
  auto made = co_await log_in(ctx, world, provider, std::move(*tokens), login->value("nonce", ""));
  world->count(name, made ? nullptr : &made.failure());
  if (!made) co_return error_response(made.failure());
  const Session& session = made->session;
  sdk::RouteResponse response = to(login->value("return_to", "/"));
  response.header("Set-Cookie",
                  site->set_cookie(session_cookie, made->token,
                                   (session.expires_ms - session.created_ms) / 1000));
  co_return std::move(response);
}

}  // namespace oauth
