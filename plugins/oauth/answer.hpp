// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What providers answer, read with distrust, and what clients of this plugin are answered.
namespace oauth {

// A failure that is answered with this HTTP status.
cofounder::sdk::Failure refusal(int http_status, std::int32_t status, std::string code,
                                std::string message);
// "bad_answer": the provider's answer is not what it should be.
cofounder::sdk::Failure bad_answer(const std::string& why);
// The failure as {"error": {...}}.
cofounder::sdk::RouteResponse error_response(const cofounder::sdk::Failure& failure);

// The failure of a request that got no answer at all.
cofounder::sdk::Failure transport_failure(const cofounder::sdk::Failure& failure,
                                          const std::string& what);

// The JSON object that an answer with status 200 holds.  5xx and 429 are "provider_unavailable" and
// "rate_limited", other statuses and other bodies "bad_answer"; what the provider says is kept.
cofounder::sdk::Result<cofounder::sdk::Json> read_object(const cofounder::sdk::HttpResponse& response,
                                                         const std::string& what);

// A string member; "" when it is absent; a failure when it is something else or too long.
cofounder::sdk::Result<std::string> text_in(const cofounder::sdk::Json& from, const char* key,
                                            const std::string& what, std::size_t bytes_max = 4096);

// What a token endpoint gives.
class Tokens {
 public:
  std::string access;
  std::string refresh;   // "": none
  std::string id_token;
  std::string scope;
  std::optional<std::int64_t> expires_in_s;

  cofounder::sdk::Json to_json() const;
  static Tokens from_json(const cofounder::sdk::Json& json);
};

// An answer of a token endpoint.  An error of the provider (also with status 200, as GitHub does it)
// becomes a failure with its own code, such as "bad_verification_code", answered with 401.
cofounder::sdk::Result<Tokens> read_tokens(const cofounder::sdk::HttpResponse& response);

// What a device authorization endpoint gives (RFC 8628).
class DeviceStart {
 public:
  std::string device_code;
  std::string user_code;
  std::string verification_uri;
  std::string verification_uri_complete;
  std::int64_t expires_in_s = 0;
  std::int64_t interval_s = 5;
};
cofounder::sdk::Result<DeviceStart> read_device_start(const cofounder::sdk::HttpResponse& response);

}  // namespace oauth
