// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/oidc.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "tests/simulators/github_oauth.hpp"

namespace simulator {

using Json = nlohmann::json;

namespace {

constexpr std::int64_t device_age_max_s = 600;
constexpr std::string_view device_grant = "urn:ietf:params:oauth:grant-type:device_code";

Response json_response(const Json& json, int status = 200) {
  Response response;
  response.status = status;
  response.body = json.dump();
  response.headers = {{"Cache-Control", "no-store"}};
  return response;
}

Response refused(int status, const std::string& error, const std::string& why) {
  Response response = json_response({{"error", error}, {"error_description", why}}, status);
  if (status == 401) response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"simulated\"");
  return response;
}

std::string value_of(const std::map<std::string, std::string>& fields, const char* name) {
  const auto found = fields.find(name);
  return found == fields.end() ? std::string{} : found->second;
}

// The fields of a POST by the client; nothing but a form will do.
std::optional<std::map<std::string, std::string>> form_of(const Request& request) {
  const bool is_form =
      request.header("content-type").starts_with("application/x-www-form-urlencoded");
  if (!is_form || !request.query.empty()) return std::nullopt;
  return body_fields(request);
}

std::string without_port(const std::string& url) {
  const std::string loopback = "http://127.0.0.1";
  if (!url.starts_with(loopback + ":")) return url;
  const auto slash = url.find('/', loopback.size());
  return loopback + (slash == std::string::npos ? "" : url.substr(slash));
}

unsigned char* raw(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* raw(const std::string& text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

struct Oidc::Key {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  Key() = default;
  ~Key() { EVP_PKEY_free(key); }
  Key(const Key&) = delete;
  Key& operator=(const Key&) = delete;

  std::string coordinate(const char* name) const {
    BIGNUM* number = nullptr;
    EVP_PKEY_get_bn_param(key, name, &number);
    std::string bytes(32, '\0');
    BN_bn2binpad(number, raw(bytes), 32);
    BN_free(number);
    return base64url_of(bytes);
  }
};

Oidc::Oidc(OidcOptions options) : options_{std::move(options)} { rotate_key(); }
Oidc::~Oidc() = default;

void Oidc::rotate_key() {
  const std::lock_guard lock{mutex_};
  key_ = std::make_unique<Key>();
  ++key_number_;
}

std::size_t Oidc::live_tokens() const {
  const std::lock_guard lock{mutex_};
  return access_.size() + refresh_.size();
}

std::int64_t Oidc::now() const { return options_.now_s ? options_.now_s() : seconds_now(); }

std::string Oidc::issuer(const Request& request) const {
  if (!options_.issuer.empty()) return options_.issuer;
  return "http://" + std::string{request.header("host")};
}

std::string Oidc::sign(const std::string& text) const {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  std::size_t size = 0;
  EVP_DigestSignInit(context, nullptr, EVP_sha256(), nullptr, key_->key);
  EVP_DigestSign(context, nullptr, &size, raw(text), text.size());
  std::string der(size, '\0');
  EVP_DigestSign(context, raw(der), &size, raw(text), text.size());
  EVP_MD_CTX_free(context);
  const auto* from = static_cast<const unsigned char*>(raw(der));
  ECDSA_SIG* pair = d2i_ECDSA_SIG(nullptr, &from, static_cast<long>(size));
  std::string signature(64, '\0');
  BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw(signature), 32);
  BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw(signature) + 32, 32);
  ECDSA_SIG_free(pair);
  return signature;
}

std::string Oidc::id_token(const Request& request, const Grant& grant,
                           const std::string& access) const {
  const std::string& lie = options_.lie;
  Json header{{"alg", lie == "none" ? "none" : lie == "hs256" ? "HS256" : "ES256"},
              {"kid", "key-" + std::to_string(key_number_)},
              {"typ", "JWT"}};
  Json claims = options_.claims;
  claims["iss"] = issuer(request) + (lie == "iss" ? "/" : "");
  claims["aud"] = lie == "aud" ? "another" : options_.client_id;
  claims["sub"] = options_.subject;
  claims["iat"] = now() - (lie == "exp" ? 700 : 0);
  claims["exp"] = now() + (lie == "exp" ? -100 : 600);
  if (!grant.nonce.empty()) claims["nonce"] = lie == "nonce" ? "another" : grant.nonce;
  std::string digest(32, '\0');
  unsigned size = 0;
  EVP_Digest(access.data(), access.size(), raw(digest), &size, EVP_sha256(), nullptr);
  claims["at_hash"] = base64url_of(digest.substr(0, 16));
  const std::string text = base64url_of(header.dump()) + "." + base64url_of(claims.dump());
  std::string signature = lie == "none" ? "" : sign(text);
  if (lie == "hs256") {  // signed with what is public, in the hope that it is taken for a secret
    const std::string key = key_->coordinate(OSSL_PKEY_PARAM_EC_PUB_X);
    signature.assign(32, '\0');
    HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), raw(text), text.size(),
         raw(signature), &size);
  }
  if (lie == "signature") signature[10] = static_cast<char>(signature[10] ^ 1);
  return text + "." + base64url_of(signature);
}

