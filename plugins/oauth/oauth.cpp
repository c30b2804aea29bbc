// SPDX-License-Identifier: Apache-2.0
// oauth: who is it?  Logins with GitHub, OpenID providers and Facebook; sessions; and the answer to
// other plugins' question who sends a request (cof.identity/1).
#include <cofounder/plugin.hpp>

#include <string>
#include <utility>

#include "login.hpp"
#include "sessions.hpp"
#include "world.hpp"

namespace sdk = cofounder::sdk;

namespace {

using oauth::Page;
using sdk::Json;

sdk::Failure nobody() {
  return oauth::refusal(401, COF_EDENIED, "login_required", "nobody is logged in with this request");
}

// A page of another site may send a browser here, but not act with its cookie.
bool is_foreign(const sdk::RouteRequest& request) {
  if (!request.header("authorization").empty()) return false;
  const std::string_view origin = request.header("origin");
  if (origin.empty()) return request.header("sec-fetch-site") == "cross-site";
  const auto site = oauth::site_of(request);
  return !site || oauth::origin_of(origin) != site->origin;
}

class Oauth : public sdk::Plugin {
 public:
  Oauth() {
    route("login", &Oauth::login);
    route("callback", &Oauth::callback);
    route("device", &Oauth::device);
    route("me", &Oauth::me);
    route("logout", &Oauth::logout);
    route("providers", &Oauth::providers);
    route("sessions", &Oauth::sessions);
    route("revoke", &Oauth::revoke);
    route("identify", &Oauth::identify);
    operation("sessions", &Oauth::list);
    operation("revoke", &Oauth::revoke_all);
  }

  void check(sdk::Context, const Json& config) override { oauth::read_settings(config); }
  void apply(sdk::Context ctx, const Json& config) override {
    auto fresh = std::make_shared<oauth::World>();
    fresh->settings = oauth::read_settings(config);
    fresh->outcomes = ctx.host().counter("oauth_logins", "Logins that ended, by provider and how.",
                                         "provider,outcome");
    for (const auto& [name, settings] : fresh->settings.providers) {
      fresh->outcomes.add(0, name, "ok");
      fresh->providers[name] = oauth::make_provider(settings);
    }
    world_ = std::move(fresh);
  }

 private:
  Page login(sdk::Context ctx, sdk::RouteRequest request) {
    co_return co_await oauth::begin_login(ctx, world_, std::move(request));
  }
  Page callback(sdk::Context ctx, sdk::RouteRequest request) {
    co_return co_await oauth::finish_login(ctx, world_, std::move(request));
  }
  Page device(sdk::Context ctx, sdk::RouteRequest request) {
    co_return co_await oauth::device_login(ctx, world_, std::move(request));
  }

  // The provider's side of cof.identity/1.
  Page identify(sdk::Context ctx, sdk::RouteRequest request) {
    const oauth::WorldPtr world = world_;
    const std::string token = oauth::token_of(request);
    if (token.empty()) co_return sdk::RouteResponse{204};
    const auto session = co_await oauth::find_session(ctx, world, token);
    if (!session) co_return oauth::error_response(session.failure());
    if (!*session) co_return sdk::RouteResponse{204};
    const Json who = (**session).to_json(world->settings);
    co_return sdk::RouteResponse{who};
  }

  Page me(sdk::Context ctx, sdk::RouteRequest request) {
    const oauth::WorldPtr world = world_;
    const std::string token = oauth::token_of(request);
    if (token.empty()) co_return oauth::error_response(nobody());
    const auto session = co_await oauth::find_session(ctx, world, token);
    if (!session) co_return oauth::error_response(session.failure());
    if (!*session) co_return oauth::error_response(nobody());
    const Json who = (**session).to_json(world->settings);
    sdk::RouteResponse response{who};
    response.header("Cache-Control", "no-store");
    co_return std::move(response);
  }

  Page logout(sdk::Context ctx, sdk::RouteRequest request) {
    if (is_foreign(request)) {
      co_return oauth::error_response(oauth::refusal(
          403, COF_EDENIED, "cross_site", "origin: another site may not log anybody out"));
    }
    const std::string token = oauth::token_of(request);
    oauth::Ended ended;
    if (!token.empty()) {
      auto done = co_await oauth::end_session(ctx, world_, oauth::session_id(token));
      if (!done) co_return oauth::error_response(done.failure());
      ended = std::move(*done);
    }
    tell_end(ctx, ended);
    const Json answer{{"logged_out", ended.found},
                      {"revoked_at_provider", ended.revoked_at_provider}};
    sdk::RouteResponse response{answer};
    response.header("Cache-Control", "no-store");
    if (const auto site = oauth::site_of(request)) {
      response.header("Set-Cookie", site->set_cookie("cof_session", "", 0));
    }
    co_return std::move(response);
  }

