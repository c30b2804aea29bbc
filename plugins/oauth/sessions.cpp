// SPDX-License-Identifier: Apache-2.0
#include "sessions.hpp"

#include <algorithm>
#include <ctime>

#include "crypto.hpp"
#include "vault.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

sdk::Failure store_failure(const sdk::Failure& failure) {
  if (failure.status == COF_ELIMIT) {
    return refusal(503, COF_ELIMIT, "store_full", "the store has no room for more sessions");
  }
  return refusal(503, COF_EUNAVAILABLE, "store_unavailable",
                 "sessions cannot be read or written now: " + failure.message);
}

}  // namespace

std::string session_id(std::string_view token) { return base64url(sha256(token)); }

std::int64_t now_ms(sdk::Context ctx) { return ctx.host().wall().time_since_epoch().count(); }

std::string rfc3339(std::int64_t ms) {
  const std::time_t seconds = ms / 1000;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[80];
  std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900,
                parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                static_cast<int>(ms % 1000));
  return text;
}

Json Session::to_row() const {
  return Json{{"person", person.to_json()},          {"created_ms", created_ms},
              {"expires_ms", expires_ms},            {"token_expires_ms", token_expires_ms},
              {"lease_ms", lease_ms},                {"sealed", sealed}};
}

std::optional<Session> Session::from_row(std::string id, const sdk::KvEntry& row) {
  const Json json = Json::parse(row.value, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("person")) return std::nullopt;
  Session session;
  session.id = std::move(id);
  session.person = Person::from_json(json.at("person"));
  session.created_ms = json.value("created_ms", session.created_ms);
  session.expires_ms = json.value("expires_ms", session.expires_ms);
  session.token_expires_ms = json.value("token_expires_ms", session.token_expires_ms);
  session.lease_ms = json.value("lease_ms", session.lease_ms);
  session.sealed = json.value("sealed", "");
  session.version = row.version;
  return session;
}

Json Session::to_json(const Settings& settings) const {
  Json json = person.to_json();
  json["roles"] = settings.roles_of(person);
  json["session"] = id;
  json["logged_in_at"] = rfc3339(created_ms);
  json["expires_at"] = rfc3339(expires_ms);
  return json;
}

Reply<NewSession> create_session(sdk::Context ctx, WorldPtr world, Person person, Tokens tokens) {
  NewSession made;
  made.token = random_token();
  Session& session = made.session;
  session.id = session_id(made.token);
  session.created_ms = now_ms(ctx);
  session.expires_ms = session.created_ms + world->settings.session.count();
  const Vault vault{ctx, world->settings, person.provider};
  const bool kept = vault.can_keep();
  if (tokens.expires_in_s) {
    const std::int64_t over = session.created_ms + *tokens.expires_in_s * 1000;
    // Nobody stays logged in longer than the provider's word is good for.
    if (kept && !tokens.refresh.empty()) {
      session.token_expires_ms = over;
    } else {
      session.expires_ms = std::min(session.expires_ms, over);
    }
  }
  session.person = std::move(person);
  if (kept) {
    auto sealed = vault.seal(sdk::to_text(tokens.to_json()), session.key());
    if (!sealed) co_return sealed.failure();
    session.sealed = std::move(*sealed);
  }
  const std::string row = sdk::to_text(session.to_row());
  const sdk::Milliseconds ttl{session.expires_ms - session.created_ms};
  auto put = co_await ctx.kv().put(session.key(), row, sdk::Kv::absent, ttl);
  if (!put) co_return store_failure(put.failure());
  co_return std::move(made);
}

Reply<Ended> end_session(sdk::Context ctx, WorldPtr world, std::string id) {
  Ended ended;
  const std::string key = "session/" + id;
  auto row = co_await ctx.kv().take(key);
  if (!row && row.failure().status == COF_ENOTFOUND) co_return std::move(ended);
  if (!row) co_return store_failure(row.failure());
  const auto session = Session::from_row(std::move(id), *row);
  if (!session) co_return std::move(ended);
  ended.found = true;
  ended.person = session->person;
  const auto provider = world->find(session->person.provider);
  if (session->sealed.empty() || provider == nullptr) co_return std::move(ended);
  const Vault vault{ctx, world->settings, session->person.provider};
  const auto plain = vault.open(session->sealed, key);
  if (!plain) {
    ctx.log(sdk::LogLevel::warning, "a session ended, its tokens live on: " + plain.failure().message);
    co_return std::move(ended);
  }
  auto revoked = co_await provider->revoke(ctx, Tokens::from_json(Json::parse(*plain)));
  ended.revoked_at_provider = revoked && *revoked;
  if (!revoked) {
    ctx.log(sdk::LogLevel::warning, "a session ended, its tokens live on: " + revoked.failure().message);
  }
  co_return std::move(ended);
}

Reply<SessionPage> list_sessions(sdk::Context ctx, std::string after, int count) {
  SessionPage page;
  const std::string begin = after.empty() ? std::string{} : "session/" + after;
  auto rows = co_await ctx.kv().scan("session/", begin, count);
  if (!rows) co_return store_failure(rows.failure());
  for (const sdk::KvEntry& row : rows->entries) {
    std::string id = row.key.substr(8);
    if (rows->more && &row == &rows->entries.back()) page.next = id;
    if (auto session = Session::from_row(std::move(id), row)) {
      page.sessions.push_back(std::move(*session));
    }
  }
  co_return std::move(page);
}

}  // namespace oauth
