// SPDX-License-Identifier: Apache-2.0
#include "jwt.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include <algorithm>

#include "crypto.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

constexpr std::size_t token_bytes_max = 64u << 10;
constexpr std::size_t keys_max = 100;
constexpr int rsa_bits_min = 2048;
constexpr int rsa_bits_max = 8192;  // a larger key would cost us seconds

using PublicKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using KeyMaking = std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)>;
using Number = std::unique_ptr<BIGNUM, decltype(&BN_free)>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, decltype(&OSSL_PARAM_BLD_free)>;
using Params = std::unique_ptr<OSSL_PARAM, decltype(&OSSL_PARAM_free)>;
using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

sdk::Failure bad_token(const std::string& why) {
  return sdk::Failure{COF_EFAILED, "bad_id_token", "the provider's id_token: " + why};
}

std::optional<std::string> text_of(const Json& from, const char* key) {
  const auto found = from.find(key);
  if (found == from.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<std::string> bytes_of(const Json& from, const char* key) {
  const auto text = text_of(from, key);
  return text ? decode_base64url(*text) : std::nullopt;
}

const unsigned char* raw(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Number number_of(std::string_view bytes) {
  return {BN_bin2bn(raw(bytes), static_cast<int>(bytes.size()), nullptr), &BN_free};
}

PublicKey make_key(const char* type, OSSL_PARAM_BLD* builder) {
  PublicKey none{nullptr, &EVP_PKEY_free};
  const Params params{OSSL_PARAM_BLD_to_param(builder), &OSSL_PARAM_free};
  const KeyMaking making{EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr), &EVP_PKEY_CTX_free};
  EVP_PKEY* key = nullptr;
  if (params == nullptr || making == nullptr || EVP_PKEY_fromdata_init(making.get()) != 1 ||
      EVP_PKEY_fromdata(making.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return none;
  }
  return {key, &EVP_PKEY_free};
}

PublicKey rsa_key(const Json& jwk) {
  const auto modulus = bytes_of(jwk, "n"), exponent = bytes_of(jwk, "e");
  PublicKey none{nullptr, &EVP_PKEY_free};
  if (!modulus || !exponent || modulus->size() > rsa_bits_max / 8 || exponent->size() > 8) return none;
  const Number n = number_of(*modulus), e = number_of(*exponent);
  if (BN_num_bits(n.get()) < rsa_bits_min || BN_is_odd(e.get()) == 0 || BN_is_one(e.get()) == 1) {
    return none;
  }
  const Builder builder{OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return make_key("RSA", builder.get());
}

PublicKey ec_key(const Json& jwk) {
  const auto x = bytes_of(jwk, "x"), y = bytes_of(jwk, "y");
  if (text_of(jwk, "crv") != "P-256" || !x || !y || x->size() != 32 || y->size() != 32) {
    return {nullptr, &EVP_PKEY_free};
  }
  const std::string point = "\x04" + *x + *y;
  const Builder builder{OSSL_PARAM_BLD_new(), &OSSL_PARAM_BLD_free};
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                   point.size());
  return make_key("EC", builder.get());
}

PublicKey edwards_key(const Json& jwk) {
  const auto x = bytes_of(jwk, "x");
  if (text_of(jwk, "crv") != "Ed25519" || !x || x->size() != 32) return {nullptr, &EVP_PKEY_free};
  return {EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, raw(*x), x->size()),
          &EVP_PKEY_free};
}

// Two numbers of 32 bytes, as a JWT has them, in the form that OpenSSL takes; "" for what is none.
std::string der_signature(std::string_view two_numbers) {
  if (two_numbers.size() != 64) return {};
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair{ECDSA_SIG_new(), &ECDSA_SIG_free};
  Number r = number_of(two_numbers.substr(0, 32)), s = number_of(two_numbers.substr(32));
  if (ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  static_cast<void>(r.release());  // the pair has them now
  static_cast<void>(s.release());
  const int size = i2d_ECDSA_SIG(pair.get(), nullptr);
  if (size <= 0) return {};
  std::string der(static_cast<std::size_t>(size), '\0');
  auto* out = reinterpret_cast<unsigned char*>(der.data());
  i2d_ECDSA_SIG(pair.get(), &out);
  return der;
}

}  // namespace

struct KeySet::Key {
  std::string type;                      // kty
  std::optional<std::string> id;
  std::optional<std::string> algorithm;  // the only one that it is for
  PublicKey key{nullptr, &EVP_PKEY_free};
};

sdk::Result<KeySet> KeySet::parse(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto list = json.is_object() ? json.find("keys") : json.end();
  if (!json.is_object() || list == json.end() || !list->is_array() || list->size() > keys_max) {
    return sdk::Failure{COF_EFAILED, "bad_answer", "the provider's jwks_uri gives no key set (keys)"};
  }
  KeySet set;
  for (const Json& jwk : *list) {
    if (!jwk.is_object() || text_of(jwk, "use").value_or("sig") != "sig") continue;
    auto key = std::make_shared<Key>();
    key->type = text_of(jwk, "kty").value_or("");
    key->id = text_of(jwk, "kid");
    key->algorithm = text_of(jwk, "alg");
    if (key->type == "RSA") key->key = rsa_key(jwk);
    if (key->type == "EC") key->key = ec_key(jwk);
    if (key->type == "OKP") key->key = edwards_key(jwk);
    if (key->key != nullptr) set.keys_.push_back(std::move(key));
  }
  return set;
}

std::vector<std::shared_ptr<const KeySet::Key>> KeySet::find(
    std::string_view algorithm, const std::optional<std::string>& key_id) const {
  const std::string_view type = algorithm == "ES256"   ? "EC"
                                : algorithm == "EdDSA" ? "OKP"
                                                       : "RSA";
  std::vector<std::shared_ptr<const Key>> found;
  for (const auto& key : keys_) {
    if (key->type != type || (key_id && key->id != key_id)) continue;
    if (key->algorithm && *key->algorithm != algorithm) continue;
    found.push_back(key);
  }
  return found;
}

sdk::Result<Jwt> parse_jwt(std::string_view token) {
  if (token.size() > token_bytes_max) return bad_token("it is too long");
  const auto first = token.find('.');
  const auto second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return bad_token("it has not three parts");
  }
  const auto header = decode_base64url(token.substr(0, first));
  const auto claims = decode_base64url(token.substr(first + 1, second - first - 1));
  auto signature = decode_base64url(token.substr(second + 1));
  if (!header || !claims || !signature) return bad_token("a part is no base64url");
  Jwt jwt;
  jwt.header = Json::parse(*header, nullptr, /*allow_exceptions=*/false);
  jwt.claims = Json::parse(*claims, nullptr, /*allow_exceptions=*/false);
  if (!jwt.header.is_object() || !jwt.claims.is_object()) return bad_token("a part is no JSON object");
  jwt.algorithm = text_of(jwt.header, "alg").value_or("");
  // Extensions that must be understood are not.  jku, x5u and jwk are never looked at.
  if (jwt.header.contains("crit")) return bad_token("crit names extensions that are not known here");
  if (jwt.header.contains("kid") && !text_of(jwt.header, "kid")) return bad_token("kid is no string");
  jwt.key_id = text_of(jwt.header, "kid");
  jwt.signed_text = token.substr(0, second);
  jwt.signature = std::move(*signature);
  return jwt;
}

bool has_valid_signature(const Jwt& jwt, const KeySet::Key& key) {
  const bool edwards = jwt.algorithm == "EdDSA";
  const bool known = edwards || jwt.algorithm == "RS256" || jwt.algorithm == "PS256" ||
                     jwt.algorithm == "ES256";
  const std::string signature =
      jwt.algorithm == "ES256" ? der_signature(jwt.signature) : jwt.signature;
  if (!known || signature.empty()) return false;
  const Digest digest{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  EVP_PKEY_CTX* how = nullptr;
  if (EVP_DigestVerifyInit(digest.get(), &how, edwards ? nullptr : EVP_sha256(), nullptr,
                           key.key.get()) != 1) {
    return false;
  }
  if (jwt.algorithm == "PS256" &&
      (EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING) != 1 ||
       EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST) != 1)) {
    return false;
  }
  return EVP_DigestVerify(digest.get(), raw(signature), signature.size(), raw(jwt.signed_text),
                          jwt.signed_text.size()) == 1;
}

}  // namespace oauth
