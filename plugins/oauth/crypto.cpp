// SPDX-License-Identifier: Apache-2.0
#include "crypto.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <memory>
#include <stdexcept>

namespace oauth {
namespace {

constexpr std::size_t nonce_bytes = 12;
constexpr std::size_t tag_bytes = 16;
constexpr std::string_view url_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

using Cipher = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }
const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}
void need(bool good, const char* what) {
  if (!good) throw std::runtime_error{what};
}

std::string encode(std::string_view bytes, bool padded, std::string_view alphabet) {
  std::string text;
  std::size_t at = 0;
  for (; at < bytes.size(); at += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    unsigned group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<unsigned char>(bytes[at + i]) : 0u);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      if (i <= count) {
        text += alphabet[group >> (18 - 6 * i) & 63];
      } else if (padded) {
        text += '=';
      }
    }
  }
  return text;
}

}  // namespace

std::string random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  need(RAND_bytes(bytes_of(bytes), static_cast<int>(count)) == 1, "no random numbers");
  return bytes;
}

std::string random_token() { return base64url(random_bytes(32)); }

std::string sha256(std::string_view text) {
  std::string digest(32, '\0');
  unsigned size = 0;
  need(EVP_Digest(text.data(), text.size(), bytes_of(digest), &size, EVP_sha256(), nullptr) == 1,
       "no SHA-256");
  return digest;
}

std::string sha512(std::string_view text) {
  std::string digest(64, '\0');
  unsigned size = 0;
  need(EVP_Digest(text.data(), text.size(), bytes_of(digest), &size, EVP_sha512(), nullptr) == 1,
       "no SHA-512");
  return digest;
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
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

std::string base64(std::string_view bytes) {
  std::string alphabet{url_alphabet};
  alphabet[62] = '+';
  alphabet[63] = '/';
  return encode(bytes, /*padded=*/true, alphabet);
}

std::string base64url(std::string_view bytes) {
  return encode(bytes, /*padded=*/false, url_alphabet);
}

std::optional<std::string> decode_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes;
  bytes.reserve(text.size() * 3 / 4);
  unsigned held = 0;
  int bits = 0;
  for (const char c : text) {
    const auto value = url_alphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    held = (held << 6 | static_cast<unsigned>(value)) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>(held >> bits & 0xff);
    }
  }
  if ((held & ((1u << bits) - 1)) != 0) return std::nullopt;
  return bytes;
}

bool is_code_verifier(std::string_view text) noexcept {
  return text.size() >= 43 && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.' || c == '_' || c == '~';
         });
}

std::string code_challenge(std::string_view verifier) { return base64url(sha256(verifier)); }

// RFC 5869 with SHA-256, an empty salt and one block of output.
std::string derive_key(std::string_view secret, std::string_view purpose) {
  std::string extracted = hmac_sha256(std::string(32, '\0'), secret);
  std::string info{purpose};
  info += '\x01';
  std::string key = hmac_sha256(extracted, info);
  wipe(extracted);
  return key;
}

std::string encrypt(std::string_view key, std::string_view plain, std::string_view context) {
  need(key.size() == 32, "a key has 256 bits");
  const Cipher cipher{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
  std::string sealed = random_bytes(nonce_bytes);
  std::string body(plain.size(), '\0');
  std::string tag(tag_bytes, '\0');
  int size = 0;
  need(cipher != nullptr &&
           EVP_EncryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key),
                              bytes_of(sealed)) == 1 &&
           EVP_EncryptUpdate(cipher.get(), nullptr, &size, bytes_of(context),
                             static_cast<int>(context.size())) == 1 &&
           EVP_EncryptUpdate(cipher.get(), bytes_of(body), &size, bytes_of(plain),
                             static_cast<int>(plain.size())) == 1 &&
           EVP_EncryptFinal_ex(cipher.get(), nullptr, &size) == 1 &&
           EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(tag_bytes),
                               tag.data()) == 1,
       "encryption failed");
  return sealed.append(body).append(tag);
}

std::optional<std::string> decrypt(std::string_view key, std::string_view sealed,
                                   std::string_view context) {
  if (key.size() != 32 || sealed.size() < nonce_bytes + tag_bytes) return std::nullopt;
  const Cipher cipher{EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
  const std::string_view body =
      sealed.substr(nonce_bytes, sealed.size() - nonce_bytes - tag_bytes);
  std::string tag{sealed.substr(sealed.size() - tag_bytes)};
  std::string plain(body.size(), '\0');
  int size = 0;
  const bool good =
      cipher != nullptr &&
      EVP_DecryptInit_ex(cipher.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key),
                         bytes_of(sealed)) == 1 &&
      EVP_DecryptUpdate(cipher.get(), nullptr, &size, bytes_of(context),
                        static_cast<int>(context.size())) == 1 &&
      EVP_DecryptUpdate(cipher.get(), bytes_of(plain), &size, bytes_of(body),
                        static_cast<int>(body.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(cipher.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(tag_bytes),
                          tag.data()) == 1 &&
      EVP_DecryptFinal_ex(cipher.get(), nullptr, &size) == 1;
  if (!good) return std::nullopt;
  return plain;
}

void wipe(std::string& secret) noexcept {
  OPENSSL_cleanse(secret.data(), secret.size());
  secret.clear();
}

}  // namespace oauth
