// SPDX-License-Identifier: Apache-2.0
#include "answer.hpp"

#include <string_view>

namespace cloudinary {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr std::size_t message_bytes_max = 500;

// The provider's own words, from the body or the header.
std::string message_of(const sdk::HttpResponse& response) {
  const Json json = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  std::string text;
  if (json.is_object() && json.contains("error") && json["error"].is_object()) {
    const Json& message = json["error"].value("message", Json{});
    if (message.is_string()) text = message.get<std::string>();
  }
  if (text.empty()) text = response.header("x-cld-error");
  // "Invalid Signature X. String to sign - '...'": what was signed is nobody's business.
  if (const auto secret = text.find("String to sign"); secret != std::string::npos) text.resize(secret);
  text.resize(std::min(text.size(), message_bytes_max));
  return text;
}

bool is_html(const sdk::HttpResponse& response) {
  return response.header("content-type").find("html") != std::string_view::npos;
}

sdk::Failure failure_of(const sdk::HttpResponse& response) {
  const auto failure = [&](std::int32_t status, const char* code, const char* what) {
    std::string message = "Cloudinary answered " + std::to_string(response.status) + ": " + what;
    if (const std::string said = message_of(response); !said.empty()) message += " (" + said + ")";
    return sdk::Failure{status, code, message};
  };
  switch (response.status) {
    case 400:
      return failure(COF_EINVALID, "bad_request", "the request is wrong");
    case 401:
      return failure(COF_EDENIED, "unauthorized", "key, secret or signature are wrong");
    case 403:
      return failure(COF_EDENIED, "forbidden", "the account may not do that");
    case 404:
      if (is_html(response)) break;
      return failure(COF_ENOTFOUND, "not_found", "there is no such thing");
    case 409:
      return failure(COF_ECONFLICT, "conflict", "it exists already");
    case 420:
    case 429:
      return failure(COF_ELIMIT, "rate_limited", "too many requests").retry_in(response.retry_after);
    case 423:
      return failure(COF_EUNAVAILABLE, "processing", "it is being processed")
          .retry_in(response.retry_after);
    default:
      break;
  }
  if (response.status >= 500) {
    return failure(COF_EUNAVAILABLE, "provider_error", "it has a problem of its own")
        .retry_in(response.retry_after);
  }
  if (is_html(response)) {
    return failure(COF_EINVALID, "wrong_path_or_credentials",
                   "a web page instead of JSON: base_url or cloud_name are wrong");
  }
  return failure(COF_EFAILED, "unexpected_status", "nobody expected that");
}

}  // namespace

sdk::Result<Json> read_answer(const sdk::HttpResponse& response) {
  if (!response.ok()) return failure_of(response);
  Json json = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) {
    return sdk::Failure{COF_EFAILED, "bad_answer",
                        "Cloudinary answered " + std::to_string(response.status) +
                            " with something that is no JSON object"}
        .retry();
  }
  return json;
}

}  // namespace cloudinary
