// SPDX-License-Identifier: Apache-2.0
// The simulator of an OpenID provider refuses what the provider refuses, with its errors: for each operation at
// least ten requests that are each wrong in one place.
#include "tests/simulators/oidc.hpp"
#include "tests/simulators/oauth_requests.hpp"

namespace simulator {
namespace {

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

constexpr const char* op_basic = "Basic Y2xpZW50LTE6cyUyRmNyZXQlMjAlMkIlMjYlM0QlMjU=";

Request op_post(const std::string& where, const Fields& fields) {
  Request request = post(where, fields);
  put_header(request, "authorization", op_basic);
  put_header(request, "host", "127.0.0.1:1");
  return request;
}

// What is wrong with who asks, and with the form, whatever it is for.
std::vector<Wrong> wrong_clients() {
  return {{"nobody", header("authorization", ""), "invalid_client"},
          {"another secret", header("authorization", "Basic Y2xpZW50LTE6eA=="), "invalid_client"},
          {"another client", header("authorization", "Basic eDpzJTJGY3JldCUyMCUyQiUyNiUzRCUyNQ=="), "invalid_client"},
          {"not encoded", header("authorization", "Basic Y2xpZW50LTE6cy9jcmV0ICsmPSU="), "invalid_client"},
          {"no colon", header("authorization", "Basic Y2xpZW50"), "invalid_client"},
          {"Bearer", header("authorization", "Bearer x"), "invalid_client"},
          {"JSON", both(header("content-type", "application/json"), body("{}")), "invalid_request"},
          {"no type", header("content-type", ""), "invalid_request"},
          {"in the query", query("a=b"), "invalid_request"},
          {"no form", body("a=%zz"), "invalid_request"},
          {"twice", body("scope=openid&scope=openid"), "invalid_request"},
          {"GET", method("GET"), "invalid_request"}};
}

TEST(OidcSimulator, RefusesWrongDevices) {
  Oidc op{{}};
  auto wrong = wrong_clients();
  wrong.insert(wrong.end(), {{"no scope", body(""), "invalid_scope"},
                             {"not openid", body("scope=email"), "invalid_scope"},
                             {"almost openid", body("scope=openidx"), "invalid_scope"},
                             {"two clients", body("scope=openid&client_id=x"), "invalid_request"}});
  expect_refused(op, [] { return op_post("/device_authorization", {{"scope", "openid email"}}); }, wrong);

  const Json begun = Json::parse(op.handle(op_post("/device_authorization", {{"scope", "openid"}})).body);
  EXPECT_EQ(begun["verification_uri"], "http://127.0.0.1:1/device");
  const std::string code = begun["device_code"];
  const Fields good{{"grant_type", "urn:ietf:params:oauth:grant-type:device_code"}, {"device_code", code}};
  const auto poll = [&] { return op_post("/token", good); };
  wrong = wrong_clients();
  const std::string grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code";
  wrong.insert(wrong.end(), {{"no code", body(grant), "invalid_request"},
                             {"an empty code", body(grant + "&device_code="), "invalid_request"},
                             {"unknown", body(grant + "&device_code=x"), "invalid_grant"},
                             {"cut", body(grant + "&device_code=" + code.substr(0, 20)), "invalid_grant"},
                             {"no grant", body("device_code=" + code), "unsupported_grant_type"},
                             {"another grant", body("grant_type=device_code&device_code=" + code), "unsupported_grant_type"}});
  for (const Wrong& one : wrong) {
    Request request = poll();
    one.change(request);
    EXPECT_EQ(error_of(op.handle(request)), one.error) << one.what;
  }
  EXPECT_EQ(error_of(op.handle(poll())), "authorization_pending");
  EXPECT_EQ(error_of(op.handle(poll())), "slow_down");
  EXPECT_FALSE(op.answer_device("x", true));
  ASSERT_TRUE(op.answer_device(begun["user_code"], true));
  const auto done = op.handle(poll());
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_TRUE(Json::parse(done.body).contains("id_token"));
  EXPECT_EQ(error_of(op.handle(poll())), "invalid_grant") << "it works once";
  const Json other = Json::parse(op.handle(op_post("/device_authorization", {{"scope", "openid"}})).body);
  ASSERT_TRUE(op.answer_device(other["user_code"], false));
  const Fields refused{{"grant_type", good.at("grant_type")}, {"device_code", other["device_code"]}};
  EXPECT_EQ(error_of(op.handle(op_post("/token", refused))), "access_denied");
}

std::int64_t op_now_s = 0;

Json op_tokens(Oidc& op) {
  const Json begun = Json::parse(op.handle(op_post("/device_authorization", {{"scope", "openid"}})).body);
  op.answer_device(begun["user_code"], true);
  return Json::parse(op.handle(op_post("/token", {{"grant_type", "urn:ietf:params:oauth:grant-type:device_code"},
                                                  {"device_code", begun["device_code"]}})).body);
}

TEST(OidcSimulator, RefusesWrongQuestionsWhoItIs) {
  OidcOptions options;
  options.now_s = [] { return op_now_s; };
  op_now_s = seconds_now();
  Oidc op{options};
  const Json tokens = op_tokens(op), gone = op_tokens(op);
  const std::string token = tokens["access_token"], dead = gone["access_token"];
  op.handle(op_post("/revoke", {{"token", dead}}));
  const auto good = [&] {
    Request request = get("/userinfo", {});
    put_header(request, "authorization", "Bearer " + token);
    return request;
  };
  const auto bearer = [](const std::string& text) { return header("authorization", "Bearer " + text); };
  expect_refused(op, good,
                 {{"nobody", header("authorization", ""), "invalid_request"},
                  {"in the query", both(header("authorization", ""), query("access_token=" + token)), "invalid_request"},
                  {"unknown", bearer("x"), "invalid_token"},
                  {"empty", bearer(""), "invalid_token"},
                  {"cut", bearer(token.substr(0, 20)), "invalid_token"},
                  {"longer", bearer(token + "0"), "invalid_token"},
                  {"two spaces", bearer(" " + token), "invalid_token"},
                  {"Basic", header("authorization", "Basic " + token), "invalid_token"},
                  {"no scheme", header("authorization", token), "invalid_token"},
                  {"a refresh token", bearer(tokens["refresh_token"]), "invalid_token"},
                  {"an id_token", bearer(tokens["id_token"]), "invalid_token"},
                  {"revoked", bearer(dead), "invalid_token"},
                  {"PUT", method("PUT"), "invalid_request"}});
  op_now_s += 3600;
  EXPECT_EQ(error_of(op.handle(good())), "invalid_token") << "it is over";
}

TEST(OidcSimulator, RefusesWrongRefreshes) {
  Oidc op{{}};
  const Json tokens = op_tokens(op);
  const std::string refresh = tokens["refresh_token"];
  auto wrong = wrong_clients();
  wrong.insert(wrong.end(), {{"none", body("grant_type=refresh_token"), "invalid_grant"},
                             {"unknown", body("grant_type=refresh_token&refresh_token=x"), "invalid_grant"},
                             {"cut", body("grant_type=refresh_token&refresh_token=" + refresh.substr(0, 20)), "invalid_grant"},
                             {"an access token", body("grant_type=refresh_token&refresh_token=" +
                                                      tokens["access_token"].get<std::string>()), "invalid_grant"},
                             {"another grant", body("grant_type=refresh&refresh_token=" + refresh), "unsupported_grant_type"}});
  const auto good = [&] { return op_post("/token", {{"grant_type", "refresh_token"}, {"refresh_token", refresh}}); };
  expect_refused(op, good, wrong);
  EXPECT_EQ(error_of(op.handle(good())), "invalid_grant") << "it works once";
  EXPECT_EQ(op.live_tokens(), 2u) << "the old access token went with it";
}

TEST(OidcSimulator, RefusesWrongRevocations) {
  Oidc op{{}};
  const Json tokens = op_tokens(op);
  EXPECT_EQ(op.live_tokens(), 2u);
  auto wrong = wrong_clients();
  wrong.insert(wrong.end(), {{"no token", body(""), "invalid_request"},
                             {"an empty token", body("token="), "invalid_request"},
                             {"a list", body("token=a&token=b"), "invalid_request"}});
  for (const Wrong& one : wrong) {
    Request request = op_post("/revoke", {{"token", tokens["refresh_token"]}});
    one.change(request);
    EXPECT_EQ(error_of(op.handle(request)), one.error) << one.what;
  }
  EXPECT_EQ(op.live_tokens(), 2u);
  EXPECT_EQ(op.handle(op_post("/revoke", {{"token", "unknown"}})).status, 200) << "RFC 7009, 2.2";
  EXPECT_EQ(op.handle(op_post("/revoke", {{"token", tokens["refresh_token"]}})).status, 200);
  EXPECT_EQ(op.live_tokens(), 0u) << "the access token, too";
}

}  // namespace
}  // namespace simulator
