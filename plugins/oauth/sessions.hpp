// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "world.hpp"

namespace oauth {

// Somebody who is logged in.  The store knows a session by the hash of its token, which is nobody's
// but the client's.
class Session {
 public:
  std::string id;
  Person person;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;
  std::int64_t token_expires_ms = 0;   // when the provider's token has to be refreshed; 0: never
  std::int64_t lease_ms = 0;           // until then somebody else refreshes it
  std::string sealed;                  // the provider's tokens, see vault.hpp; "": not kept
  std::int64_t version = 0;            // of the row

  std::string key() const { return "session/" + id; }
  cofounder::sdk::Json to_row() const;
  static std::optional<Session> from_row(std::string id, const cofounder::sdk::KvEntry& row);
  // What cof.identity/1 and /oauth/me give.
  cofounder::sdk::Json to_json(const Settings& settings) const;
};

template <class T>
using Reply = cofounder::sdk::Task<cofounder::sdk::Result<T>>;

class NewSession {
 public:
  std::string token;  // for the client only
  Session session;
};
Reply<NewSession> create_session(cofounder::sdk::Context ctx, WorldPtr world, Person person,
                                 Tokens tokens);

// The session of a token: none when it is unknown, over, or revoked, also at the provider.  A
// provider's token that is over is refreshed first; when that cannot be known now, it fails.
Reply<std::optional<Session>> find_session(cofounder::sdk::Context ctx, WorldPtr world,
                                           std::string token);

// Ends it here, and makes its tokens void at the provider; nothing when there is none.
class Ended {
 public:
  bool found = false;
  bool revoked_at_provider = false;
  Person person;
};
Reply<Ended> end_session(cofounder::sdk::Context ctx, WorldPtr world, std::string id);

class SessionPage {
 public:
  std::vector<Session> sessions;
  std::string next;  // "": the last page
};
Reply<SessionPage> list_sessions(cofounder::sdk::Context ctx, std::string after, int count);

// The id of the session that a token is of.
std::string session_id(std::string_view token);
std::int64_t now_ms(cofounder::sdk::Context ctx);
std::string rfc3339(std::int64_t ms);

}  // namespace oauth
