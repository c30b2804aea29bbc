// SPDX-License-Identifier: Apache-2.0
// The login simulators refuse what the providers refuse, with their errors: for each operation at
// least ten requests that are each wrong in one place.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>

#include "tests/simulators/github_oauth.hpp"
#include "tests/simulators/oidc.hpp"

namespace simulator {
namespace {

using Json = nlohmann::json;
using Fields = std::map<std::string, std::string>;

const std::string verifier(43, 'v');
constexpr const char* callback = "http://127.0.0.1:99/oauth/github/callback";

Request post(const std::string& path, const Fields& fields) {
  Request request;
  request.method = "POST";
  request.path = path;
  request.headers = {{"content-type", "application/x-www-form-urlencoded"},
                     {"accept", "application/json"},
                     {"user-agent", "test"}};
  request.body = encode_form(fields);
  return request;
}

Request get(const std::string& path, const Fields& fields) {
  Request request;
  request.method = "GET";
  request.path = path;
  request.query = encode_form(fields);
  request.headers = {{"user-agent", "test"}, {"host", "127.0.0.1:1"}};
  return request;
}

// The redirect's query, or {"status": ...} of what is no redirect.
Fields answer_of(const Response& response) {
  if (response.status != 302) return {{"status", std::to_string(response.status)}};
  Request request;
  const std::string& url = response.headers.at(0).second;
  request.query = url.substr(url.find('?') + 1);
  return *query_fields(request);
}
std::string error_of(const Response& response) {
  const Json json = Json::parse(response.body, nullptr, false);
  if (response.status == 302) return answer_of(response)["error"];
  return json.is_object() && json.contains("error") ? json.value("error", "")
                                                    : std::to_string(response.status);
}

using Change = std::pair<std::function<void(Fields&)>, std::string>;
Change set(const char* name, const char* value, const char* error) {
  return {[=](Fields& fields) { fields[name] = value; }, error};
}
Change drop(const char* name, const char* error) {
  return {[=](Fields& fields) { fields.erase(name); }, error};
}

Fields github_login() {
  return {{"client_id", "Iv1.0123456789abcdef"}, {"redirect_uri", callback}, {"state", "s"},
          {"scope", "read:user user:email"}, {"code_challenge", challenge_of(verifier)},
          {"code_challenge_method", "S256"}};
}

TEST(GithubSimulator, RefusesWrongLogins) {
  GithubOauth github{{}};
  EXPECT_TRUE(answer_of(github.handle(get("/login/oauth/authorize", github_login()))).contains("code"));
  const std::vector<Change> changes{
      set("client_id", "x", "404"), drop("client_id", "404"), set("client_id", "", "404"),
      set("redirect_uri", "https://evil.example/", "redirect_uri_mismatch"),
      set("redirect_uri", "http://127.0.0.1:99/other", "redirect_uri_mismatch"),
      set("redirect_uri", "http://127.0.0.1.evil.example/oauth/github/callback", "redirect_uri_mismatch"),
      set("redirect_uri", "http://127.0.0.1:99/oauth/github/callbackx", "redirect_uri_mismatch"),
      set("redirect_uri", "", "redirect_uri_mismatch"),
      set("code_challenge_method", "plain", "invalid_request"),
      set("code_challenge_method", "s256", "invalid_request"),
      drop("code_challenge_method", "invalid_request"), drop("code_challenge", "invalid_request"),
      set("code_challenge", "short", "invalid_request")};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Fields fields = github_login();
    changes[i].first(fields);
    EXPECT_EQ(error_of(github.handle(get("/login/oauth/authorize", fields))), changes[i].second) << i;
  }
}

TEST(GithubSimulator, RefusesWrongTokenRequests) {
  GithubOauth github{{}};
  const auto fresh = [&] {
    return Fields{{"client_id", "Iv1.0123456789abcdef"},
                  {"client_secret", "github-secret"},
                  {"redirect_uri", callback},
                  {"code_verifier", verifier},
                  {"code", answer_of(github.handle(get("/login/oauth/authorize", github_login())))["code"]}};
  };
  const std::vector<Change> changes{
      set("client_id", "x", "incorrect_client_credentials"),
      drop("client_id", "incorrect_client_credentials"),
      set("client_secret", "x", "incorrect_client_credentials"),
      drop("client_secret", "incorrect_client_credentials"),
      set("code", "x", "bad_verification_code"), drop("code", "bad_verification_code"),
      set("code_verifier", "x", "bad_verification_code"),
      set("code_verifier", "wwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwwww", "bad_verification_code"),
      drop("code_verifier", "bad_verification_code"),
      set("redirect_uri", "http://127.0.0.1:98/oauth/github/callback", "redirect_uri_mismatch"),
      set("grant_type", "password", "unsupported_grant_type"),
      set("grant_type", "refresh_token", "bad_refresh_token")};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Fields fields = fresh();
    changes[i].first(fields);
    const auto response = github.handle(post("/login/oauth/access_token", fields));
    EXPECT_EQ(response.status, 200) << "login errors come with 200";
    EXPECT_EQ(error_of(response), changes[i].second) << i;
  }
  Fields good = fresh();
  Request request = post("/login/oauth/access_token", good);
  EXPECT_TRUE(Json::parse(github.handle(request).body).contains("access_token"));
  EXPECT_EQ(error_of(github.handle(request)), "bad_verification_code") << "a code works once";
  request.headers.clear();
  EXPECT_EQ(github.handle(request).status, 400) << "without a content type";
}

