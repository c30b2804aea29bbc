// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "context.hpp"

#include <string>
#include <utility>
#include <vector>

// Who sends a request, for plugins that answer routes (services/identity.h).
namespace cofounder::sdk::inline v1 {

// Not an aggregate on purpose: see task.hpp.
class Identity {
 public:
  // From the reply of cof.identity/1, or "identity" of a request head.
  explicit Identity(Json json) : all(std::move(json)) {
    subject = text("subject");
    provider = text("provider");
    login = text("login");
    email = text("email");
    name = text("name");
    orgs = all.value("orgs", orgs);
    roles = all.value("roles", roles);
  }

  bool has_role(std::string_view role) const noexcept {
    for (const std::string& one : roles) {
      if (one == role) return true;
    }
    return false;
  }

  std::string subject;   // "github:583231": the only key that never changes its owner
  std::string provider;
  std::string login;
  std::string email;     // verified; empty: none
  std::string name;
  std::vector<std::string> orgs;
  std::vector<std::string> roles;
  Json all;              // with what is not named here

 private:
  std::string text(const char* key) const {
    const auto found = all.find(key);
    return found != all.end() && found->is_string() ? found->get<std::string>() : std::string{};
  }
};

// Who sent the request of this route call; fails with COF_ENOTFOUND for nobody.
inline Future<Identity> who(Context ctx) {
  const auto start = [&](std::uint64_t tag) {
    return ctx.tables()(ctx.tables().identity, &cof_identity_service::who, ctx.id(), tag);
  };
  return detail::ask<Identity>(
      "ask who it is", start, +[](detail::Pending& answered) -> Result<Identity> {
        if (answered.last.status < 0) return answered.last.failure();
        Json json = Json::parse(answered.last.body, nullptr, /*allow_exceptions=*/false);
        if (!json.is_object()) return Failure{COF_EINTERNAL, "internal", "the identity is no JSON"};
        return Identity{std::move(json)};
      });
}

}  // namespace cofounder::sdk::inline v1
