// SPDX-License-Identifier: Apache-2.0
#include "signature.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <stdexcept>

namespace cloudinary {
namespace {

std::string digest(Algorithm algorithm, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned size = 0;
  const EVP_MD* kind = algorithm == Algorithm::sha1 ? EVP_sha1() : EVP_sha256();
  if (EVP_Digest(text.data(), text.size(), bytes.data(), &size, kind, nullptr) != 1) {
    throw std::runtime_error{"the digest cannot be computed"};
  }
  return {reinterpret_cast<const char*>(bytes.data()), size};
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

}  // namespace

std::string string_to_sign(const Params& params, int version) {
  std::string text;
  for (const auto& [name, value] : params) {
    if (value.empty()) continue;
    if (!text.empty()) text += '&';
    for (const char c : name + "=" + value) {
      if (c == '&' && version == 2) {
        text += "%26";
      } else {
        text += c;
      }
    }
  }
  return text;
}

std::string sign(const Params& params, std::string_view secret, Algorithm algorithm, int version) {
  return hexadecimal(digest(algorithm, string_to_sign(params, version).append(secret)));
}

std::string base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::string url_signature(std::string_view signed_text, std::string_view secret,
                          Algorithm algorithm) {
  std::string text = base64(digest(algorithm, std::string{signed_text}.append(secret))).substr(0, 8);
  for (char& c : text) {
    if (c == '+') c = '-';
    if (c == '/') c = '_';
  }
  return "s--" + text + "--";
}

std::string notification_signature(std::string_view body, std::string_view timestamp,
                                   std::string_view secret, Algorithm algorithm) {
  return hexadecimal(digest(algorithm, std::string{body}.append(timestamp).append(secret)));
}

bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace cloudinary
