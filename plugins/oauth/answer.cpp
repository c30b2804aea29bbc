// SPDX-License-Identifier: Apache-2.0
#include "answer.hpp"

#include <algorithm>

#include "web.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;
using sdk::Json;

namespace {

constexpr std::size_t token_bytes_max = 64u << 10;
constexpr std::int64_t expires_in_max_s = 10LL * 366 * 24 * 3600;

int http_status_of(const sdk::Failure& failure) {
  if (failure.value >= 400 && failure.value <= 599) return static_cast<int>(failure.value);
  switch (failure.status) {
    case COF_EINVALID:
      return 400;
    case COF_EDENIED:
      return 403;
    case COF_ENOTFOUND:
      return 404;
    case COF_ELIMIT:
      return 429;
    case COF_EUNAVAILABLE:
    case COF_ECANCELLED:
      return 503;
    case COF_ETIMEDOUT:
      return 504;
    case COF_EINTERNAL:
      return 500;
    default:
      return 502;
  }
}

// [a-z0-9_]{1,64} of what the provider calls its error.
std::string code_of(std::string_view text) {
  std::string code;
  for (const char c : text.substr(0, 64)) {
    const bool fits = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
    code += fits ? c : c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : '_';
  }
  return code.empty() ? "provider_error" : code;
}

// {"error": "code", "error_description"}, or {"error": {"message", "type"}} as Facebook has it, or
// {"message"} as GitHub's API has it; nothing when it says none of these.
std::optional<sdk::Failure> error_in(const Json& json) {
  const auto error = json.is_object() ? json.find("error") : json.end();
  if (!json.is_object()) return std::nullopt;
  if (error != json.end() && error->is_string()) {
    const Json said = json.value("error_description", Json{});
    return refusal(401, COF_EDENIED, code_of(error->get<std::string>()),
                   "the provider refuses: " +
                       printable(said.is_string() ? said.get<std::string>()
                                                  : error->get<std::string>()));
  }
  const Json said = error != json.end() && error->is_object() ? error->value("message", Json{})
                                                              : json.value("message", Json{});
  if (!said.is_string()) return std::nullopt;
  return refusal(401, COF_EDENIED, "provider_refused",
                 "the provider refuses: " + printable(said.get<std::string>()));
}

std::optional<sdk::Failure> trouble_in(const sdk::HttpResponse& response, const std::string& what) {
  if (response.status == 429) {
    auto failure = refusal(503, COF_ELIMIT, "rate_limited", "the provider limits " + what);
    return failure.retry_in(response.retry_after);
  }
  if (response.status >= 500) {
    auto failure = refusal(503, COF_EUNAVAILABLE, "provider_unavailable",
                           "the provider answers status " + std::to_string(response.status) +
                               " to " + what);
    return failure.retry_in(response.retry_after);
  }
  return std::nullopt;
}

sdk::Result<std::optional<std::int64_t>> seconds_in(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return std::optional<std::int64_t>{};
  if (!found->is_number()) return bad_answer(std::string{key} + " is no number");
  const double value = found->get<double>();
  if (!(value >= 1) || value > static_cast<double>(expires_in_max_s)) {
    return bad_answer(std::string{key} + " is out of range");
  }
  return std::optional<std::int64_t>{static_cast<std::int64_t>(value)};
}

bool is_bearer(const std::string& text) {
  constexpr std::string_view wanted = "bearer";
  return std::equal(text.begin(), text.end(), wanted.begin(), wanted.end(),
                    [](char a, char b) { return (a | 0x20) == b; });
}

// Visible ASCII: it goes into a header line.
bool is_sendable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
}

}  // namespace

sdk::Failure refusal(int http_status, std::int32_t status, std::string code, std::string message) {
  sdk::Failure failure{status, std::move(code), std::move(message)};
  failure.value = http_status;
  return failure;
}

sdk::Failure bad_answer(const std::string& why) {
  return refusal(502, COF_EFAILED, "bad_answer", "the provider's answer: " + why);
}

sdk::RouteResponse error_response(const sdk::Failure& failure) {
  const int status = http_status_of(failure);
  Json error{{"code", failure.code.empty() ? sdk::status_name(failure.status) : failure.code},
             {"message", failure.message},
             {"retryable", failure.is_retryable()},
             {"plugin", "oauth"}};
  sdk::RouteResponse response{Json{{"error", std::move(error)}}};
  response.status = status;
  response.header("Cache-Control", "no-store");
  if (status == 401) response.header("WWW-Authenticate", "Bearer");
  if (status == 429 || status == 503) {
    const auto wait = std::max<std::int64_t>(1, failure.retry_after.count() / 1000);
    response.header("Retry-After", std::to_string(wait));
  }
  return response;
}

