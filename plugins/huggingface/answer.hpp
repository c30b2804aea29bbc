// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <string>
#include <string_view>

namespace huggingface {

// An answer that is not 2xx.
struct Refusal {
  int status = 0;
  std::string content_type;
  std::string body;
  cofounder::sdk::Milliseconds retry_after{0};
};
Refusal refusal_of(const cofounder::sdk::HttpResponse& response);
Refusal refusal_of(const cofounder::sdk::HttpStream& stream);

// Why, each with a code of its own:
//  "bad_request" 400 and 422, "unauthorized" 401, "payment_required" 402, "forbidden" 403,
//  "not_found" 404, "gone" 410, "too_large" 413, "rate_limited" 429 (retryable, not before the time
//  that the answer names), "model_loading" 503 with an estimated time (retryable after it),
//  "provider_error" 408, 425 and other 5xx (retryable), "wrong_url" for a web page,
//  "unexpected_status".
cofounder::sdk::Failure failure_of(const Refusal& refusal);

// The provider's own words in an error object, cut, and without anything that looks like a token.
std::string words_of(const cofounder::sdk::Json& json);

// Code "bad_answer" (retryable): what is wrong with which field of a 2xx.
cofounder::sdk::Failure bad_answer(std::string_view field, std::string_view what);

// The JSON of a 2xx; "bad_answer" when it is none.
cofounder::sdk::Result<cofounder::sdk::Json> read_json(const cofounder::sdk::HttpResponse& response);

}  // namespace huggingface
