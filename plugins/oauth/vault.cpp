// SPDX-License-Identifier: Apache-2.0
#include "vault.hpp"

#include <algorithm>

#include "answer.hpp"
#include "crypto.hpp"

namespace oauth {
namespace sdk = cofounder::sdk;

namespace {

constexpr std::string_view of_client_secret = "client-secret";
constexpr std::size_t key_secret_bytes_min = 32;  // as text; shorter ones could be guessed

}  // namespace

bool Vault::can_keep() const {
  if (!settings_->token_key.empty()) return true;
  const auto provider = settings_->providers.find(provider_);
  return provider != settings_->providers.end() && provider->second.has_secret;
}

sdk::Result<std::string> Vault::key(const std::string& id) const {
  const bool own = id == of_client_secret;
  const auto& ids = settings_->token_keys;
  if (!own && std::find(ids.begin(), ids.end(), id) == ids.end()) {
    return refusal(503, COF_EUNAVAILABLE, "token_key_missing",
                   "token_keys has no \"" + id + "\", which a kept token was encrypted with");
  }
  auto text = ctx_.secret(own ? provider_ + ".client_secret" : "token_keys." + id);
  if (!text) {
    return refusal(503, COF_EUNAVAILABLE, "token_key_missing",
                   "the key \"" + id + "\" of kept tokens cannot be read");
  }
  if (!own && text->size() < key_secret_bytes_min) {
    return refusal(503, COF_EUNAVAILABLE, "token_key_too_short",
                   "the key \"" + id + "\" of token_keys has less than 32 bytes");
  }
  std::string key = derive_key(*text, "cofounderd oauth tokens 1");
  wipe(*text);
  return key;
}

sdk::Result<std::string> Vault::seal(std::string_view plain, std::string_view place) const {
  const std::string id =
      settings_->token_key.empty() ? std::string{of_client_secret} : settings_->token_key;
  auto known = key(id);
  if (!known) return known.failure();
  std::string sealed = "1." + id + "." + base64url(encrypt(*known, plain, id + "|" + std::string{place}));
  wipe(*known);
  return sealed;
}

sdk::Result<std::string> Vault::open(std::string_view sealed, std::string_view place) const {
  const auto unreadable = refusal(503, COF_EFAILED, "token_unreadable", "a kept token cannot be decrypted");
  const auto dot = sealed.rfind('.');
  if (!sealed.starts_with("1.") || dot == std::string_view::npos || dot < 2) return unreadable;
  const std::string id{sealed.substr(2, dot - 2)};
  const auto bytes = decode_base64url(sealed.substr(dot + 1));
  if (!bytes) return unreadable;
  auto known = key(id);
  if (!known) return known.failure();
  auto plain = decrypt(*known, *bytes, id + "|" + std::string{place});
  wipe(*known);
  if (!plain) return unreadable;
  return std::move(*plain);
}

}  // namespace oauth
