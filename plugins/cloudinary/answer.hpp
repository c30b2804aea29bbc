// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <string>

namespace cloudinary {

// The JSON object of a 2xx answer, or why there is none, each with a code of its own:
//  "bad_request" 400, "unauthorized" 401, "forbidden" 403, "not_found" 404, "conflict" 409,
//  "rate_limited" 420 and 429 (retryable, not before the reset that the answer names),
//  "processing" 423 (retryable), "provider_error" 5xx (retryable), "unexpected_status",
//  "wrong_path_or_credentials" for HTML, "bad_answer" for what is no JSON object.
cofounder::sdk::Result<cofounder::sdk::Json> read_answer(
    const cofounder::sdk::HttpResponse& response);

}  // namespace cloudinary
