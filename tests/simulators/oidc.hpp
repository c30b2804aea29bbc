// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "tests/simulators/http_server.hpp"

// An OpenID provider that is strict with its clients, and can lie on demand: what a certified server
// never does.  ES256 only.  Everybody who comes agrees.
namespace simulator {

struct OidcOptions {
  std::string issuer;  // empty: "http://" and the request's Host
  std::string client_id = "client-1";
  std::string client_secret = "s/cret +&=%";  // needs to be encoded twice in a Basic header
  std::string redirect_uri = "http://127.0.0.1/oauth/op/callback";  // loopback: any port
  std::string subject = "u1";
  nlohmann::json claims = {{"email", "ada@example.com"}, {"email_verified", true},
                           {"preferred_username", "ada"}, {"name", "Ada"}};
  std::int64_t expires_in_s = 3600;
  bool gives_refresh = true;
  bool sends_issuer = true;
  int device_interval_s = 5;
  // What is wrong in id_tokens: "nonce", "aud", "iss", "exp", "none", "hs256", "signature", "sub".
  std::string lie = {};
  nlohmann::json metadata = nlohmann::json::object();  // changes of the discovery document
  std::int64_t (*now_s)() = nullptr;                   // null: the system's clock
};

class Oidc {
 public:
  explicit Oidc(OidcOptions options);
  ~Oidc();
  Response handle(const Request& request);

  void rotate_key();  // from now on another key signs, and only that is in the key set
  // What a person does with the code of a device; POST /_device {"user_code", "agree"} does it, too.
  bool answer_device(const std::string& user_code, bool agree);
  OidcOptions& options() noexcept { return options_; }
  std::size_t live_tokens() const;
  int key_requests() const { return key_requests_; }

 private:
  using Fields = std::map<std::string, std::string>;
  struct Grant {
    std::string redirect_uri, challenge, nonce, scope;
    bool used = false;
    std::int64_t expires_s = 0;  // of an access token
  };
  struct Device {
    std::string user_code, scope;
    std::int64_t at_s = 0, polled_s = 0;
    int interval_s = 5;
    std::optional<bool> agreed;
  };

  std::string issuer(const Request& request) const;
  std::int64_t now() const;
  Response discovery(const Request& request) const;
  Response authorize(const Request& request);
  Response token(const Request& request);
  Response by_code(const Request& request, const Fields& fields);
  Response by_refresh(const Request& request, const Fields& fields);
  Response by_device(const Request& request, const Fields& fields);
  Response device_authorization(const Request& request);
  bool answer_locked(const std::string& user_code, bool agree);
  Response tokens_for(const Request& request, Grant grant);
  Response userinfo(const Request& request) const;
  Response revoke(const Request& request);
  bool is_client(const Request& request) const;
  std::string id_token(const Request& request, const Grant& grant, const std::string& access) const;
  std::string sign(const std::string& text) const;

  struct Key;
  OidcOptions options_;
  mutable std::mutex mutex_;  // for what follows
  std::unique_ptr<Key> key_;
  int key_number_ = 0;
  int key_requests_ = 0;
  std::map<std::string, Grant> codes_;
  std::map<std::string, Grant> access_;
  std::map<std::string, Device> devices_;
  std::map<std::string, std::pair<Grant, std::string>> refresh_;  // with the access token
};

}  // namespace simulator
