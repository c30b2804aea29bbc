// SPDX-License-Identifier: Apache-2.0
#include "account.hpp"

#include <string_view>
#include <utility>

namespace huggingface {
namespace sdk = cofounder::sdk;
namespace {

std::string without_slash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

bool is_printable(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c > '~') return false;
  }
  return true;
}

}  // namespace

Account read_account(const sdk::Json& config) {
  Account account;
  account.router_url = without_slash(config.value("router_url", account.router_url));
  account.hub_url = without_slash(config.value("hub_url", account.hub_url));
  account.bill_to = config.value("bill_to", account.bill_to);
  if (!is_printable(account.bill_to)) {
    throw sdk::Failed{"invalid_config", "bill_to is no name of an organization"};
  }
  const auto seconds = [&](const char* name, sdk::Milliseconds& value) {
    if (config.contains(name)) {
      value = sdk::Milliseconds{static_cast<std::int64_t>(config.at(name).get<double>() * 1000)};
    }
  };
  seconds("wait_max_seconds", account.wait_max);
  seconds("answer_timeout_seconds", account.answer_timeout);
  seconds("idle_timeout_seconds", account.idle_timeout);
  seconds("quick_timeout_seconds", account.quick_timeout);
  seconds("prices_kept_seconds", account.prices_kept);
  seconds("queue_wait_max_seconds", account.queue_wait_max);
  account.requests_per_provider_max =
      config.value("requests_per_provider_max", account.requests_per_provider_max);
  account.image_bytes_max = config.value("image_bytes_max", account.image_bytes_max);
  if (account.requests_per_provider_max == 0) {
    throw sdk::Failed{"invalid_config", "requests_per_provider_max must be at least 1"};
  }
  return account;
}

sdk::Result<std::string> read_token(sdk::Context ctx) {
  const auto missing = [](const char* why) {
    return sdk::Failure{COF_EINVALID, "not_configured",
                        std::string{"[plugin.huggingface] token "} + why +
                            ": set it in the configuration and reload"};
  };
  auto token = ctx.secret("token");
  if (!token) return token.failure().status == COF_ENOTFOUND ? missing("is not set") : token.failure();
  if (token->empty()) return missing("is empty");
  // A line end would be the end of the header.
  if (!is_printable(*token)) return missing("has a space, a line end or another odd character in it");
  return token;
}

sdk::HttpRequest make_request(const Account& account, const std::string& token, std::string method,
                              std::string url) {
  sdk::HttpRequest request{std::move(method), std::move(url)};
  request.header("Authorization", "Bearer " + token);
  if (!account.bill_to.empty()) request.header("X-HF-Bill-To", account.bill_to);
  return request;
}

}  // namespace huggingface
