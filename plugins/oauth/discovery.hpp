// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <string>

#include "settings.hpp"

namespace oauth {

// What /.well-known/openid-configuration says, checked.
class Metadata {
 public:
  std::string issuer;  // of id_tokens; of Microsoft's shared endpoints with {tenantid}
  std::string authorization_endpoint;
  std::string token_endpoint;
  std::string jwks_uri;
  std::string userinfo_endpoint;              // "": none
  std::string revocation_endpoint;            // "": none
  std::string device_authorization_endpoint;  // "": none
  bool sends_issuer = false;                  // RFC 9207
  bool secret_in_body = false;                // client_secret_post and not client_secret_basic
};

// Code "bad_answer", and the field's name in the message.
cofounder::sdk::Result<Metadata> read_metadata(const cofounder::sdk::Json& json,
                                               const ProviderSettings& settings);

}  // namespace oauth