Response Oidc::handle(const Request& request) {
  const std::lock_guard lock{mutex_};
  const bool get = request.method == "GET", post = request.method == "POST";
  if (get && request.path == "/.well-known/openid-configuration") return discovery(request);
  if (get && request.path == "/jwks") {
    ++key_requests_;
    return json_response(
        {{"keys",
          {{{"kty", "EC"}, {"crv", "P-256"}, {"use", "sig"}, {"alg", "ES256"},
            {"kid", "key-" + std::to_string(key_number_)},
            {"x", key_->coordinate(OSSL_PKEY_PARAM_EC_PUB_X)},
            {"y", key_->coordinate(OSSL_PKEY_PARAM_EC_PUB_Y)}}}}});
  }
  if (get && request.path == "/authorize") return authorize(request);
  if (post && request.path == "/device_authorization") return device_authorization(request);
  if (post && request.path == "/_device") {
    const auto fields = body_fields(request);
    const bool agree = fields && value_of(*fields, "agree") != "no";
    const bool known = fields && answer_locked(value_of(*fields, "user_code"), agree);
    return known ? json_response(Json::object()) : refused(404, "not_found", "no such code");
  }
  if (post && request.path == "/token") return token(request);
  if (get && request.path == "/userinfo") return userinfo(request);
  if (post && request.path == "/revoke") return revoke(request);
  return refused(404, "invalid_request", "unrecognized route or not allowed method");
}

Response Oidc::discovery(const Request& request) const {
  const std::string base = issuer(request);
  Json json{{"issuer", base},
            {"authorization_endpoint", base + "/authorize"},
            {"token_endpoint", base + "/token"},
            {"jwks_uri", base + "/jwks"},
            {"userinfo_endpoint", base + "/userinfo"},
            {"revocation_endpoint", base + "/revoke"},
            {"device_authorization_endpoint", base + "/device_authorization"},
            {"grant_types_supported", {"authorization_code", "refresh_token", device_grant}},
            {"response_types_supported", {"code"}},
            {"subject_types_supported", {"public"}},
            {"id_token_signing_alg_values_supported", {"ES256"}},
            {"code_challenge_methods_supported", {"S256"}},
            {"token_endpoint_auth_methods_supported", {"client_secret_basic"}},
            {"authorization_response_iss_parameter_supported", options_.sends_issuer}};
  json.update(options_.metadata);
  return json_response(json);
}

