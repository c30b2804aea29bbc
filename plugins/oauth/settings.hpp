// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace oauth {

enum class Kind { github, oidc, google, microsoft, facebook };

// [plugin.oauth.NAME]
struct ProviderSettings {
  std::string name;
  Kind kind = Kind::oidc;
  std::string client_id;
  bool has_secret = false;
  std::vector<std::string> scopes;
  std::string base_url;               // github, facebook: where people log in
  std::string api_url;                // github, facebook
  std::string version;                // facebook
  std::string issuer;                 // the others
  std::set<std::string> algorithms;   // of id_tokens
  bool wants_orgs = false;            // somebody is let in by an organization
  cofounder::sdk::Milliseconds timeout{10'000};
};

// Who somebody is, as the provider says.
struct Person {
  std::string subject;   // "github:583231"
  std::string provider;
  std::string login;     // for people; may go to somebody else one day
  std::string email;     // verified; empty: none
  std::string name;
  std::string avatar_url;
  std::vector<std::string> orgs;

  cofounder::sdk::Json to_json() const;
  static Person from_json(const cofounder::sdk::Json& json);
};

// allowed_users, allowed_orgs, allowed_domains: one of them is enough; all empty allow everybody.
// Names are free to be taken at each provider, so that a name alone is GitHub's, and any other one
// begins with its provider: "keycloak:staff".
struct Allowed {
  std::set<std::string> users;    // subjects, GitHub logins or verified e-mail addresses
  std::set<std::string> orgs;
  std::set<std::string> domains;  // of the verified e-mail address

  bool nothing_said() const noexcept { return users.empty() && orgs.empty() && domains.empty(); }
  bool fits(const Person& person, bool is_github) const;
};

struct Settings {
  std::map<std::string, ProviderSettings> providers;
  Allowed allowed;                        // who may log in
  std::map<std::string, Allowed> roles;   // [plugin.oauth.roles.NAME]
  std::vector<std::string> return_to;     // places outside of this site
  std::string start_page = "/oauth/me";   // without return_to
  cofounder::sdk::Milliseconds session{12 * 3'600'000};
  cofounder::sdk::Milliseconds state{600'000};
  double logins_per_second = 20;          // begun by everybody together
  std::string token_key;                  // the id of the key that encrypts; empty: see vault.hpp
  std::vector<std::string> token_keys;    // ids

  bool lets_in(const Person& person) const;
  std::vector<std::string> roles_of(const Person& person) const;
};

// Throws Failed with code "invalid_config" and the setting's name for what the schema cannot check.
Settings read_settings(const cofounder::sdk::Json& config);

}  // namespace oauth
