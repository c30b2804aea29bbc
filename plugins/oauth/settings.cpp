// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <algorithm>

#include "web.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

const std::set<std::string, std::less<>> own_keys{
    "allowed_users",   "allowed_orgs",      "allowed_domains", "roles",     "return_to", "start_page",
    "session_seconds", "state_seconds",     "token_key",       "token_keys", "logins_per_second"};

[[noreturn]] void bad(const std::string& key, const std::string& why) {
  throw sdk::Failed{"invalid_config", key + " " + why};
}

std::string without_slash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

std::set<std::string> lower_set(const Json& config, const char* key) {
  std::set<std::string> all;
  for (const std::string& one : config.value(key, std::vector<std::string>{})) all.insert(lower(one));
  return all;
}

Allowed read_allowed(const Json& config) {
  Allowed allowed;
  allowed.users = lower_set(config, "allowed_users");
  allowed.orgs = lower_set(config, "allowed_orgs");
  allowed.domains = lower_set(config, "allowed_domains");
  return allowed;
}

Kind kind_of(const std::string& name, const Json& config) {
  static const std::map<std::string, Kind> kinds{{"github", Kind::github},
                                                 {"oidc", Kind::oidc},
                                                 {"google", Kind::google},
                                                 {"microsoft", Kind::microsoft},
                                                 {"facebook", Kind::facebook}};
  const auto found = kinds.find(config.value("kind", name));
  if (found != kinds.end()) return found->second;
  if (!config.contains("kind")) return Kind::oidc;
  bad(name + ".kind", "is none of github, oidc, google, microsoft, facebook");
}

// What a provider is unless the configuration says otherwise.
void fill_defaults(ProviderSettings& provider) {
  switch (provider.kind) {
    case Kind::github:
      provider.base_url = "https://github.com";
      provider.api_url = "https://api.github.com";
      provider.scopes = {"read:user", "user:email"};
      if (provider.wants_orgs) provider.scopes.push_back("read:org");
      return;
    case Kind::facebook:
      provider.base_url = "https://www.facebook.com";
      provider.api_url = "https://graph.facebook.com";
      provider.version = "v26.0";
      provider.scopes = {"public_profile"};
      return;
    case Kind::google:
      provider.issuer = "https://accounts.google.com";
      provider.scopes = {"openid", "email", "profile"};
      return;
    case Kind::microsoft:
      provider.issuer = "https://login.microsoftonline.com/common/v2.0";
      provider.scopes = {"openid", "email", "profile", "offline_access"};
      return;
    case Kind::oidc:
      provider.scopes = {"openid", "email", "profile"};
  }
}

void read_urls(ProviderSettings& provider, const Json& config) {
  const auto url = [&](const char* key, std::string& value) {
    value = config.value(key, value);
    if (!value.empty() && !is_endpoint_url(value)) {
      bad(provider.name + "." + key, "must be an https:// URL, or http:// to loopback");
    }
  };
  url("base_url", provider.base_url);
  url("api_url", provider.api_url);
  url("issuer", provider.issuer);  // compared as it is: a slash at its end counts
  provider.base_url = without_slash(provider.base_url);
  provider.api_url = without_slash(provider.api_url);
  const bool by_discovery = provider.kind != Kind::github && provider.kind != Kind::facebook;
  if (by_discovery && provider.issuer.empty()) bad(provider.name + ".issuer", "is missing");
}

ProviderSettings read_provider(const std::string& name, const Json& config, bool wants_orgs) {
  ProviderSettings provider;
  provider.name = name;
  provider.kind = kind_of(name, config);
  provider.wants_orgs = wants_orgs;
  fill_defaults(provider);
  read_urls(provider, config);
  provider.client_id = config.value("client_id", "");
  if (provider.client_id.empty()) bad(name + ".client_id", "is missing");
  provider.has_secret = config.contains("client_secret");
  if (!provider.has_secret && (provider.kind == Kind::github || provider.kind == Kind::facebook)) {
    bad(name + ".client_secret", "is missing");
  }
  provider.scopes = config.value("scopes", provider.scopes);
  provider.version = config.value("version", provider.version);
  for (const std::string& one : config.value(
           "algorithms", std::vector<std::string>{"RS256", "ES256", "PS256", "EdDSA"})) {
    if (one != "RS256" && one != "ES256" && one != "PS256" && one != "EdDSA") {
      bad(name + ".algorithms", "knows RS256, ES256, PS256 and EdDSA only");
    }
    provider.algorithms.insert(one);
  }
  provider.timeout =
      sdk::Milliseconds{static_cast<std::int64_t>(config.value("timeout_seconds", 10.0) * 1000)};
  return provider;
}

