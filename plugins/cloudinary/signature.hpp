// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

// Cloudinary's signatures (cloudinary.com/documentation/authentication_signatures, and the official
// Node SDK 2.11, whose results are the test vectors).
namespace cloudinary {

// The parameters of a request, as they are sent.
using Params = std::map<std::string, std::string>;

enum class Algorithm { sha1, sha256 };

// What is signed, without the secret: empty values dropped, sorted, "name=value" joined by "&".
// Version 2 writes a "&" inside a pair as %26, so that no value can smuggle in a parameter; the
// signatures in the provider's answers are still version 1.
std::string string_to_sign(const Params& params, int version);

// The lower-case hexadecimal digest of that and the secret.
std::string sign(const Params& params, std::string_view secret, Algorithm algorithm, int version);

// "s--XXXXXXXX--": of a delivery URL.  `signed_text` is transformation + "/" + source.
std::string url_signature(std::string_view signed_text, std::string_view secret,
                          Algorithm algorithm);

// The signature of a notification: of the raw body, its X-Cld-Timestamp, and the secret.
std::string notification_signature(std::string_view body, std::string_view timestamp,
                                   std::string_view secret, Algorithm algorithm);

// In a time that does not tell where they differ.
bool equal_in_constant_time(std::string_view a, std::string_view b) noexcept;

std::string base64(std::string_view bytes);

}  // namespace cloudinary
