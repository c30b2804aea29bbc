// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <memory>
#include <optional>
#include <string>

#include "answer.hpp"
#include "settings.hpp"
#include "web.hpp"

namespace oauth {

// What a login is begun with, and ended with.
class LoginSecrets {
 public:
  std::string state;
  std::string verifier;  // PKCE
  std::string nonce;     // of the id_token
  std::string redirect_uri;
};

// One identity provider.  Parameters of coroutines are values, or pointers to what the caller's frame
// keeps.
class Provider {
 public:
  using Context = cofounder::sdk::Context;
  template <class T>
  using Reply = cofounder::sdk::Task<cofounder::sdk::Result<T>>;

  explicit Provider(ProviderSettings settings) : settings_{std::move(settings)} {}
  Provider(const Provider&) = delete;
  Provider& operator=(const Provider&) = delete;
  virtual ~Provider() = default;

  const ProviderSettings& settings() const noexcept { return settings_; }

  // Where the browser is sent.
  virtual Reply<std::string> login_url(Context ctx, LoginSecrets login) = 0;
  // Whether a callback with this `iss` (RFC 9207) can be from this provider.
  virtual Reply<bool> accepts_issuer(Context ctx, std::optional<std::string> iss) = 0;
  virtual Reply<Tokens> exchange(Context ctx, std::string code, LoginSecrets login) = 0;
  // Who it is that the tokens are of.  `nonce`: what an id_token must have; "" for tokens that come
  // from a device or a refresh.
  virtual Reply<Person> person(Context ctx, Tokens tokens, std::string nonce) = 0;
  virtual Reply<Tokens> refresh(Context ctx, std::string refresh_token);
  virtual Reply<DeviceStart> start_device(Context ctx);
  virtual Reply<Tokens> poll_device(Context ctx, std::string device_code);
  // Makes the tokens void at the provider; false: it has no way to do so.
  virtual Reply<bool> revoke(Context ctx, Tokens tokens) = 0;

 protected:
  cofounder::sdk::Result<std::string> secret(Context ctx) const;
  cofounder::sdk::HttpRequest request(std::string method, std::string url) const;
  // One request, as its answer or "why not"; `what` is for the message.
  Reply<cofounder::sdk::HttpResponse> ask(Context ctx, cofounder::sdk::HttpRequest request,
                                          std::string what) const;

 private:
  ProviderSettings settings_;
};

std::shared_ptr<Provider> make_github(ProviderSettings settings);
std::shared_ptr<Provider> make_facebook(ProviderSettings settings);
std::shared_ptr<Provider> make_oidc(ProviderSettings settings);
std::shared_ptr<Provider> make_provider(ProviderSettings settings);

// A space-separated list.
std::string joined(const std::vector<std::string>& words);

}  // namespace oauth
