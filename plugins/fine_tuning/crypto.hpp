// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

// The few things that OpenSSL does here.  Digests are bytes; what fails inside of OpenSSL throws
// std::runtime_error.
namespace fine_tuning {

// SHA-256 of what comes in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;
  void add(std::string_view piece);
  std::string take();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256(std::string_view text);
std::string hmac_sha256(std::string_view key, std::string_view text);
std::string hexadecimal(std::string_view bytes);
std::string base64url(std::string_view bytes);

// RSASSA-PKCS1-v1_5 with SHA-256 by a private key in PEM; nothing when that is no RSA key.
std::optional<std::string> sign_rs256(std::string_view private_key_pem, std::string_view text);

}  // namespace fine_tuning
