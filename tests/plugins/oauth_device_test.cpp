// SPDX-License-Identifier: Apache-2.0
// Logins from a terminal.
#include "tests/plugins/oauth_fixture.hpp"

namespace {

constexpr std::int64_t second = 1'000'000'000;

class OauthDeviceTest : public OauthTest {
 protected:
  Reply device(const std::string& body = {}) {
    return call("device", "POST", {{"provider", "github"}}, {}, nullptr, {}, body);
  }
  Reply poll(const std::string& code) { return device(Json{{"device_code", code}}.dump()); }
};

TEST_F(OauthDeviceTest, ATerminalLogsIn) {
  start();
  const auto began = device();
  ASSERT_EQ(began.status, 200) << began.body;
  EXPECT_EQ(began.json["verification_uri"], "https://github.com/login/device");
  const std::string code = began.json["device_code"];
  // What is in the store is not what the provider gave.
  for (const auto& [key, row] : host().values) EXPECT_EQ(row.value.find("plain"), std::string::npos);
  EXPECT_EQ(poll(code).status, 202);
  EXPECT_EQ(requests_to("access_token"), 0u) << "it asked too early";
  host().advance(6 * second);
  const auto waiting = poll(code);
  EXPECT_EQ(waiting.status, 202) << waiting.body;
  EXPECT_EQ(waiting.json["status"], "pending");
  EXPECT_EQ(requests_to("access_token"), 1u);
  ASSERT_TRUE(github.answer_device(began.json["user_code"], true));
  host().advance(6 * second);
  const auto done = poll(code);
  ASSERT_EQ(done.status, 200) << done.body;
  const Query bearer{{"authorization", "Bearer " + done.json["token"].get<std::string>()}};
  const auto who = call("me", "GET", Json::object(), {}, nullptr, bearer);
  EXPECT_EQ(who.json["subject"], "github:583231");
  EXPECT_EQ(poll(code).code(), "invalid_device_code") << "it works once";
}

TEST_F(OauthDeviceTest, EachAnswerOfTheProviderIsUnderstood) {
  start();
  struct Case {
    const char* error;
    int status;
    const char* code;
  };
  for (const Case& one : {Case{"authorization_pending", 202, ""}, Case{"slow_down", 202, ""},
                          Case{"access_denied", 403, "access_denied"},
                          Case{"expired_token", 401, "expired_token"},
                          Case{"token_expired", 401, "expired_token"},
                          Case{"incorrect_device_code", 401, "incorrect_device_code"}}) {
    SCOPED_TRACE(one.error);
    const auto began = device();
    host().advance(6 * second);
    instead = [&one](const auto&) {
      return std::make_unique<HttpAnswer>(
          HttpAnswer::text(200, Json{{"error", one.error}}.dump()));
    };
    const auto reply = poll(began.json["device_code"]);
    instead = nullptr;
    EXPECT_EQ(reply.status, one.status) << reply.body;
    EXPECT_EQ(reply.code(), one.code);
    if (std::string{one.error} == "slow_down") {
      EXPECT_EQ(reply.json["interval"], 10);
    }
    host().advance(60 * second);
    const auto again = poll(began.json["device_code"]);
    EXPECT_EQ(again.code(), one.status == 202 ? "" : "invalid_device_code");
  }
}

// The same from a provider whose clock says so.
TEST_F(OauthDeviceTest, ACodeThatIsTooOldIsOver) {
  start();
  const auto began = device();
  EXPECT_EQ(began.json["expires_in"], 900);
  host().advance(6 * second);
  github.options().device_age_s = -1;
  const auto late = poll(began.json["device_code"]);
  EXPECT_EQ(late.status, 401) << late.body;
  EXPECT_EQ(late.code(), "expired_token");
  EXPECT_EQ(poll(began.json["device_code"]).code(), "invalid_device_code");
  EXPECT_EQ(rows("device/"), 0u);
  EXPECT_EQ(rows("session/"), 0u);
  // And by ours: the store forgets it.
  github.options().device_age_s = 900;
  const auto forgotten = device();
  host().advance(901 * second);
  EXPECT_EQ(poll(forgotten.json["device_code"]).code(), "invalid_device_code");
}

// With an OpenID provider the terminal gets an id_token, which is checked as in a browser.
TEST_F(OauthDeviceTest, ATerminalLogsInWithAnOpenIdProvider) {
  start();
  const auto at_op = [&](const std::string& body = {}) {
    return call("device", "POST", {{"provider", "op"}}, {}, nullptr, {}, body);
  };
  const auto ask = [&](const Reply& began) {
    host().advance(60 * second);
    return at_op(Json{{"device_code", began.json["device_code"]}}.dump());
  };
  const auto began = at_op();
  ASSERT_EQ(began.status, 200) << began.body;
  EXPECT_EQ(began.json["verification_uri"], "https://op.example/device");
  EXPECT_EQ(began.json["verification_uri_complete"],
            "https://op.example/device?user_code=" + began.json["user_code"].get<std::string>());
  EXPECT_EQ(ask(began).json["interval"], 5);
  EXPECT_EQ(ask(began).json["interval"], 10) << "slow_down: the provider's clock stands still";
  EXPECT_EQ(poll(began.json["device_code"]).code(), "invalid_device_code") << "another provider's";
  ASSERT_TRUE(op.answer_device(began.json["user_code"], true));
  const auto done = ask(began);
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(done.json["user"]["subject"], "op:u1");
  EXPECT_EQ(done.json["user"]["email"], "ada@example.com");

  const auto denied = at_op();
  ASSERT_TRUE(op.answer_device(denied.json["user_code"], false));
  EXPECT_EQ(ask(denied).code(), "access_denied");
  for (const char* lie : {"aud", "iss", "exp", "none", "hs256", "signature"}) {
    op.options().lie = lie;
    const auto lied = at_op();
    ASSERT_TRUE(op.answer_device(lied.json["user_code"], true));
    EXPECT_EQ(ask(lied).code(), "bad_id_token") << lie;
  }
  op.options().lie.clear();
  op.options().metadata = {{"device_authorization_endpoint", Json{}}};
  host().advance(3601 * second);
  EXPECT_EQ(at_op().code(), "unsupported_by_provider");
}

TEST_F(OauthDeviceTest, TroubleBacksOff) {
  start();
  const auto began = device();
  host().advance(6 * second);
  instead = [](const auto&) {
    return std::make_unique<HttpAnswer>(HttpAnswer::broken(COF_ETIMEDOUT));
  };
  EXPECT_EQ(poll(began.json["device_code"]).status, 504);
  instead = nullptr;
  EXPECT_EQ(poll(began.json["device_code"]).json["interval"], 10);
}

TEST_F(OauthDeviceTest, WrongRequestsAndAnswersAreTypedErrors) {
  start();
  EXPECT_EQ(device("x").code(), "invalid_request");
  EXPECT_EQ(device("{}").code(), "invalid_request");
  EXPECT_EQ(device(R"({"device_code": 5})").code(), "invalid_request");
  EXPECT_EQ(device(R"({"device_code": "x"})").code(), "invalid_device_code");
  github.options().device_flow = false;
  EXPECT_EQ(device().code(), "device_flow_disabled");
  for (const char* body :
       {"", "[]", "{}", R"({"device_code":"d","user_code":"u","expires_in":5})",
        R"({"device_code":"d","user_code":"u","verification_uri":"javascript:x","expires_in":5})",
        R"({"device_code":"d","user_code":"u\n","verification_uri":"https://a.example","expires_in":5})",
        R"({"device_code":"d","user_code":"u","verification_uri":"https://a.example"})",
        R"({"device_code":"d","user_code":"u","verification_uri":"https://a.example","expires_in":"5"})"}) {
    instead = [body](const auto&) {
      return std::make_unique<HttpAnswer>(HttpAnswer::text(200, body));
    };
    const auto reply = device();
    EXPECT_EQ(reply.status, 502) << body;
    EXPECT_EQ(reply.code(), "bad_answer") << body;
  }
}

}  // namespace
