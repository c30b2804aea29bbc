// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <string>

namespace huggingface {

// What the configuration says; the token is fetched when it is needed.
struct Account {
  std::string router_url = "https://router.huggingface.co";
  std::string hub_url = "https://huggingface.co";
  std::string bill_to;                                     // X-HF-Bill-To: an organization
  cofounder::sdk::Milliseconds wait_max{30'000};           // within one attempt, for 503 and 429
  cofounder::sdk::Milliseconds answer_timeout{300'000};    // of an answer that comes whole
  cofounder::sdk::Milliseconds idle_timeout{60'000};       // between two pieces of one that does not
  cofounder::sdk::Milliseconds quick_timeout{10'000};      // of models and whoami
  cofounder::sdk::Milliseconds prices_kept{600'000};
  std::size_t requests_per_provider_max = 64;
  cofounder::sdk::Milliseconds queue_wait_max{10'000};     // for one of these places; then later
  std::uint64_t image_bytes_max = 64u << 20;
};

// Throws Failed with code "invalid_config" for what the schema cannot check.
Account read_account(const cofounder::sdk::Json& config);

// The token, or code "not_configured" with what to set.
cofounder::sdk::Result<std::string> read_token(cofounder::sdk::Context ctx);

// With the headers that every request has.
cofounder::sdk::HttpRequest make_request(const Account& account, const std::string& token,
                                         std::string method, std::string url);

}  // namespace huggingface
