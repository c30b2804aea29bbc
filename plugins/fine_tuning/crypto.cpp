// SPDX-License-Identifier: Apache-2.0
#include "crypto.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>

#include <stdexcept>

namespace fine_tuning {
namespace {

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
void need(bool good, const char* what) {
  if (!good) throw std::runtime_error{what};
}
using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

}  // namespace

struct Sha256::State {
  Digest digest{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
};

Sha256::Sha256() : state_{std::make_unique<State>()} {
  need(EVP_DigestInit_ex(state_->digest.get(), EVP_sha256(), nullptr) == 1, "no SHA-256");
}
Sha256::~Sha256() = default;

void Sha256::add(std::string_view piece) {
  need(EVP_DigestUpdate(state_->digest.get(), piece.data(), piece.size()) == 1, "no SHA-256");
}

std::string Sha256::take() {
  std::string digest(32, '\0');
  unsigned size = 0;
  need(EVP_DigestFinal_ex(state_->digest.get(), bytes_of(digest), &size) == 1, "no SHA-256");
  return digest;
}

std::string sha256(std::string_view text) {
  Sha256 digest;
  digest.add(text);
  return digest.take();
}

std::string hmac_sha256(std::string_view key, std::string_view text) {
  std::string digest(32, '\0');
  unsigned size = 0;
  need(HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(),
            bytes_of(digest), &size) != nullptr,
       "no HMAC");
  return digest;
}

std::string hexadecimal(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

std::string base64url(std::string_view bytes) {
  static constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string text;
  unsigned bits = 0;
  int count = 0;
  for (const char c : bytes) {
    bits = bits << 8 | static_cast<unsigned char>(c);
    count += 8;
    while (count >= 6) {
      count -= 6;
      text += alphabet[bits >> count & 63];
    }
  }
  if (count > 0) text += alphabet[bits << (6 - count) & 63];
  return text;
}

std::optional<std::string> sign_rs256(std::string_view private_key_pem, std::string_view text) {
  const std::unique_ptr<BIO, decltype(&BIO_free)> source{
      BIO_new_mem_buf(private_key_pem.data(), static_cast<int>(private_key_pem.size())), &BIO_free};
  // No callback that asks somebody for a password.
  const auto no_password = [](char*, int, int, void*) { return -1; };
  const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key{
      PEM_read_bio_PrivateKey(source.get(), nullptr, no_password, nullptr), &EVP_PKEY_free};
  if (!key || EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA) {
    ERR_clear_error();
    return std::nullopt;
  }
  const Digest digest{EVP_MD_CTX_new(), &EVP_MD_CTX_free};
  std::size_t size = 0;
  need(EVP_DigestSignInit(digest.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1 &&
           EVP_DigestSign(digest.get(), nullptr, &size, bytes_of(text), text.size()) == 1,
       "no RSA signature");
  std::string signature(size, '\0');
  need(EVP_DigestSign(digest.get(), bytes_of(signature), &size, bytes_of(text), text.size()) == 1,
       "no RSA signature");
  signature.resize(size);
  return signature;
}

}  // namespace fine_tuning
