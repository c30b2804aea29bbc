// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <string>
#include <string_view>

#include "settings.hpp"

namespace oauth {

// Encrypts what providers gave us before it goes into the store: AES-256-GCM with a key of
// [plugin.oauth.token_keys], or, without that table, with one made from the provider's client secret.
// The text names its key, so that older keys of the table still decrypt.
class Vault {
 public:
  Vault(cofounder::sdk::Context ctx, const Settings& settings, std::string provider)
      : ctx_{ctx}, settings_{&settings}, provider_{std::move(provider)} {}

  // False: there is no key, so that nothing may be kept (a client without secret).
  bool can_keep() const;
  // `place` is where it is kept: moved elsewhere it decrypts no more.
  cofounder::sdk::Result<std::string> seal(std::string_view plain, std::string_view place) const;
  // Code "token_key_missing" when its key is gone, "token_unreadable" for anything else.
  cofounder::sdk::Result<std::string> open(std::string_view sealed, std::string_view place) const;

 private:
  cofounder::sdk::Result<std::string> key(const std::string& id) const;

  cofounder::sdk::Context ctx_;
  const Settings* settings_;
  std::string provider_;
};

}  // namespace oauth
