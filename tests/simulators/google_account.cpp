// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/google_account.hpp"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

namespace simulator {

using Json = nlohmann::json;

struct GoogleAccount::Key {
  EVP_PKEY* pair = EVP_RSA_gen(2048);
  ~Key() { EVP_PKEY_free(pair); }
};

namespace {

constexpr const char* email = "trainer@p1.iam.gserviceaccount.com";
constexpr const char* key_id = "0123456789abcdef0123456789abcdef01234567";
constexpr const char* scope = "https://www.googleapis.com/auth/cloud-platform";
constexpr const char* google_token_url = "https://oauth2.googleapis.com/token";
constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string base64url(std::string_view bytes) {
  std::string text;
  unsigned bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    for (count += 8; count >= 6;) text += alphabet[bits >> (count -= 6) & 63];
  }
  if (count > 0) text += alphabet[bits << (6 - count) & 63];
  return text;
}

std::optional<std::string> from_base64url(std::string_view text) {
  std::string out;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    const auto at = alphabet.find(c);
    if (at == std::string_view::npos) return std::nullopt;
    bits = bits << 6 | static_cast<unsigned>(at);
    if ((count += 6) >= 8) out += static_cast<char>(bits >> (count -= 8) & 255);
  }
  return out;
}

Response oauth_error(int status, const std::string& code, const std::string& description) {
  Response response;
  response.status = status;
  response.body = Json{{"error", code}, {"error_description", description}}.dump();
  return response;
}

bool is_signed(EVP_PKEY* key, std::string_view text, std::string_view signature) {
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  EVP_DigestVerifyInit(digest, nullptr, EVP_sha256(), nullptr, key);
  const bool good = EVP_DigestVerify(digest, bytes_of(signature), signature.size(), bytes_of(text), text.size()) == 1;
  EVP_MD_CTX_free(digest);
  return good;
}

}  // namespace

GoogleAccount::GoogleAccount() : key_{std::make_unique<Key>()} {}
GoogleAccount::~GoogleAccount() = default;

Json GoogleAccount::key_file(const std::string& token_url) const {
  BIO* out = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(out, key_->pair, nullptr, nullptr, 0, nullptr, nullptr);
  char* data = nullptr;
  const long size = BIO_get_mem_data(out, &data);
  const std::string pem{data, static_cast<std::size_t>(size)};
  BIO_free(out);
  return {{"type", "service_account"}, {"project_id", "p1"}, {"private_key_id", key_id}, {"private_key", pem},
          {"client_email", email}, {"client_id", "100000000000000000001"}, {"token_uri", token_url},
          {"universe_domain", "googleapis.com"}};
}

Json GoogleAccount::header() const { return {{"alg", "RS256"}, {"typ", "JWT"}, {"kid", key_id}}; }

Json GoogleAccount::claims(const std::string& audience, std::int64_t now) const {
  return {{"iss", email}, {"scope", scope}, {"aud", audience}, {"iat", now}, {"exp", now + 3600}};
}

std::string GoogleAccount::sign(const Json& header, const Json& claims) const {
  const std::string text = base64url(header.dump()) + "." + base64url(claims.dump());
  EVP_MD_CTX* digest = EVP_MD_CTX_new();
  std::size_t size = 0;
  EVP_DigestSignInit(digest, nullptr, EVP_sha256(), nullptr, key_->pair);
  EVP_DigestSign(digest, nullptr, &size, bytes_of(text), text.size());
  std::string signature(size, '\0');
  EVP_DigestSign(digest, reinterpret_cast<unsigned char*>(signature.data()), &size, bytes_of(text), text.size());
  EVP_MD_CTX_free(digest);
  signature.resize(size);
  return text + "." + base64url(signature);
}

