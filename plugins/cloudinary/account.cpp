// SPDX-License-Identifier: Apache-2.0
#include "account.hpp"

namespace cloudinary {
namespace sdk = cofounder::sdk;
namespace {

constexpr std::uint64_t chunk_bytes_min = 5'000'000;

std::string without_slash(std::string url) {
  while (!url.empty() && url.back() == '/') url.pop_back();
  return url;
}

}  // namespace

Account read_account(const sdk::Json& config) {
  Account account;
  account.cloud_name = config.value("cloud_name", account.cloud_name);
  account.api_key = config.value("api_key", account.api_key);
  account.base_url = without_slash(config.value("base_url", account.base_url));
  account.delivery_url = without_slash(config.value("delivery_url", account.delivery_url));
  account.algorithm =
      config.value("signature_algorithm", "sha1") == "sha256" ? Algorithm::sha256 : Algorithm::sha1;
  account.signature_version = config.value("signature_version", account.signature_version);
  account.chunk_bytes = config.value("chunk_bytes", account.chunk_bytes);
  if (account.chunk_bytes < chunk_bytes_min) {
    throw sdk::Failed{"invalid_config", "chunk_bytes must be at least 5000000: Cloudinary takes no "
                                        "smaller chunk but the last"};
  }
  if (account.cloud_name.find_first_of("/?#% ") != std::string::npos) {
    throw sdk::Failed{"invalid_config", "cloud_name is no name of a cloud"};
  }
  account.notification_url = config.value("notification_url", account.notification_url);
  account.notification_age_s = config.value("notification_age_seconds", account.notification_age_s);
  if (!account.notification_url.empty() && !account.notification_url.starts_with("https://") &&
      !account.notification_url.starts_with("http://")) {
    throw sdk::Failed{"invalid_config", "notification_url is no http(s) URL"};
  }
  if (account.notification_url.find_first_of("?# ") != std::string::npos) {
    throw sdk::Failed{"invalid_config", "notification_url has no query: the task's is added"};
  }
  const auto seconds = [&](const char* name, sdk::Milliseconds& value) {
    if (config.contains(name)) {
      value = sdk::Milliseconds{static_cast<std::int64_t>(config.at(name).get<double>() * 1000)};
    }
  };
  seconds("upload_timeout_seconds", account.upload_timeout);
  seconds("delete_timeout_seconds", account.delete_timeout);
  seconds("usage_timeout_seconds", account.usage_timeout);
  seconds("notification_wait_seconds", account.notification_wait);
  return account;
}

sdk::Result<Credentials> credentials(sdk::Context ctx, const Account& account) {
  const auto missing = [](const char* key) {
    return sdk::Failure{COF_EINVALID, "not_configured",
                        std::string{"[plugin.cloudinary] "} + key +
                            " is not set: add it to the configuration and reload"};
  };
  if (account.cloud_name.empty()) return missing("cloud_name");
  if (account.api_key.empty()) return missing("api_key");
  auto secret = ctx.secret("api_secret");
  if (!secret) {
    return secret.failure().status == COF_ENOTFOUND ? missing("api_secret") : secret.failure();
  }
  return Credentials{account.api_key, std::move(*secret)};
}

}  // namespace cloudinary
