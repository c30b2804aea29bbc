// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simulators/http_server.hpp"

// GitHub's logins, as strict as the real ones: web flow, device flow, the API that says who somebody
// is, and revocation.  Sources: docs.github.com (apps/oauth-apps, rest/apps/oauth-applications), the
// official client @octokit/oauth-methods 6.0, as of 2026-11-23.  Everybody who comes agrees.
namespace simulator {

struct GithubOptions {
  std::string client_id = "Iv1.0123456789abcdef";
  std::string client_secret = "github-secret";
  std::string redirect_uri = "http://127.0.0.1/oauth/github/callback";  // registered; loopback: any port
  bool expires = false;              // a GitHub app whose tokens end, and can be refreshed
  std::int64_t expires_in_s = 28'800;
  std::int64_t user_id = 583'231;
  std::string login = "octocat";
  std::string emails = R"([{"email":"old@example.com","primary":false,"verified":true,"visibility":null},
    {"email":"octocat@example.com","primary":true,"verified":true,"visibility":"private"}])";
  std::string orgs = R"([{"login":"github","id":1}])";
  bool denies = false;               // whoever is asked says no
  bool device_flow = true;
  int device_interval_s = 5;
  std::int64_t device_age_s = 900;   // an older code is over
};

class GithubOauth {
 public:
  explicit GithubOauth(GithubOptions options) : options_{std::move(options)} {}
  Response handle(const Request& request);

  // What a person does with the code of a device; POST /_device {"user_code", "agree"} does it, too.
  bool answer_device(const std::string& user_code, bool agree);
  std::size_t live_tokens() const;
  GithubOptions& options() noexcept { return options_; }

 private:
  using Fields = std::map<std::string, std::string>;
  struct Code {
    std::string redirect_uri, challenge, scope;
    std::int64_t at_s = 0;
    bool used = false;
  };
  struct Token {
    std::string refresh, scope;
    std::int64_t expires_s = 0;  // 0: never
  };
  struct Device {
    std::string user_code, scope;
    std::int64_t at_s = 0, polled_s = 0;
    int interval_s = 5;
    std::optional<bool> agreed;
  };

  Response authorize(const Request& request);
  Response token(const Request& request);
  Response by_code(const Fields& fields);
  Response by_refresh(const Fields& fields);
  Response by_device(const Fields& fields);
  Response device_code(const Request& request);
  Response api(const Request& request, const std::string& path);
  Response applications(const Request& request, std::string_view rest);
  Response new_token(const std::string& scope, bool from_device);
  std::optional<Fields> fields_of(const Request& request) const;
  // The redirect's error, or nothing when its host, port and path are the registered ones or below.
  bool is_registered(const std::string& redirect_uri) const;
  const Token* token_of(const Request& request) const;

  GithubOptions options_;
  mutable std::mutex mutex_;  // for what follows
  std::map<std::string, Code> codes_;
  std::map<std::string, Token> tokens_;
  std::map<std::string, std::string> refresh_;  // refresh token -> access token
  std::map<std::string, Device> devices_;
};

// ---- oauth_parts.cpp: what both kinds of login servers need

std::string random_word(const std::string& prefix, std::size_t hex_digits);
std::string base64url_of(std::string_view bytes);
std::string challenge_of(std::string_view verifier);  // S256
bool is_pkce_text(std::string_view text);             // 43..128 of the unreserved characters
// The fields of a form or JSON body; nothing for a malformed one, or a field that is there twice.
std::optional<std::map<std::string, std::string>> body_fields(const Request& request);
std::optional<std::map<std::string, std::string>> query_fields(const Request& request);
// "id:secret" of a Basic header.
std::optional<std::pair<std::string, std::string>> basic_credentials(const Request& request);
Response redirect_to(const std::string& url, const std::map<std::string, std::string>& fields);
std::string encode_form(const std::map<std::string, std::string>& fields);
std::int64_t seconds_now();

}  // namespace simulator
