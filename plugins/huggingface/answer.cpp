// SPDX-License-Identifier: Apache-2.0
#include "answer.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <utility>

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

using sdk::Json;

constexpr std::size_t words_bytes_max = 500;
constexpr double estimated_seconds_max = 86'400;  // some models never load

bool is_html(const Refusal& refusal) {
  return refusal.content_type.find("html") != std::string::npos;
}

// Somebody may send back what it got.
std::string without_tokens(std::string text) {
  for (std::size_t at = 0; (at = text.find("hf_", at)) != std::string::npos;) {
    std::size_t end = at + 3;
    while (end < text.size() && std::isalnum(static_cast<unsigned char>(text[end])) != 0) ++end;
    text.replace(at, end - at, "[token]");
    at += 7;
  }
  return text;
}

// {"error": str | {message} | [...]} | {"message"} | {"detail"}, or plain text.
std::string words_of(const Refusal& refusal) {
  const Json json = Json::parse(refusal.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_discarded()) return huggingface::words_of(json);
  if (refusal.content_type.starts_with("text/plain")) {
    return without_tokens(refusal.body.substr(0, words_bytes_max));
  }
  return {};
}

// How long a model will take to load; negative when the answer does not say that it is loading.
double estimated_seconds(const Refusal& refusal) {
  const Json json = Json::parse(refusal.body, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return -1;
  const auto found = json.find("estimated_time");
  if (found == json.end() || !found->is_number()) return -1;
  const double seconds = found->get<double>();
  if (!std::isfinite(seconds) || seconds < 0) return -1;
  return std::min(seconds, estimated_seconds_max);
}

}  // namespace

Refusal refusal_of(const sdk::HttpResponse& response) {
  return {response.status, std::string{response.header("content-type")}, response.body,
          response.retry_after};
}

Refusal refusal_of(const sdk::HttpStream& stream) {
  return {stream.status(), std::string{stream.header("content-type")},
          stream.error_body(), stream.retry_after()};
}

std::string words_of(const Json& json) {
  std::string text;
  const auto take = [&](const Json& from, const char* name) {
    if (!text.empty() || !from.is_object() || !from.contains(name)) return;
    const Json& value = from.at(name);
    if (value.is_string()) text = value.get<std::string>();
    if (value.is_array() && !value.empty()) text = sdk::to_text(value);
  };
  if (json.is_object() && json.contains("error")) take(json.at("error"), "message");
  for (const char* name : {"error", "message", "detail"}) take(json, name);
  text.resize(std::min(text.size(), words_bytes_max));
  return without_tokens(std::move(text));
}

sdk::Failure failure_of(const Refusal& refusal) {
  const auto failure = [&](std::int32_t status, const char* code, const char* what) {
    std::string message = "Hugging Face answered " + std::to_string(refusal.status) + ": " + what;
    if (const std::string said = words_of(refusal); !said.empty()) message += " (" + said + ")";
    return sdk::Failure{status, code, message};
  };
  const int status = refusal.status;
  if (status == 503) {
    if (const double seconds = estimated_seconds(refusal); seconds >= 0) {
      const sdk::Milliseconds wait{static_cast<std::int64_t>(std::ceil(seconds * 1000))};
      return failure(COF_EUNAVAILABLE, "model_loading", "the model is being loaded")
          .retry_in(std::max(wait, refusal.retry_after));
    }
  }
  if (status == 429) {
    return failure(COF_ELIMIT, "rate_limited", "too many requests").retry_in(refusal.retry_after);
  }
  if (status >= 500 || status == 408 || status == 425) {
    return failure(COF_EUNAVAILABLE, "provider_error", "it has a problem of its own")
        .retry_in(refusal.retry_after);
  }
  if (is_html(refusal)) {
    return failure(COF_EINVALID, "wrong_url",
                   "a web page: router_url or hub_url are wrong");
  }
  switch (status) {
    case 400:
    case 422:
      return failure(COF_EINVALID, "bad_request", "the request is wrong");
    case 401:
      return failure(COF_EDENIED, "unauthorized", "the token is wrong");
    case 402:
      return failure(COF_EDENIED, "payment_required", "the account has no credit left");
    case 403:
      return failure(COF_EDENIED, "forbidden", "the token may not do that");
    case 404:
      return failure(COF_ENOTFOUND, "not_found", "there is no such model");
    case 410:
      return failure(COF_EUNSUPPORTED, "gone", "this address is served no more");
    case 413:
      return failure(COF_ETOOBIG, "too_large", "the request is too large");
    default:
      return failure(COF_EFAILED, "unexpected_status", "nobody expected that");
  }
}

sdk::Failure bad_answer(std::string_view field, std::string_view what) {
  auto failure = sdk::Failure{COF_EFAILED, "bad_answer",
                              "Hugging Face's answer: " + std::string{field} + " " + std::string{what}};
  return std::move(failure).retry();
}

sdk::Result<Json> read_json(const sdk::HttpResponse& response) {
  if (!response.ok()) return failure_of(refusal_of(response));
  Json json = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) {
    return bad_answer("the body", "is not JSON, or has a number out of range");
  }
  return json;
}

}  // namespace huggingface