  sdk::RouteResponse providers(sdk::Context, const sdk::RouteRequest&) {
    Json names = Json::array();
    for (const auto& [name, provider] : world_->providers) names.push_back(name);
    return sdk::RouteResponse{Json{{"providers", std::move(names)}}};
  }

  Page sessions(sdk::Context ctx, sdk::RouteRequest request) {
    const std::string after = request.param("after").value_or("");
    if (after.size() > 100) {
      co_return oauth::error_response(
          oauth::refusal(400, COF_EINVALID, "invalid_request", "after is no session"));
    }
    auto page = co_await oauth::list_sessions(ctx, after, 1000);
    if (!page) co_return oauth::error_response(page.failure());
    const Json answer = page_json(*page, "");
    co_return sdk::RouteResponse{answer};
  }

  Page revoke(sdk::Context ctx, sdk::RouteRequest request) {
    auto done = co_await oauth::end_session(ctx, world_, request.params["id"].substr(0, 100));
    if (!done) co_return oauth::error_response(done.failure());
    if (!done->found) {
      co_return oauth::error_response(
          oauth::refusal(404, COF_ENOTFOUND, "unknown_session", "there is no such session"));
    }
    tell_end(ctx, *done);
    const Json answer{{"revoked", 1}, {"revoked_at_provider", done->revoked_at_provider}};
    co_return sdk::RouteResponse{answer};
  }

  sdk::Task<sdk::Result<Json>> list(sdk::Context ctx, Json args) {
    auto page = co_await oauth::list_sessions(ctx, args.value("after", ""), args.value("limit", 1000));
    if (!page) co_return page.failure();
    co_return page_json(*page, args.value("subject", ""));
  }

  sdk::Task<sdk::Result<Json>> revoke_all(sdk::Context ctx, Json args) {
    const std::string subject = args.value("subject", ""), only = args.value("session", "");
    if (subject.empty() == only.empty()) {
      co_return sdk::Failure{COF_EINVALID, "invalid_args", "args: give either session or subject"};
    }
    std::vector<std::string> ids;
    if (!only.empty()) ids.push_back(only);
    std::string after;
    while (!subject.empty()) {
      auto page = co_await oauth::list_sessions(ctx, after, 1000);
      if (!page) co_return page.failure();
      for (const auto& session : page->sessions) {
        if (session.person.subject == subject) ids.push_back(session.id);
      }
      after = page->next;
      if (after.empty()) break;
    }
    int revoked = 0, at_provider = 0;
    for (const std::string& id : ids) {
      auto done = co_await oauth::end_session(ctx, world_, id);
      if (!done) co_return done.failure();
      revoked += done->found ? 1 : 0;
      at_provider += done->revoked_at_provider ? 1 : 0;
      tell_end(ctx, *done);
    }
    co_return Json{{"revoked", revoked}, {"revoked_at_provider", at_provider}};
  }

  Json page_json(const oauth::SessionPage& page, const std::string& subject) const {
    Json all = Json::array();
    for (const auto& session : page.sessions) {
      if (!subject.empty() && session.person.subject != subject) continue;
      all.push_back(session.to_json(world_->settings));
    }
    return Json{{"sessions", std::move(all)},
                {"next", page.next.empty() ? Json{} : Json(page.next)}};
  }

  void tell_end(sdk::Context ctx, const oauth::Ended& ended) const {
    if (!ended.found) return;
    static_cast<void>(ctx.host().publish("logout", Json{{"subject", ended.person.subject}}));
  }

  oauth::WorldPtr world_ = std::make_shared<oauth::World>();
};

}  // namespace