sdk::Failure transport_failure(const sdk::Failure& failure, const std::string& what) {
  if (failure.status == COF_EDENIED) {
    return refusal(503, COF_EDENIED, "host_not_allowed",
                   what + " is at a host that this provider was not given: add it to its hosts");
  }
  sdk::Failure out = failure;
  out.message = what + ": " + failure.message;
  out.value = 0;
  if (failure.status == COF_ETOOBIG) out = bad_answer(what + " is too large");
  return out;
}

sdk::Result<Json> read_object(const sdk::HttpResponse& response, const std::string& what) {
  if (auto trouble = trouble_in(response, what)) return *trouble;
  Json json = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (response.status != 200) {
    if (auto refused = error_in(json)) return *refused;
    return bad_answer(what + " has status " + std::to_string(response.status));
  }
  if (!json.is_object()) return bad_answer(what + " is no JSON object");
  return json;
}

sdk::Result<std::string> text_in(const Json& from, const char* key, const std::string& what,
                                 std::size_t bytes_max) {
  const auto found = from.find(key);
  if (found == from.end() || found->is_null()) return std::string{};
  if (!found->is_string()) return bad_answer(what + "." + key + " is no string");
  const std::string& text = found->get_ref<const std::string&>();
  if (text.size() > bytes_max) return bad_answer(what + "." + key + " is too long");
  return text;
}

Json Tokens::to_json() const {
  return Json{{"access", access}, {"refresh", refresh}, {"scope", scope}};
}

Tokens Tokens::from_json(const Json& json) {
  Tokens tokens;
  tokens.access = json.value("access", "");
  tokens.refresh = json.value("refresh", "");
  tokens.scope = json.value("scope", "");
  return tokens;
}

sdk::Result<Tokens> read_tokens(const sdk::HttpResponse& response) {
  if (auto trouble = trouble_in(response, "the request for a token")) return *trouble;
  const Json json = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (auto refused = error_in(json)) return *refused;
  if (response.status != 200) {
    return bad_answer("the token endpoint has status " + std::to_string(response.status));
  }
  if (!json.is_object()) return bad_answer("the token endpoint gives no JSON object");
  Tokens tokens;
  const auto take = [&](const char* key, std::string& to) -> sdk::Result<void> {
    auto text = text_in(json, key, "token", token_bytes_max);
    if (!text) return text.failure();
    if (!is_sendable(*text) && key != std::string_view{"scope"}) {
      return bad_answer(std::string{"token."} + key + " has characters that no token has");
    }
    to = std::move(*text);
    return {};
  };
  std::string type;
  for (const auto& [key, to] : {std::pair{"access_token", &tokens.access},
                                std::pair{"refresh_token", &tokens.refresh},
                                std::pair{"id_token", &tokens.id_token},
                                std::pair{"scope", &tokens.scope}, std::pair{"token_type", &type}}) {
    if (auto taken = take(key, *to); !taken) return taken.failure();
  }
  if (tokens.access.empty()) return bad_answer("token.access_token is missing");
  if (!is_bearer(type)) return bad_answer("token.token_type is not bearer");
  const auto expires = seconds_in(json, "expires_in");
  if (!expires) return expires.failure();
  tokens.expires_in_s = *expires;
  return tokens;
}

sdk::Result<DeviceStart> read_device_start(const sdk::HttpResponse& response) {
  if (auto trouble = trouble_in(response, "the request for a device code")) return *trouble;
  const Json json = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (auto refused = error_in(json)) return *refused;
  if (response.status != 200 || !json.is_object()) {
    return bad_answer("the device endpoint gives no JSON object");
  }
  DeviceStart start;
  for (const auto& [key, to, needed] :
       {std::tuple{"device_code", &start.device_code, true},
        std::tuple{"user_code", &start.user_code, true},
        std::tuple{"verification_uri", &start.verification_uri, true},
        std::tuple{"verification_uri_complete", &start.verification_uri_complete, false}}) {
    auto text = text_in(json, key, "device", 1024);
    if (!text) return text.failure();
    if (text->empty() && needed) return bad_answer(std::string{"device."} + key + " is missing");
    if (!is_sendable(*text)) return bad_answer(std::string{"device."} + key + " is not plain text");
    *to = std::move(*text);
  }
  if (!is_endpoint_url(start.verification_uri)) {
    return bad_answer("device.verification_uri is no https URL");
  }
  const auto expires = seconds_in(json, "expires_in");
  const auto interval = seconds_in(json, "interval");
  if (!expires) return expires.failure();
  if (!interval) return interval.failure();
  if (!*expires) return bad_answer("device.expires_in is missing");
  start.expires_in_s = std::min<std::int64_t>(**expires, 3600);
  start.interval_s = std::min<std::int64_t>(interval->value_or(5), 60);
  return start;
}

}  // namespace oauth
