// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <string>
#include <string_view>

#include "signature.hpp"

namespace cloudinary {

// What the configuration says of the account; the secret is fetched when it is needed.
struct Account {
  std::string cloud_name;
  std::string api_key;
  std::string base_url = "https://api.cloudinary.com";
  std::string delivery_url = "https://res.cloudinary.com";
  Algorithm algorithm = Algorithm::sha1;
  int signature_version = 2;
  std::uint64_t chunk_bytes = 20'000'000;
  std::string notification_url;  // where Cloudinary reaches POST /cloudinary/notifications
  std::int64_t notification_age_s = 7200;  // older ones are refused
  cofounder::sdk::Milliseconds notification_wait{3'600'000};
  cofounder::sdk::Milliseconds upload_timeout{30'000};
  cofounder::sdk::Milliseconds delete_timeout{10'000};
  cofounder::sdk::Milliseconds usage_timeout{10'000};

  // {base}/v1_1/{cloud}/{path}
  std::string api(std::string_view path) const {
    return base_url + "/v1_1/" + cloud_name + "/" + std::string{path};
  }
};

// Throws Failed with code "invalid_config" for what the schema cannot check.
Account read_account(const cofounder::sdk::Json& config);

// The account with its secret, or code "not_configured" with what to set.
struct Credentials {
  std::string api_key;
  std::string secret;
};
cofounder::sdk::Result<Credentials> credentials(cofounder::sdk::Context ctx, const Account& account);

}  // namespace cloudinary
