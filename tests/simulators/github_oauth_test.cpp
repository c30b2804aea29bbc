// SPDX-License-Identifier: Apache-2.0
// The simulator of GitHub's logins refuses what the provider refuses, with its errors: for each operation at
// least ten requests that are each wrong in one place.
#include "tests/simulators/oauth_requests.hpp"

namespace simulator {
namespace {

constexpr const char* callback = "http://127.0.0.1:99/oauth/github/callback";

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

std::string github_token(GithubOauth& github, const std::string& scope = "read:user user:email read:org") {
  Fields login = github_login();
  login["scope"] = scope;
  const Fields fields{{"client_id", "Iv1.0123456789abcdef"},
                      {"client_secret", "github-secret"},
                      {"code_verifier", verifier},
                      {"code", answer_of(github.handle(get("/login/oauth/authorize", login)))["code"]}};
  return Json::parse(github.handle(post("/login/oauth/access_token", fields)).body).value("access_token", "");
}

TEST(GithubSimulator, RefusesWrongQuestionsWhoItIs) {
  GithubOauth github{{}};
  const std::string token = github_token(github), poor = github_token(github, "gist");
  GithubOauth short_lived{{.expires = true, .expires_in_s = 0}};
  for (const char* what : {"/user", "/user/emails", "/user/orgs", "/api/v3/user"}) {
    SCOPED_TRACE(what);
    const auto good = [&] {
      Request request = get(what, {});
      put_header(request, "authorization", "Bearer " + token);
      return request;
    };
    expect_refused(github, good,
                   {{"no agent", header("user-agent", ""), "403"},
                    {"nobody", header("authorization", ""), "401"},
                    {"unknown", header("authorization", "Bearer gho_x"), "401"},
                    {"cut", header("authorization", "Bearer " + token.substr(0, 39)), "401"},
                    {"longer", header("authorization", "Bearer " + token + "0"), "401"},
                    {"two spaces", header("authorization", "Bearer  " + token), "401"},
                    {"empty", header("authorization", "Bearer "), "401"},
                    {"no scheme", header("authorization", token), "401"},
                    {"Basic", header("authorization", "Basic " + token), "401"},
                    {"in the query", both(header("authorization", ""), query("access_token=" + token)), "401"},
                    {"POST", method("POST"), "404"},
                    {"DELETE", method("DELETE"), "404"},
                    {"slash", path("/user/"), "404"},
                    {"another", path("/users"), "404"}});
    Request over = good();
    put_header(over, "authorization", "Bearer " + github_token(short_lived));
    EXPECT_EQ(short_lived.handle(over).status, 401) << "its token is over";
  }
  const auto with_poor = [&](const char* what) {
    Request request = get(what, {});
    put_header(request, "authorization", "token " + poor);
    return github.handle(request).status;
  };
  EXPECT_EQ(with_poor("/user"), 200);
  EXPECT_EQ(with_poor("/user/emails"), 404) << "without the scope it is not there";
  EXPECT_EQ(with_poor("/user/orgs"), 403);
}

TEST(GithubSimulator, RefusesWrongRevocations) {
  GithubOauth github{{}};
  const std::string basic = "Basic SXYxLjAxMjM0NTY3ODlhYmNkZWY6Z2l0aHViLXNlY3JldA==";
  for (const char* what : {"token", "grant"}) {
    SCOPED_TRACE(what);
    const std::string place = std::string{"/applications/Iv1.0123456789abcdef/"} + what;
    const std::string token = github_token(github);
    const auto good = [&] {
      Request request = get(place, {});
      request.method = "DELETE";
      put_header(request, "authorization", basic);
      put_header(request, "content-type", "application/json");
      request.body = Json{{"access_token", token}}.dump();
      return request;
    };
    expect_refused(github, good,
                   {{"nobody", header("authorization", ""), "401"},
                    {"wrong secret", header("authorization", "Basic SXYxLjAxMjM0NTY3ODlhYmNkZWY6eA=="), "401"},
                    {"as the user", header("authorization", "Bearer " + token), "401"},
                    {"no base64", header("authorization", "Basic !"), "401"},
                    {"no agent", header("user-agent", ""), "403"},
                    {"another app", path("/applications/Iv1.x/token"), "404"},
                    {"no app", path("/applications/"), "404"},
                    {"other things", path("/applications/Iv1.0123456789abcdef/tokens"), "404"},
                    {"nothing", path("/applications/Iv1.0123456789abcdef"), "404"},
                    {"no body", body(""), "422"},
                    {"no JSON", body("{"), "422"},
                    {"a list", body("[]"), "422"},
                    {"no token", body("{}"), "422"},
                    {"an empty token", body(R"({"access_token":""})"), "422"},
                    {"a number", body(R"({"access_token":5})"), "422"},
                    {"no type", header("content-type", ""), "422"},
                    {"unknown", body(R"({"access_token":"gho_x"})"), "404"},
                    {"PUT", method("PUT"), "404"}});
    EXPECT_EQ(github.handle(good()).status, 404) << "it is gone";
  }
  EXPECT_EQ(github.live_tokens(), 0u);
}

TEST(GithubSimulator, RefusesWrongRefreshes) {
  GithubOauth github{{.expires = true}};
  const auto tokens = [&] {
    const Fields fields{{"client_id", "Iv1.0123456789abcdef"},
                        {"client_secret", "github-secret"},
                        {"code_verifier", verifier},
                        {"code", answer_of(github.handle(get("/login/oauth/authorize", github_login())))["code"]}};
    return Json::parse(github.handle(post("/login/oauth/access_token", fields)).body);
  };
  const Json first = tokens();
  const std::string refresh = first["refresh_token"];
  const Fields good{{"client_id", "Iv1.0123456789abcdef"}, {"client_secret", "github-secret"},
                    {"grant_type", "refresh_token"}, {"refresh_token", refresh}};
  const auto ask = [&](const Fields& fields) { return github.handle(post("/login/oauth/access_token", fields)); };
  const std::vector<Change> changes{
      set("client_id", "x", "incorrect_client_credentials"), drop("client_id", "incorrect_client_credentials"),
      set("client_secret", "x", "incorrect_client_credentials"), drop("client_secret", "incorrect_client_credentials"),
      set("client_secret", "", "incorrect_client_credentials"), set("refresh_token", "ghr_x", "bad_refresh_token"),
      drop("refresh_token", "bad_refresh_token"), set("refresh_token", "", "bad_refresh_token"),
      set("refresh_token", refresh.substr(1), "bad_refresh_token"), set("refresh_token", refresh + "0", "bad_refresh_token"),
      set("refresh_token", first["access_token"], "bad_refresh_token"), set("grant_type", "refresh", "unsupported_grant_type"),
      drop("grant_type", "bad_verification_code")};
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Fields fields = good;
    changes[i].first(fields);
    EXPECT_EQ(error_of(ask(fields)), changes[i].second) << i;
  }
  EXPECT_EQ(github.live_tokens(), 1u);
  const Json second = Json::parse(ask(good).body);
  EXPECT_NE(second["access_token"], first["access_token"]);
  EXPECT_EQ(github.live_tokens(), 1u) << "the old one is over";
  EXPECT_EQ(error_of(ask(good)), "bad_refresh_token") << "it works once";
}

TEST(GithubSimulator, RefusesWrongDevices) {
  GithubOauth github{{}};
  const Fields begin{{"client_id", "Iv1.0123456789abcdef"}, {"scope", "read:user"}};
  expect_refused(github, [&] { return post("/login/device/code", begin); },
                 {{"another app", body("client_id=x"), "404"},
                  {"no app", body("scope=a"), "404"},
                  {"empty", body("client_id="), "404"},
                  {"nothing", body(""), "404"},
                  {"twice", body("client_id=Iv1.0123456789abcdef&client_id=Iv1.0123456789abcdef"), "400"},
                  {"in both", query("client_id=Iv1.0123456789abcdef"), "400"},
                  {"no form", body("client_id=%zz"), "400"},
                  {"no type", header("content-type", ""), "400"},
                  {"XML", header("content-type", "text/xml"), "400"},
                  {"no JSON", header("content-type", "application/json"), "400"},
                  {"a number", both(header("content-type", "application/json"), body(R"({"client_id":5})")), "400"},
                  {"GET", method("GET"), "404"}});
  const std::string code =
      Json::parse(github.handle(post("/login/device/code", begin)).body).value("device_code", "");
  const std::string grant = "urn:ietf:params:oauth:grant-type:device_code";
  const auto poll = [&](Fields fields) {
    return error_of(github.handle(post("/login/oauth/access_token", fields)));
  };
  const Fields good{{"client_id", "Iv1.0123456789abcdef"}, {"device_code", code}, {"grant_type", grant}};
  const std::vector<Change> changes{
      set("client_id", "x", "incorrect_client_credentials"), drop("client_id", "incorrect_client_credentials"),
      set("client_id", "", "incorrect_client_credentials"), set("device_code", "x", "incorrect_device_code"),
      drop("device_code", "incorrect_device_code"), set("device_code", "", "incorrect_device_code"),
      set("device_code", (code + "0"), "incorrect_device_code"),
      set("device_code", code.substr(1), "incorrect_device_code"),
      set("grant_type", "device_code", "incorrect_client_credentials"), drop("grant_type", "incorrect_client_credentials"),
      set("grant_type", "urn:ietf:params:oauth:grant-type:device", "incorrect_client_credentials")};
  EXPECT_GE(changes.size(), 10u);
  for (std::size_t i = 0; i < changes.size(); ++i) {
    Fields fields = good;
    changes[i].first(fields);
    EXPECT_EQ(poll(fields), changes[i].second) << i;
  }
  EXPECT_EQ(poll(good), "authorization_pending");
  EXPECT_EQ(poll(good), "slow_down");
  const std::string user_code = [&] {
    const Json other = Json::parse(github.handle(post("/login/device/code", begin)).body);
    return other.value("user_code", "");
  }();
  EXPECT_FALSE(github.answer_device("WRONG", true));
  EXPECT_TRUE(github.answer_device(user_code, true));
  EXPECT_EQ(poll(good), "slow_down") << "another device's code";
  github.options().device_flow = false;
  EXPECT_EQ(error_of(github.handle(post("/login/device/code", begin))), "device_flow_disabled");
  EXPECT_EQ(poll(good), "device_flow_disabled");
}

}  // namespace
}  // namespace simulator
