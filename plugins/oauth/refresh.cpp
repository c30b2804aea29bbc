// SPDX-License-Identifier: Apache-2.0
// The session of a request, and the refresh of its provider's token when that is over: by one request
// of one node at a time, because a refresh token works once.
#include "crypto.hpp"
#include "sessions.hpp"
#include "vault.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

constexpr std::int64_t lease_for_ms = 30'000;   // longer than all that one refresh asks
constexpr sdk::Milliseconds look_again{200};
constexpr int looks_max = 150;

using MaybeSession = std::optional<Session>;

sdk::Failure store_failure(const sdk::Failure& failure) {
  return refusal(503, COF_EUNAVAILABLE, "store_unavailable",
                 "sessions cannot be read now: " + failure.message);
}

// Writes the row when nobody else has meanwhile; its new version goes into the session.
Reply<bool> write(sdk::Context ctx, Session* session) {
  const std::string row = sdk::to_text(session->to_row());
  const sdk::Milliseconds ttl{std::max<std::int64_t>(1, session->expires_ms - now_ms(ctx))};
  auto put = co_await ctx.kv().put(session->key(), row, session->version, ttl);
  if (!put && put.failure().status == COF_ECONFLICT) co_return false;
  if (!put) co_return store_failure(put.failure());
  session->version = *put;
  co_return true;
}

Reply<MaybeSession> drop(sdk::Context ctx, std::string key) {
  auto removed = co_await ctx.kv().remove(key);
  if (!removed && removed.failure().status != COF_ENOTFOUND) co_return store_failure(removed.failure());
  co_return MaybeSession{};
}

bool is_final(const sdk::Failure& failure) { return failure.status == COF_EDENIED; }

// The provider's new tokens, in the row before anything else is asked with them.
Reply<Tokens> renew(sdk::Context ctx, const World* world, Provider* provider, Session* session) {
  const Vault vault{ctx, world->settings, session->person.provider};
  const auto plain = vault.open(session->sealed, session->key());
  if (!plain) co_return plain.failure();
  const Tokens old = Tokens::from_json(Json::parse(*plain));
  auto fresh = co_await provider->refresh(ctx, old.refresh);
  if (!fresh) co_return fresh.failure();
  if (fresh->refresh.empty()) fresh->refresh = old.refresh;
  auto sealed = vault.seal(sdk::to_text(fresh->to_json()), session->key());
  if (!sealed) co_return sealed.failure();
  session->sealed = std::move(*sealed);
  auto written = co_await write(ctx, session);
  if (!written) co_return written.failure();
  if (!*written) {  // it was revoked meanwhile: nobody may keep the new ones
    auto revoked = co_await provider->revoke(ctx, *fresh);
    if (!revoked) ctx.log(sdk::LogLevel::warning, revoked.failure().message);
    co_return refusal(401, COF_EDENIED, "session_over", "the session is over");
  }
  co_return std::move(*fresh);
}

// With the lease held.
Reply<MaybeSession> refresh(sdk::Context ctx, WorldPtr world, Session session) {
  const auto provider = world->find(session.person.provider);
  if (provider == nullptr) co_return co_await drop(ctx, session.key());
  auto tokens = co_await renew(ctx, world.get(), provider.get(), &session);
  auto person = sdk::Result<Person>{refusal(503, COF_EUNAVAILABLE, "", "")};
  if (tokens) {
    // Whoever it was then need not be who it is now.
    auto asked = co_await provider->person(ctx, *tokens, "");
    person = std::move(asked);
  } else {
    person = tokens.failure();
  }
  if (!person) {
    if (is_final(person.failure())) co_return co_await drop(ctx, session.key());
    session.lease_ms = 0;
    auto written = co_await write(ctx, &session);
    if (!written) co_return written.failure();
    co_return person.failure();
  }
  if (person->subject != session.person.subject) co_return co_await drop(ctx, session.key());
  session.person = std::move(*person);
  session.token_expires_ms =
      tokens->expires_in_s ? now_ms(ctx) + *tokens->expires_in_s * 1000 : 0;
  session.lease_ms = 0;
  auto written = co_await write(ctx, &session);
  if (!written) co_return written.failure();
  if (!*written) co_return MaybeSession{};
  co_return MaybeSession{std::move(session)};
}

}  // namespace

Reply<std::optional<Session>> find_session(sdk::Context ctx, WorldPtr world, std::string token) {
  const std::string id = session_id(token);
  for (int look = 0; look < looks_max; ++look) {
    const std::string key = "session/" + id;
    auto row = co_await ctx.kv().get(key);
    if (!row && row.failure().status == COF_ENOTFOUND) co_return MaybeSession{};
    if (!row) co_return store_failure(row.failure());
    auto session = Session::from_row(id, *row);
    const std::int64_t now = now_ms(ctx);
    if (!session || now >= session->expires_ms) co_return MaybeSession{};
    if (!world->settings.lets_in(session->person)) co_return MaybeSession{};
    if (session->token_expires_ms == 0 || now < session->token_expires_ms) {
      co_return std::move(session);
    }
    if (session->lease_ms > now) {
      auto slept = co_await ctx.sleep(look_again);
      if (!slept) co_return slept.failure();
      continue;
    }
    session->lease_ms = now + lease_for_ms;
    auto mine = co_await write(ctx, &*session);
    if (!mine) co_return mine.failure();
    if (*mine) co_return co_await refresh(ctx, std::move(world), std::move(*session));
  }
  co_return refusal(503, COF_EUNAVAILABLE, "refresh_pending",
                    "the provider's token is being refreshed elsewhere");
}

}  // namespace oauth
