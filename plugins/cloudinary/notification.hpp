// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <string_view>

#include "signature.hpp"

namespace cloudinary {

enum class Genuine {
  yes,
  malformed,  // a header is missing or no number
  forged,     // the signature is not the provider's
  stale       // too old, or from the future
};

// Whether the provider sent this body, and lately.  The signature covers body and timestamp; an
// attacker may replay a genuine one, so that its age is bounded both ways.
Genuine check_notification(std::string_view body, std::string_view timestamp,
                           std::string_view signature, std::string_view secret,
                           Algorithm algorithm, std::int64_t now_s, std::int64_t age_max_s);

// What the operation `upload` answers with, from a notification of an upload: {"result": asset}, or
// {"error": message} for one that failed.  Code "bad_notification" when it lacks what an asset has.
cofounder::sdk::Result<cofounder::sdk::Json> read_notification(
    const cofounder::sdk::Json& notification);

}  // namespace cloudinary
