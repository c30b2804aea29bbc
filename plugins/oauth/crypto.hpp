// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

// The few things that OpenSSL does here.  Bytes are std::string; what fails inside of OpenSSL throws
// std::runtime_error, what another party got wrong is an empty optional.
namespace oauth {

std::string random_bytes(std::size_t count);
// 256 random bits as base64url: states, nonces, verifiers, sessions.
std::string random_token();

std::string sha256(std::string_view text);
std::string sha512(std::string_view text);
std::string hmac_sha256(std::string_view key, std::string_view text);
std::string hexadecimal(std::string_view bytes);
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

std::string base64(std::string_view bytes);
std::string base64url(std::string_view bytes);
// Strict: no padding, no other alphabet, no left-over bits.
std::optional<std::string> decode_base64url(std::string_view text);

// RFC 7636.
bool is_code_verifier(std::string_view text) noexcept;
std::string code_challenge(std::string_view verifier);

// A key of 256 bits for one purpose.
std::string derive_key(std::string_view secret, std::string_view purpose);

// AES-256-GCM; `context` is authenticated, too.  Gives nonce, ciphertext and tag in one.
std::string encrypt(std::string_view key, std::string_view plain, std::string_view context);
std::optional<std::string> decrypt(std::string_view key, std::string_view sealed,
                                   std::string_view context);

void wipe(std::string& secret) noexcept;

}  // namespace oauth