std::optional<std::string> GoogleAccount::wrong_in(const std::string& assertion, const Request& request, std::int64_t now) const {
  const auto first = assertion.find('.');
  const auto second = assertion.rfind('.');
  if (first == std::string::npos || second == first) return "Invalid JWT: it has three parts.";
  const auto head = from_base64url(assertion.substr(0, first));
  const auto body = from_base64url(assertion.substr(first + 1, second - first - 1));
  const auto signature = from_base64url(assertion.substr(second + 1));
  if (!head || !body || !signature) return "Invalid JWT: Failed audience check.";
  const Json header = Json::parse(*head, nullptr, false);
  const Json claims = Json::parse(*body, nullptr, false);
  if (!header.is_object() || !claims.is_object()) return "Invalid JWT.";
  if (header.value("alg", Json{}) != "RS256") return "Invalid JWT: unsupported algorithm.";
  if (header.contains("kid") && header.at("kid") != key_id) return "Invalid JWT Signature: unknown key.";
  if (claims.value("iss", Json{}) != email) return "Invalid grant: account not found";
  if (!is_signed(key_->pair, assertion.substr(0, second), *signature)) return "Invalid JWT Signature.";
  const std::string here = "http://" + std::string{request.header("host")} + "/token";
  const Json audience = claims.value("aud", Json{});
  if (audience != here && audience != google_token_url) return "Invalid JWT: Failed audience check.";
  const Json issued = claims.value("iat", Json{});
  const Json expires = claims.value("exp", Json{});
  const bool is_short = issued.is_number_integer() && expires.is_number_integer() && issued.get<std::int64_t>() <= now + 300 &&
                        issued.get<std::int64_t>() >= now - 3600 && expires.get<std::int64_t>() > now &&
                        expires.get<std::int64_t>() - issued.get<std::int64_t>() <= 3600;
  if (!is_short) {
    return "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. "
           "Check your iat and exp values in the JWT claim.";
  }
  const Json wanted = claims.value("scope", Json{});
  if (!wanted.is_string() || (" " + wanted.get<std::string>() + " ").find(std::string{" "} + scope + " ") == std::string::npos) {
    return "scope";
  }
  return std::nullopt;
}

Response GoogleAccount::token(const Request& request, std::int64_t now) {
  if (request.method != "POST") return oauth_error(405, "invalid_request", "POST is expected");
  if (!request.header("content-type").starts_with("application/x-www-form-urlencoded")) {
    return oauth_error(400, "invalid_request", "a form is expected");
  }
  const auto form = parse_form(request.body);
  if (!form) return oauth_error(400, "invalid_request", "Malformed form");
  std::map<std::string, std::string> fields;
  for (const auto& [name, value] : *form) {
    if (!fields.emplace(name, value).second) return oauth_error(400, "invalid_request", "Duplicate parameter: " + name);
  }
  if (!fields.contains("grant_type")) return oauth_error(400, "invalid_request", "Missing required parameter: grant_type");
  if (fields["grant_type"] != "urn:ietf:params:oauth:grant-type:jwt-bearer") {
    return oauth_error(400, "unsupported_grant_type", "Invalid grant_type: " + fields["grant_type"]);
  }
  if (!fields.contains("assertion")) return oauth_error(400, "invalid_request", "Missing required parameter: assertion");
  if (const auto wrong = wrong_in(fields["assertion"], request, now)) {
    return *wrong == "scope" ? oauth_error(400, "invalid_scope", "Invalid OAuth scope or ID token audience provided.")
                             : oauth_error(400, "invalid_grant", *wrong);
  }
  const std::string text = "ya29.simulated-" + std::to_string(tokens_.size() + 1);
  tokens_[text] = now + 3599;
  Response response;
  response.body = Json{{"access_token", text}, {"expires_in", 3599}, {"token_type", "Bearer"}}.dump();
  return response;
}

bool GoogleAccount::knows(std::string_view access_token, std::int64_t now) const {
  const auto token = tokens_.find(access_token);
  return token != tokens_.end() && token->second > now;
}

}  // namespace simulator