Response Oidc::authorize(const Request& request) {
  const auto fields = query_fields(request);
  if (!fields || value_of(*fields, "client_id") != options_.client_id) {
    return refused(400, "invalid_client", "client is invalid");
  }
  const std::string redirect = value_of(*fields, "redirect_uri");
  if (without_port(redirect) != options_.redirect_uri) {
    return refused(400, "invalid_redirect_uri",
                   "redirect_uri did not match any of the client's registered redirect_uris");
  }
  Fields back;
  if (fields->contains("state")) back["state"] = value_of(*fields, "state");
  if (options_.sends_issuer) back["iss"] = issuer(request);
  const auto error = [&](const char* code, const char* why) {
    back["error"] = code;
    back["error_description"] = why;
    return redirect_to(redirect, back);
  };
  const std::string scope = value_of(*fields, "scope");
  if (value_of(*fields, "response_type") != "code") {
    return error("unsupported_response_type", "unsupported response_type requested");
  }
  if ((" " + scope + " ").find(" openid ") == std::string::npos) {
    return error("invalid_scope", "openid scope must be requested");
  }
  if (value_of(*fields, "code_challenge_method") != "S256") {
    return error("invalid_request", "code_challenge_method must be S256");
  }
  if (!is_pkce_text(value_of(*fields, "code_challenge"))) {
    return error("invalid_request", "code_challenge must be a string with a minimum length of 43");
  }
  if (value_of(*fields, "nonce").empty()) return error("invalid_request", "nonce is missing");
  back["code"] = random_word("code-", 40);
  codes_[back["code"]] = {redirect, value_of(*fields, "code_challenge"), value_of(*fields, "nonce"),
                          scope};
  return redirect_to(redirect, back);
}

// RFC 6749, 2.3.1: id and secret are form-encoded before they go into the header.
bool Oidc::is_client(const Request& request) const {
  const auto basic = basic_credentials(request);
  return basic && percent_decode(basic->first, true) == options_.client_id &&
         percent_decode(basic->second, true) == options_.client_secret;
}

Response Oidc::token(const Request& request) {
  if (!is_client(request)) return refused(401, "invalid_client", "client authentication failed");
  const auto fields = form_of(request);
  if (!fields) {
    return refused(400, "invalid_request", "only application/x-www-form-urlencoded is supported");
  }
  const std::string kind = value_of(*fields, "grant_type");
  if (kind == "refresh_token") return by_refresh(request, *fields);
  if (kind == device_grant) return by_device(request, *fields);
  if (kind == "authorization_code") return by_code(request, *fields);
  return refused(400, "unsupported_grant_type", "unsupported grant_type requested");
}

Response Oidc::by_refresh(const Request& request, const Fields& fields) {
  const auto found = refresh_.find(value_of(fields, "refresh_token"));
  if (found == refresh_.end()) return refused(400, "invalid_grant", "grant request is invalid");
  Grant grant = found->second.first;
  access_.erase(found->second.second);
  refresh_.erase(found);
  grant.nonce.clear();
  return tokens_for(request, std::move(grant));
}

Response Oidc::by_code(const Request& request, const Fields& fields) {
  if (value_of(fields, "code").empty()) return refused(400, "invalid_request", "missing code");
  const auto found = codes_.find(value_of(fields, "code"));
  const std::string verifier = value_of(fields, "code_verifier");
  const bool good = found != codes_.end() && !found->second.used &&
                    found->second.redirect_uri == value_of(fields, "redirect_uri") &&
                    is_pkce_text(verifier) && challenge_of(verifier) == found->second.challenge;
  if (!good) return refused(400, "invalid_grant", "grant request is invalid");
  found->second.used = true;
  return tokens_for(request, found->second);
}

