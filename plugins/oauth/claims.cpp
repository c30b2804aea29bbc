// SPDX-License-Identifier: Apache-2.0
// What a signed id_token must say: OpenID Connect Core 3.1.3.7.
#include <algorithm>
#include <cmath>

#include "crypto.hpp"
#include "jwt.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

constexpr double skew_s = 60;  // between the provider's clock and ours
constexpr std::size_t subject_bytes_max = 255;

sdk::Failure bad_claim(const char* name, const std::string& why) {
  return sdk::Failure{COF_EFAILED, "bad_id_token",
                      std::string{"the provider's id_token: "} + name + " " + why};
}

std::string text_of(const Json& claims, const char* name) {
  const auto found = claims.find(name);
  return found != claims.end() && found->is_string() ? found->get<std::string>() : std::string{};
}

bool is_tenant_id(std::string_view text) {
  return text.size() == 36 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '-';
         });
}

sdk::Result<void> check_issuer(const Json& claims, std::string wanted) {
  if (const auto at = wanted.find("{tenantid}"); at != std::string::npos) {
    const std::string tenant = text_of(claims, "tid");
    if (!is_tenant_id(tenant)) return bad_claim("tid", "is no tenant");
    wanted.replace(at, 10, tenant);
  }
  if (text_of(claims, "iss") != wanted) return bad_claim("iss", "is not the issuer");
  return {};
}

sdk::Result<void> check_audience(const Json& claims, const std::string& client) {
  const Json audience = claims.value("aud", Json{});
  const bool many = audience.is_array();
  const bool ours = many ? std::find(audience.begin(), audience.end(), Json(client)) != audience.end()
                         : audience == client;
  if (!ours) return bad_claim("aud", "does not name this client");
  if (many && audience.size() > 1 && !claims.contains("azp")) {
    return bad_claim("azp", "is missing, though aud names several");
  }
  if (claims.contains("azp") && claims.at("azp") != client) {
    return bad_claim("azp", "names another client");
  }
  return {};
}

// A number of seconds, or nothing when it is absent.
sdk::Result<std::optional<double>> time_of(const Json& claims, const char* name) {
  const auto found = claims.find(name);
  if (found == claims.end()) return std::optional<double>{};
  const double value = found->is_number() ? found->get<double>() : NAN;
  if (!std::isfinite(value) || value < 0 || value > 1e12) return bad_claim(name, "is no time");
  return std::optional<double>{value};
}

sdk::Result<void> check_times(const Json& claims, std::int64_t now_s) {
  const double now = static_cast<double>(now_s);
  const auto expires = time_of(claims, "exp");
  const auto issued = time_of(claims, "iat");
  const auto begins = time_of(claims, "nbf");
  if (!expires) return expires.failure();
  if (!issued) return issued.failure();
  if (!begins) return begins.failure();
  if (!*expires) return bad_claim("exp", "is missing");
  if (!*issued) return bad_claim("iat", "is missing");
  if (**expires <= now - skew_s) return bad_claim("exp", "is over");
  if (**issued > now + skew_s) return bad_claim("iat", "is in the future");
  if (*begins && **begins > now + skew_s) return bad_claim("nbf", "is in the future");
  return {};
}

}  // namespace

sdk::Result<void> check_claims(const Jwt& jwt, const TokenExpectation& wanted) {
  const Json& claims = jwt.claims;
  if (auto good = check_issuer(claims, wanted.issuer); !good) return good;
  if (auto good = check_audience(claims, wanted.client_id); !good) return good;
  if (auto good = check_times(claims, wanted.now_s); !good) return good;
  const std::string subject = text_of(claims, "sub");
  if (subject.empty() || subject.size() > subject_bytes_max) {
    return bad_claim("sub", "is missing or too long");
  }
  if (wanted.nonce && !equal_in_constant_time(text_of(claims, "nonce"), *wanted.nonce)) {
    return bad_claim("nonce", "is not the one of this login");
  }
  if (claims.contains("at_hash")) {  // the left half of the hash that the signature uses
    const std::string half = jwt.algorithm == "EdDSA"
                                 ? base64url(sha512(wanted.access_token).substr(0, 32))
                                 : base64url(sha256(wanted.access_token).substr(0, 16));
    if (text_of(claims, "at_hash") != half) return bad_claim("at_hash", "is not of the access token");
  }
  return {};
}

}  // namespace oauth
