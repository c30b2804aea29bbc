// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "tests/simulators/http_server.hpp"

// A service account of Google's and the token endpoint that believes its assertions (RFC 7523).
// Sources: "Using OAuth 2.0 for server to server applications"; the official client proves it.
namespace simulator {

class GoogleAccount {
 public:
  GoogleAccount();
  ~GoogleAccount();

  // What Google gives out as the file of its key.
  nlohmann::json key_file(const std::string& token_url) const;
  // POST /token with an assertion: a new access token, or an error in the words of RFC 6749.
  Response token(const Request& request, std::int64_t now);
  bool knows(std::string_view access_token, std::int64_t now) const;

  // The claims as a JWT, signed as this account.
  std::string sign(const nlohmann::json& header, const nlohmann::json& claims) const;
  nlohmann::json header() const;
  nlohmann::json claims(const std::string& audience, std::int64_t now) const;

 private:
  struct Key;
  std::optional<std::string> wrong_in(const std::string& assertion, const Request& request, std::int64_t now) const;

  std::unique_ptr<Key> key_;
  std::map<std::string, std::int64_t, std::less<>> tokens_;  // and when they expire
};

}  // namespace simulator
