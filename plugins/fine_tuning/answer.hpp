// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <string>
#include <string_view>

namespace fine_tuning {

// An answer that is not 2xx.
struct Refusal {
  Refusal(std::string_view its_provider, const cofounder::sdk::HttpResponse& response);
  Refusal(std::string_view its_provider, const cofounder::sdk::HttpStream& stream);

  std::string provider;  // for people: "OpenAI"
  int status = 0;
  std::string content_type;
  std::string body;
  cofounder::sdk::Milliseconds retry_after{0};
};

// Why, each with a code of its own: "bad_request" 400 and 422, "unauthorized" 401,
// "payment_required" 402, "forbidden" 403, "not_found" 404, "conflict" 409, "too_large" 413,
// "rate_limited" 429 (retryable, not before the time that the answer names), "provider_error" 408,
// 425 and 5xx (retryable), "wrong_url" for a web page, "unexpected_status".
cofounder::sdk::Failure failure_of(const Refusal& refusal);

// The provider's own words in an error, cut, and without anything that looks like a key.
std::string words_of(std::string_view body);

// The text of the first such element of an answer in XML, as S3's are; "" when there is none.
std::string in_xml(std::string_view body, std::string_view tag);

// Code "bad_answer" (retryable): what is wrong with which field of a 2xx.
cofounder::sdk::Failure bad_answer(std::string_view provider, std::string_view field,
                                   std::string_view what);
// A text that is there and not empty, or "bad_answer".
cofounder::sdk::Result<std::string> text_in(std::string_view provider,
                                            const cofounder::sdk::Json& answer, const char* field);
// As a whole number that is there and in range; nothing else is taken.
std::optional<std::int64_t> count_in(const cofounder::sdk::Json& answer, const char* field);
// The text of a field, cut; "" when it is absent or something else.
std::string say(const cofounder::sdk::Json& answer, const char* field);

// Sends it and gives the JSON object of a 2xx; {} for an empty body.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> ask(
    cofounder::sdk::Context ctx, std::string provider, cofounder::sdk::HttpRequest request);

std::string percent_encode(std::string_view text, bool keeps_slash = false);

}  // namespace fine_tuning