sdk::Milliseconds seconds(const Json& config, const char* key, sdk::Milliseconds otherwise) {
  if (!config.contains(key)) return otherwise;
  return sdk::Milliseconds{static_cast<std::int64_t>(config.at(key).get<double>() * 1000)};
}

void read_token_keys(const Json& config, Settings& settings) {
  const Json keys = config.value("token_keys", Json::object());
  for (const auto& [id, value] : keys.items()) {
    settings.token_keys.push_back(id);
  }
  settings.token_key = config.value("token_key", "");
  const auto& ids = settings.token_keys;
  if (settings.token_key.empty() && ids.size() == 1) settings.token_key = ids.front();
  if (settings.token_key.empty() && !ids.empty()) {
    bad("token_key", "must say which of token_keys encrypts");
  }
  if (!settings.token_key.empty() &&
      std::find(ids.begin(), ids.end(), settings.token_key) == ids.end()) {
    bad("token_key", "names no key of token_keys");
  }
}

}  // namespace

Json Person::to_json() const {
  return Json{{"subject", subject},
              {"provider", provider},
              {"login", login},
              {"email", email.empty() ? Json{} : Json(email)},
              {"name", name},
              {"avatar_url", avatar_url},
              {"orgs", orgs}};
}

Person Person::from_json(const Json& json) {
  Person person;
  person.subject = json.value("subject", "");
  person.provider = json.value("provider", "");
  person.login = json.value("login", "");
  if (json.contains("email") && json.at("email").is_string()) person.email = json.at("email");
  person.name = json.value("name", "");
  person.avatar_url = json.value("avatar_url", "");
  person.orgs = json.value("orgs", person.orgs);
  return person;
}

bool Allowed::fits(const Person& person, bool is_github) const {
  const std::string email = lower(person.email);
  if (users.contains(lower(person.subject)) || (!email.empty() && users.contains(email))) return true;
  if (is_github && !person.login.empty() && users.contains(lower(person.login))) return true;
  for (const std::string& name : person.orgs) {
    const std::string org = lower(name);
    if (orgs.contains(person.provider + ":" + org) || (is_github && orgs.contains(org))) return true;
  }
  const auto at = email.rfind('@');
  return at != std::string::npos && domains.contains(email.substr(at + 1));
}

bool Settings::lets_in(const Person& person) const {
  const auto provider = providers.find(person.provider);
  if (provider == providers.end()) return false;
  return allowed.nothing_said() || allowed.fits(person, provider->second.kind == Kind::github);
}

std::vector<std::string> Settings::roles_of(const Person& person) const {
  std::vector<std::string> all;
  const auto provider = providers.find(person.provider);
  if (provider == providers.end()) return all;
  for (const auto& [role, who] : roles) {
    if (who.fits(person, provider->second.kind == Kind::github)) all.push_back(role);
  }
  return all;
}

Settings read_settings(const Json& config) {
  Settings settings;
  settings.allowed = read_allowed(config);
  bool wants_orgs = !settings.allowed.orgs.empty();
  const Json roles = config.value("roles", Json::object());
  for (const auto& [role, who] : roles.items()) {
    settings.roles[role] = read_allowed(who);
    wants_orgs = wants_orgs || !settings.roles[role].orgs.empty();
  }
  for (const auto& [name, value] : config.items()) {
    if (own_keys.contains(name)) continue;
    settings.providers[name] = read_provider(name, value, wants_orgs);
  }
  settings.return_to = config.value("return_to", settings.return_to);
  for (const std::string& place : settings.return_to) {
    if (!is_endpoint_url(place)) bad("return_to", "must hold https:// URLs, or http:// to loopback");
  }
  settings.start_page = config.value("start_page", settings.start_page);
  if (!is_return_to(settings.start_page, "", settings.return_to)) {
    bad("start_page", "must be a path, or a URL below one of return_to");
  }
  settings.session = seconds(config, "session_seconds", settings.session);
  settings.state = seconds(config, "state_seconds", settings.state);
  settings.logins_per_second = config.value("logins_per_second", settings.logins_per_second);
  read_token_keys(config, settings);
  return settings;
}

}  // namespace oauth
