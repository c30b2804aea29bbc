// SPDX-License-Identifier: Apache-2.0
#include "discovery.hpp"

#include <algorithm>

#include "answer.hpp"
#include "web.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

// "https://login.microsoftonline.com/common/v2.0" is answered with "{tenantid}" in place of "common":
// each token then names its own tenant.
bool is_tenant_template(const std::string& said, const std::string& configured) {
  for (const std::string_view shared : {"/common/", "/organizations/", "/consumers/"}) {
    const auto at = configured.find(shared);
    if (at == std::string::npos) continue;
    std::string wanted = configured;
    wanted.replace(at, shared.size(), "/{tenantid}/");
    return said == wanted;
  }
  return false;
}

bool is_issuer(const std::string& said, const ProviderSettings& settings) {
  if (said == settings.issuer) return said.find('{') == std::string::npos;
  return settings.kind == Kind::microsoft && is_tenant_template(said, settings.issuer);
}

bool holds(const Json& list, const char* word) {
  return list.is_array() && std::find(list.begin(), list.end(), Json(word)) != list.end();
}

}  // namespace

sdk::Result<Metadata> read_metadata(const Json& json, const ProviderSettings& settings) {
  Metadata metadata;
  auto issuer = text_in(json, "issuer", "discovery", 2048);
  if (!issuer) return issuer.failure();
  if (!is_issuer(*issuer, settings)) {
    return bad_answer("discovery.issuer is not the configured one, \"" + settings.issuer + "\"");
  }
  metadata.issuer = std::move(*issuer);
  for (const auto& [key, to, needed] :
       {std::tuple{"authorization_endpoint", &metadata.authorization_endpoint, true},
        std::tuple{"token_endpoint", &metadata.token_endpoint, true},
        std::tuple{"jwks_uri", &metadata.jwks_uri, true},
        std::tuple{"userinfo_endpoint", &metadata.userinfo_endpoint, false},
        std::tuple{"revocation_endpoint", &metadata.revocation_endpoint, false},
        std::tuple{"device_authorization_endpoint", &metadata.device_authorization_endpoint,
                   false}}) {
    auto url = text_in(json, key, "discovery", 2048);
    if (!url) return url.failure();
    if (url->empty() && !needed) continue;
    if (!is_endpoint_url(*url)) return bad_answer(std::string{"discovery."} + key + " is no https URL");
    *to = std::move(*url);
  }
  metadata.sends_issuer =
      json.value("authorization_response_iss_parameter_supported", Json{}) == true;
  const Json methods = json.value("token_endpoint_auth_methods_supported", Json{});
  metadata.secret_in_body =
      holds(methods, "client_secret_post") && !holds(methods, "client_secret_basic");
  const Json challenges = json.value("code_challenge_methods_supported", Json{});
  if (challenges.is_array() && !holds(challenges, "S256")) {
    return bad_answer("discovery.code_challenge_methods_supported lacks S256, which is always used");
  }
  return metadata;
}

}  // namespace oauth