// RFC 8628, 3.1 and 3.2.
Response Oidc::device_authorization(const Request& request) {
  if (!is_client(request)) return refused(401, "invalid_client", "client authentication failed");
  const auto fields = form_of(request);
  if (!fields) {
    return refused(400, "invalid_request", "only application/x-www-form-urlencoded is supported");
  }
  const std::string id = value_of(*fields, "client_id");
  if (!id.empty() && id != options_.client_id) {
    return refused(400, "invalid_request", "mismatch in body and authorization client ids");
  }
  const std::string scope = value_of(*fields, "scope");
  if ((" " + scope + " ").find(" openid ") == std::string::npos) {
    return refused(400, "invalid_scope", "openid scope must be requested");
  }
  const std::string code = random_word("dc-", 40);
  Device device;
  device.user_code = random_word("", 4) + "-" + random_word("", 4);
  device.scope = scope;
  device.at_s = now();
  device.interval_s = options_.device_interval_s;
  devices_[code] = device;
  const std::string page = issuer(request) + "/device";
  return json_response({{"device_code", code},
                        {"user_code", device.user_code},
                        {"verification_uri", page},
                        {"verification_uri_complete", page + "?user_code=" + device.user_code},
                        {"expires_in", device_age_max_s},
                        {"interval", device.interval_s}});
}

// RFC 8628, 3.4 and 3.5.
Response Oidc::by_device(const Request& request, const Fields& fields) {
  const std::string code = value_of(fields, "device_code");
  if (code.empty()) return refused(400, "invalid_request", "missing device_code");
  const auto found = devices_.find(code);
  if (found == devices_.end()) return refused(400, "invalid_grant", "grant request is invalid");
  Device& device = found->second;
  if (now() - device.at_s > device_age_max_s) {
    devices_.erase(found);
    return refused(400, "expired_token", "device code is expired");
  }
  if (!device.agreed) {
    const bool too_fast = now() - device.polled_s < device.interval_s;
    device.polled_s = now();
    if (!too_fast) {
      return refused(400, "authorization_pending", "authorization request is still pending");
    }
    device.interval_s += 5;
    return refused(400, "slow_down", "you are polling too quickly");
  }
  const Device done = device;
  devices_.erase(found);
  if (!*done.agreed) return refused(400, "access_denied", "End-User aborted interaction");
  Grant grant;
  grant.scope = done.scope;
  return tokens_for(request, std::move(grant));
}

bool Oidc::answer_device(const std::string& user_code, bool agree) {
  const std::lock_guard lock{mutex_};
  return answer_locked(user_code, agree);
}

bool Oidc::answer_locked(const std::string& user_code, bool agree) {
  for (auto& [code, device] : devices_) {
    if (device.user_code != user_code) continue;
    device.agreed = agree;
    return true;
  }
  return false;
}

Response Oidc::tokens_for(const Request& request, Grant grant) {
  const std::string access = random_word("at-", 40);
  grant.expires_s = now() + options_.expires_in_s;
  access_[access] = grant;
  Json answer{{"access_token", access},
              {"token_type", "Bearer"},
              {"expires_in", options_.expires_in_s},
              {"scope", grant.scope},
              {"id_token", id_token(request, grant, access)}};
  if (options_.gives_refresh) {
    const std::string refresh = random_word("rt-", 40);
    refresh_[refresh] = {grant, access};
    answer["refresh_token"] = refresh;
  }
  return json_response(answer);
}

Response Oidc::userinfo(const Request& request) const {
  const std::string_view header = request.header("authorization");
  if (header.empty()) return refused(400, "invalid_request", "no access token provided");
  const auto found = header.starts_with("Bearer ") ? access_.find(std::string{header.substr(7)})
                                                   : access_.end();
  if (found == access_.end() || found->second.expires_s <= now()) {
    return refused(401, "invalid_token", "invalid token provided");
  }
  Json claims = options_.claims;
  claims["sub"] = options_.subject + (options_.lie == "sub" ? "x" : "");
  return json_response(claims);
}

Response Oidc::revoke(const Request& request) {
  if (!is_client(request)) return refused(401, "invalid_client", "client authentication failed");
  const auto fields = form_of(request);
  const std::string token = fields ? value_of(*fields, "token") : "";
  if (token.empty()) return refused(400, "invalid_request", "missing required parameter 'token'");
  if (const auto found = refresh_.find(token); found != refresh_.end()) {
    access_.erase(found->second.second);
    refresh_.erase(found);
  }
  access_.erase(token);
  Response done;
  done.body = "";
  return done;
}

}  // namespace simulator
