// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <string>

#include "signature.hpp"

namespace cloudinary {

// The parameters of an upload that come from the operation's arguments, without timestamp and
// signature.  Codes "invalid_public_id", "invalid_context", "invalid_transformation", "invalid_tag".
cofounder::sdk::Result<Params> upload_params(const cofounder::sdk::Json& args);

// Nothing when the provider would take it.
cofounder::sdk::Result<void> check_public_id(const std::string& id);

// Adds timestamp, api_key and signature.
void authenticate(Params& params, std::int64_t now_s, const std::string& api_key,
                  const std::string& secret, Algorithm algorithm, int version);

}  // namespace cloudinary