TEST(OidcSimulator, RefusesWrongLoginsAndTokenRequests) {
  Oidc op{{}};
  const auto login = [] {
    return Fields{{"client_id", "client-1"}, {"redirect_uri", "http://127.0.0.1:9/oauth/op/callback"},
                  {"state", "s"}, {"scope", "openid"}, {"response_type", "code"}, {"nonce", "n"},
                  {"code_challenge", challenge_of(verifier)}, {"code_challenge_method", "S256"}};
  };
  const std::vector<Change> changes{
      set("client_id", "x", "invalid_client"), drop("client_id", "invalid_client"),
      set("redirect_uri", "https://evil.example/", "invalid_redirect_uri"),
      drop("redirect_uri", "invalid_redirect_uri"),
      set("response_type", "token", "unsupported_response_type"),
      drop("response_type", "unsupported_response_type"), set("scope", "email", "invalid_scope"),
      drop("scope", "invalid_scope"), set("code_challenge_method", "plain", "invalid_request"),
      drop("code_challenge", "invalid_request"), drop("nonce", "invalid_request")};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Fields fields = login();
    changes[i].first(fields);
    EXPECT_EQ(error_of(op.handle(get("/authorize", fields))), changes[i].second) << i;
  }
  const auto fresh = [&] {
    return Fields{{"grant_type", "authorization_code"},
                  {"redirect_uri", "http://127.0.0.1:9/oauth/op/callback"},
                  {"code_verifier", verifier},
                  {"code", answer_of(op.handle(get("/authorize", login())))["code"]}};
  };
  const std::string basic = "Basic Y2xpZW50LTE6cyUyRmNyZXQlMjAlMkIlMjYlM0QlMjU=";
  const auto ask = [&](const Fields& fields, const std::string& who) {
    Request request = post("/token", fields);
    if (!who.empty()) request.headers.emplace_back("authorization", who);
    return op.handle(request);
  };
  EXPECT_EQ(error_of(ask(fresh(), "")), "invalid_client");
  EXPECT_EQ(error_of(ask(fresh(), "Basic Y2xpZW50LTE6eA==")), "invalid_client");
  EXPECT_EQ(error_of(ask(fresh(), "Bearer x")), "invalid_client");
  for (const auto& [change, error] : std::vector<Change>{
           set("code", "x", "invalid_grant"), drop("code", "invalid_request"),
           set("code_verifier", "x", "invalid_grant"), drop("code_verifier", "invalid_grant"),
           set("redirect_uri", "http://127.0.0.1:8/oauth/op/callback", "invalid_grant"),
           drop("redirect_uri", "invalid_grant"), set("grant_type", "password", "unsupported_grant_type"),
           drop("grant_type", "unsupported_grant_type"),
           set("grant_type", "refresh_token", "invalid_grant")}) {
    Fields fields = fresh();
    change(fields);
    EXPECT_EQ(error_of(ask(fields, basic)), error);
  }
  EXPECT_EQ(ask(fresh(), basic).status, 200);
}

}  // namespace
}  // namespace simulator