COF_EXPORT_PLUGIN(Oauth, R"json({
  "id": "oauth", "version": "1.0.0", "abi": "1.0",
  "summary": "Logins with GitHub, OpenID Connect providers and Facebook, and sessions.",
  "interfaces": {"required": ["cof.call/1.0", "cof.error/1.0", "cof.http/1.0", "cof.kv/1.0",
                              "cof.secret/1.0", "cof.route/1.0", "cof.timer/1.0", "cof.log/1.0",
                              "cof.event/1.0", "cof.metric/1.0"]},
  "provides": ["cof.identity/1"],
  "permissions": {
    "http": ["setting:*.issuer", "setting:*.base_url", "setting:*.api_url", "setting:*.hosts",
             "github.com", "api.github.com", "graph.facebook.com",
             "accounts.google.com", "*.googleapis.com",
             "login.microsoftonline.com", "graph.microsoft.com"],
    "secrets": ["*.client_secret", "token_keys.*"]},
  "config": {"type": "object",
    "properties": {
      "allowed_users": {"type": "array", "items": {"type": "string", "minLength": 1}},
      "allowed_orgs": {"type": "array", "items": {"type": "string", "minLength": 1}},
      "allowed_domains": {"type": "array", "items": {"type": "string", "minLength": 1}},
      "roles": {"type": "object", "additionalProperties": {
        "type": "object", "additionalProperties": false, "properties": {
          "allowed_users": {"type": "array", "items": {"type": "string", "minLength": 1}},
          "allowed_orgs": {"type": "array", "items": {"type": "string", "minLength": 1}},
          "allowed_domains": {"type": "array", "items": {"type": "string", "minLength": 1}}}}},
      "return_to": {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 100},
      "start_page": {"type": "string", "minLength": 1},
      "session_seconds": {"type": "number", "minimum": 1, "maximum": 31536000},
      "state_seconds": {"type": "number", "minimum": 0.1, "maximum": 600},
      "logins_per_second": {"type": "number", "minimum": 0.1, "maximum": 10000},
      "token_key": {"type": "string"},
      "token_keys": {"type": "object"}},
    "additionalProperties": {"type": "object", "additionalProperties": false,
      "properties": {
        "kind": {"enum": ["github", "oidc", "google", "microsoft", "facebook"]},
        "client_id": {"type": "string", "minLength": 1, "maxLength": 1024},
        "client_secret": {"type": ["string", "object"]},
        "issuer": {"type": "string"},
        "base_url": {"type": "string"},
        "api_url": {"type": "string"},
        "hosts": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "version": {"type": "string", "pattern": "^v[0-9]{1,3}[.][0-9]$"},
        "scopes": {"type": "array", "items": {"type": "string", "minLength": 1}},
        "algorithms": {"type": "array", "minItems": 1, "items": {"type": "string"}},
        "timeout_seconds": {"type": "number", "minimum": 0.1, "maximum": 120}}}},
  "operations": [
    {"name": "sessions", "summary": "Who is logged in.",
     "args": {"type": "object", "additionalProperties": false, "properties": {
       "subject": {"type": "string", "minLength": 1, "maxLength": 512},
       "after": {"type": "string", "maxLength": 100},
       "limit": {"type": "integer", "minimum": 1, "maximum": 1000}}}},
    {"name": "revoke", "summary": "Ends a session, or all of a person, here and at the provider.",
     "args": {"type": "object", "additionalProperties": false, "properties": {
       "session": {"type": "string", "minLength": 1, "maxLength": 100},
       "subject": {"type": "string", "minLength": 1, "maxLength": 512}}}}],
  "routes": [
    {"id": "me", "method": "GET", "path": "/oauth/me", "access": "public",
     "summary": "Who is logged in with this request."},
    {"id": "logout", "method": "POST", "path": "/oauth/logout", "access": "public",
     "request_bytes_max": 4096, "summary": "Ends the session, here and at the provider."},
    {"id": "providers", "method": "GET", "path": "/oauth/providers", "access": "public",
     "summary": "The names of the providers."},
    {"id": "sessions", "method": "GET", "path": "/oauth/sessions", "access": "operate",
     "summary": "All sessions."},
    {"id": "revoke", "method": "DELETE", "path": "/oauth/sessions/{id}", "access": "operate",
     "summary": "Ends a session, here and at the provider."},
    {"id": "login", "method": "GET", "path": "/oauth/{provider}/login", "access": "public",
     "summary": "Sends the browser to the provider."},
    {"id": "callback", "method": "GET", "path": "/oauth/{provider}/callback", "access": "public",
     "summary": "Where the provider sends the browser back to."},
    {"id": "device", "method": "POST", "path": "/oauth/{provider}/device", "access": "public",
     "request_bytes_max": 4096, "summary": "Login from a terminal: begins, then asks how far it is."}
  ]
})json");
