// SPDX-License-Identifier: Apache-2.0
// Logins with GitHub: what works, and each way in which somebody else's login could be pushed in.
#include "tests/plugins/oauth_fixture.hpp"

namespace {

constexpr const char* session_cookie = "__Host-cof_session";
constexpr std::int64_t second = 1'000'000'000;

TEST_F(OauthTest, SomebodyLogsInWithGithub) {
  start();
  Browser browser;
  const auto began = begin("github", &browser, "/start?x=1");
  ASSERT_EQ(began.status, 303);
  const auto asked = query_of(began.headers.at("Location"));
  EXPECT_EQ(asked.at("redirect_uri"), "https://app.example/oauth/github/callback");
  EXPECT_EQ(asked.at("scope"), "read:user user:email");
  EXPECT_EQ(asked.at("code_challenge_method"), "S256");
  const std::string cookie = began.cookies.at("__Host-cof_login");
  for (const char* part : {"HttpOnly", "SameSite=Lax", "Secure", "Path=/"}) {
    EXPECT_NE(cookie.find(part), std::string::npos) << cookie;
  }
  const auto back = come_back("github", agree("github", began.headers.at("Location")), &browser);
  ASSERT_EQ(back.status, 303) << back.body;
  EXPECT_EQ(back.headers.at("Location"), "/start?x=1");
  const auto who = me(&browser);
  ASSERT_EQ(who.status, 200) << who.body;
  EXPECT_EQ(who.json["subject"], "github:583231");
  EXPECT_EQ(who.json["login"], "octocat");
  EXPECT_EQ(who.json["email"], "octocat@example.com");  // The providers' facts, row 4: "invented e-mail"
  // The store has neither the session's token nor the provider's.
  for (const auto& [key, row] : host().values) {
    EXPECT_EQ((key + row.value).find(browser.cookies.at(session_cookie)), std::string::npos);
    EXPECT_EQ(row.value.find("gho_"), std::string::npos);
  }
  // The secret is in a body, never in a URL.
  for (const auto& sent : host().requests) EXPECT_EQ(sent.url.find("secret"), std::string::npos);
}

// The providers' facts, row 2: "no state check (login CSRF)".  No token request reaches the provider.
TEST_F(OauthTest, EachForgedCallbackIsRefused) {
  start();
  Browser victim, attacker;
  const auto began = begin("github", &attacker);
  const auto fields = agree("github", began.headers.at("Location"));
  const auto refused = [&](const std::map<std::string, std::string>& query, Browser* who,
                           const char* why, const std::string& provider = "github") {
    const auto reply = come_back(provider, query, who);
    EXPECT_EQ(reply.status, 400) << why;
    EXPECT_EQ(reply.code(), "invalid_state") << why << reply.body;
    EXPECT_TRUE(reply.cookies.empty()) << why;
  };
  refused(fields, nullptr, "no cookie");
  refused(fields, &victim, "no cookie yet");
  begin("github", &victim);
  refused(fields, &victim, "a state that another browser got");
  auto changed = fields;
  changed["state"][5] = changed["state"][5] == 'a' ? 'b' : 'a';
  refused(changed, &attacker, "a state that nobody got");
  changed.erase("state");
  refused(changed, &attacker, "no state");
  changed["state"] = "x";
  refused(changed, &attacker, "no state at all");
  refused(fields, &attacker, "a state of another provider", "op");
  EXPECT_EQ(requests_to("access_token"), 0u);
  EXPECT_EQ(rows("session/"), 0u);
}

// The providers' facts, row 2: "no state check".
TEST_F(OauthTest, AStateWorksOnceAndForTenMinutes) {
  start();
  Browser browser;
  const auto began = begin("github", &browser);
  const auto fields = agree("github", began.headers.at("Location"));
  EXPECT_EQ(come_back("github", fields, &browser).status, 303);
  EXPECT_EQ(come_back("github", fields, &browser).code(), "invalid_state");
  const auto late = begin("github", &browser);
  const auto late_fields = agree("github", late.headers.at("Location"));
  host().advance(601 * second);
  EXPECT_EQ(come_back("github", late_fields, &browser).code(), "invalid_state");
  EXPECT_EQ(requests_to("access_token"), 1u);
}

TEST_F(OauthTest, AnInjectedCodeIsRefusedByItsChallenge) {
  start();
  Browser attacker, victim;
  const auto stolen = agree("github", begin("github", &attacker).headers.at("Location"));
  auto fields = agree("github", begin("github", &victim).headers.at("Location"));
  fields["code"] = stolen.at("code");
  const auto reply = come_back("github", fields, &victim);
  EXPECT_EQ(reply.status, 401);
  EXPECT_EQ(reply.code(), "bad_verification_code");
  EXPECT_EQ(rows("session/"), 0u);
}

// The providers' facts, row 1: "mock auth code accepted".
TEST_F(OauthTest, ThereIsNoMockCode) {
  start();
  Browser browser;
  auto fields = agree("github", begin("github", &browser).headers.at("Location"));
  fields["code"] = "mock_auth_code_x";
  EXPECT_EQ(come_back("github", fields, &browser).status, 401);
  EXPECT_EQ(rows("session/"), 0u);
}

TEST_F(OauthTest, ARestartBetweenLoginAndCallbackDoesNotMatter) {
  start();
  Browser browser;
  const auto began = begin("github", &browser);
  restart();
  const auto back = come_back("github", agree("github", began.headers.at("Location")), &browser);
  EXPECT_EQ(back.status, 303) << back.body;
  restart();
  EXPECT_EQ(me(&browser).status, 200);
}

TEST_F(OauthTest, WhoeverSaysNoIsNotLoggedIn) {
  start();
  github.options().denies = true;
  Browser browser;
  const auto reply = log_in("github", &browser);
  EXPECT_EQ(reply.status, 403);
  EXPECT_EQ(reply.code(), "access_denied");
  EXPECT_EQ(requests_to("access_token"), 0u);
  // Also an answer "no" needs its state.
  EXPECT_EQ(come_back("github", {{"error", "access_denied"}}, &browser).code(), "invalid_state");
}

TEST_F(OauthTest, AWrongIssuerAndDoubleParametersAreRefused) {
  start();
  Browser browser;
  auto fields = agree("github", begin("github", &browser).headers.at("Location"));
  auto twice = Query(fields.begin(), fields.end());
  twice.emplace_back("code", "x");
  const auto doubled = call("callback", "GET", {{"provider", "github"}}, twice, &browser);
  EXPECT_EQ(doubled.code(), "invalid_request");
  fields["iss"] = "https://evil.example";
  EXPECT_EQ(come_back("github", fields, &browser).code(), "invalid_issuer");
  EXPECT_EQ(requests_to("access_token"), 0u);
}

// The providers' facts, row 3: "HTTP 200 errors", and answers that are none.
TEST_F(OauthTest, WrongAnswersOfTheProviderAreTypedErrors) {
  start();
  struct Case {
    const char* url;
    int status;
    std::string body;
    int wanted;
    const char* code;
    const char* names;
  };
  const std::string good = R"("access_token":"gho_x","scope":"")";
  const std::vector<Case> cases{
      {"access_token", 502, "<html>", 503, "provider_unavailable", "502"},
      {"access_token", 429, "", 503, "rate_limited", ""},
      {"access_token", 200, "", 502, "bad_answer", "JSON"},
      {"access_token", 200, "access_token=gho_x&token_type=bearer", 502, "bad_answer", "JSON"},
      {"access_token", 200, "[]", 502, "bad_answer", "JSON"},
      {"access_token", 200, "{}", 502, "bad_answer", "access_token"},
      {"access_token", 200, R"({"access_token": 5})", 502, "bad_answer", "access_token"},
      {"access_token", 200, "{" + good + "}", 502, "bad_answer", "token_type"},
      {"access_token", 200, "{" + good + R"(,"token_type":"mac"})", 502, "bad_answer", "token_type"},
      {"access_token", 200, "{" + good + R"(,"token_type":"bearer","expires_in":-5})", 502,
       "bad_answer", "expires_in"},
      {"access_token", 200, "{" + good + R"(,"token_type":"bearer","expires_in":1e300})", 502,
       "bad_answer", "expires_in"},
      {"access_token", 200, R"({"access_token":"gho_x\nX: y","token_type":"bearer"})", 502,
       "bad_answer", "access_token"},
      {"access_token", 200, R"({"error":"bad_verification_code","error_description":"no"})", 401,
       "bad_verification_code", "no"},
      {"access_token", 400, R"({"error":"Invalid Grant!"})", 401, "invalid_grant_", ""},
      {"access_token", 200, R"({"error": 7})", 502, "bad_answer", "access_token"},
      {"/user", 200, "{}", 502, "bad_answer", "id"},
      {"/user", 200, R"({"id":"5","login":"a"})", 502, "bad_answer", "id"},
      {"/user", 200, R"({"id":-5,"login":"a"})", 502, "bad_answer", "id"},
      {"/user", 200, R"({"id":5})", 502, "bad_answer", "login"},
      {"/user", 200, R"({"id":5,"login":[]})", 502, "bad_answer", "login"},
      {"/user", 401, R"({"message":"Bad credentials"})", 401, "provider_refused", "Bad cred"},
      {"/user/emails", 200, "{}", 502, "bad_answer", "emails"},
      {"/user/emails", 500, "", 503, "provider_unavailable", "500"}};
  for (const Case& one : cases) {
    SCOPED_TRACE(std::string{one.url} + " " + one.body);
    instead = [&one](const auto& sent) -> std::unique_ptr<HttpAnswer> {
      if (!sent.url.ends_with(one.url)) return nullptr;
      return std::make_unique<HttpAnswer>(HttpAnswer::text(one.status, one.body));
    };
    Browser browser;
    const auto reply = log_in("github", &browser);
    EXPECT_EQ(reply.status, one.wanted) << reply.body;
    EXPECT_EQ(reply.code(), one.code);
    EXPECT_NE(reply.message().find(one.names), std::string::npos) << reply.message();
    EXPECT_FALSE(browser.cookies.contains(session_cookie));
  }
  for (const auto& [how, wanted] : {std::pair{COF_ETIMEDOUT, 504}, std::pair{COF_ETOOBIG, 502},
                                          std::pair{COF_EUNAVAILABLE, 503}}) {
    instead = [transport = how](const auto&) {
      return std::make_unique<HttpAnswer>(HttpAnswer::broken(transport));
    };
    Browser browser;
    EXPECT_EQ(log_in("github", &browser).status, wanted);
  }
  EXPECT_EQ(rows("session/"), 0u);
}

// The providers' facts, row 4: "invented e-mail": all unverified.
TEST_F(OauthTest, OnlyAVerifiedPrimaryAddressIsAnAddress) {
  start();
  for (const char* emails :
       {"[]", R"([{"email":"a@b.c","primary":true,"verified":false}])",
        R"([{"email":"a@b.c","primary":false,"verified":true}])",
        R"([{"email":"a@b.c","primary":true,"verified":"true"}])", R"([7])"}) {
    github.options().emails = emails;
    Browser browser;
    EXPECT_EQ(log_in("github", &browser).status, 303) << emails;
    EXPECT_TRUE(me(&browser).json["email"].is_null()) << emails;
  }
}

TEST_F(OauthTest, OnlyThoseWhoAreAllowedGetIn) {
  const auto try_with = [&](const Json& rule) {
    Json changed = config;
    changed.update(rule);
    host().configure(COF_CONFIGURE_CHECK, changed.dump());
    const auto& applied = host().configure(COF_CONFIGURE_APPLY, changed.dump());
    host().run();
    EXPECT_TRUE(applied.ended->ok()) << applied.ended->error_message;
    Browser browser;
    const auto reply = log_in("github", &browser);
    EXPECT_EQ(reply.code(), reply.status == 403 ? "not_allowed" : "");
    return reply.status;
  };
  start();
  EXPECT_EQ(try_with({{"allowed_users", {"OctoCat"}}}), 303);
  EXPECT_EQ(try_with({{"allowed_users", {"github:583231"}}}), 303);
  EXPECT_EQ(try_with({{"allowed_users", {"octocat@example.com"}}}), 303);
  EXPECT_EQ(try_with({{"allowed_users", {"somebody"}}}), 403);
  EXPECT_EQ(try_with({{"allowed_users", {"op:octocat"}}}), 403);
  EXPECT_EQ(try_with({{"allowed_orgs", {"github"}}}), 303);
  EXPECT_EQ(try_with({{"allowed_orgs", {"gitlab"}}}), 403);
  EXPECT_EQ(try_with({{"allowed_domains", {"example.com"}}}), 303);
  EXPECT_EQ(try_with({{"allowed_domains", {"ample.com"}}}), 403);
  const auto live = github.live_tokens();
  EXPECT_EQ(try_with({{"allowed_users", {"somebody"}}}), 403);
  EXPECT_EQ(github.live_tokens(), live) << "the token of somebody who may not come in was kept";
  EXPECT_EQ(try_with(Json::parse(R"({"roles": {"staff": {"allowed_orgs": ["github"]},
                                              "boss": {"allowed_users": ["nobody"]}}})")),
            303);
}

// The providers' facts, row 5: "logout revokes nothing".
TEST_F(OauthTest, LogoutEndsTheSessionHereAndAtTheProvider) {
  start();
  Browser browser;
  log_in("github", &browser);
  const Browser before = browser;
  EXPECT_EQ(github.live_tokens(), 1u);
  const auto foreign = call("logout", "POST", Json::object(), {}, &browser,
                            {{"origin", "https://evil.example"}});
  EXPECT_EQ(foreign.code(), "cross_site");
  EXPECT_EQ(me(&browser).status, 200);
  const auto out = call("logout", "POST", Json::object(), {}, &browser,
                        {{"origin", "https://app.example"}});
  EXPECT_EQ(out.json, (Json{{"logged_out", true}, {"revoked_at_provider", true}}));
  EXPECT_EQ(github.live_tokens(), 0u);
  EXPECT_FALSE(browser.cookies.contains(session_cookie));
  Browser thief = before;
  EXPECT_EQ(me(&thief).status, 401);
  EXPECT_EQ(requests_to("/applications/"), 1u);
}

TEST_F(OauthTest, TheOperatorSeesAndEndsSessions) {
  start();
  Browser one, two;
  log_in("github", &one);
  log_in("github", &two);
  const auto list = call("sessions", "GET", Json::object(), {}, nullptr);
  ASSERT_EQ(list.json["sessions"].size(), 2u) << list.body;
  const std::string id = me(&one).json["session"];
  const auto gone = call("revoke", "DELETE", {{"id", id}}, {}, nullptr);
  EXPECT_EQ(gone.json["revoked_at_provider"], true);
  EXPECT_EQ(me(&one).status, 401);
  EXPECT_EQ(me(&two).status, 200);
  EXPECT_EQ(call("revoke", "DELETE", {{"id", id}}, {}, nullptr).status, 404);
  auto& all = host().operation("revoke", R"({"subject": "github:583231"})");
  host().run();
  EXPECT_EQ(Json::parse(all.ended->result)["revoked"], 1);
  EXPECT_EQ(me(&two).status, 401);
  EXPECT_EQ(github.live_tokens(), 0u);
}

TEST_F(OauthTest, ATokenThatEndsIsRefreshedAndThenItIsOver) {
  github.options().expires = true;
  start();
  Browser browser;
  log_in("github", &browser);
  EXPECT_EQ(me(&browser).status, 200);
  EXPECT_EQ(requests_to("access_token"), 1u);
  host().advance(28'801 * second);
  // Two requests at once use the refresh token once.
  const Json head{{"method", "GET"}, {"path", "/oauth/me"}, {"params", Json::object()},
                  {"query", Json::array()}, {"base_url", base_url}, {"peer", Json::object()},
                  {"headers", Json::array({Json::array({"cookie", std::string{session_cookie} + "=" +
                                              browser.cookies.at(session_cookie)})})}};
  auto& first = host().route("me", head.dump());
  auto& other = host().route("me", head.dump());
  host().run();
  host().advance(second);
  EXPECT_EQ(read(first, nullptr).status, 200);
  EXPECT_EQ(read(other, nullptr).status, 200);
  EXPECT_EQ(requests_to("access_token"), 2u);
  // The provider is away: nobody knows, and nothing is lost.
  host().advance(28'801 * second / 2);
  EXPECT_EQ(me(&browser).status, 401) << "the session's own time is over";
}

TEST_F(OauthTest, ARefreshThatFailsForNowIsTriedAgainAndARevokedOneEndsTheSession) {
  github.options().expires = true;
  github.options().expires_in_s = 100;
  start();
  Browser browser;
  log_in("github", &browser);
  host().advance(101 * second);
  instead = [](const auto&) {
    return std::make_unique<HttpAnswer>(HttpAnswer::broken(COF_EUNAVAILABLE));
  };
  EXPECT_EQ(me(&browser).status, 503);
  instead = nullptr;
  EXPECT_EQ(me(&browser).status, 200);
  // The new token is kept even when what comes after it fails.
  host().advance(101 * second);
  instead = [](const auto& sent) -> std::unique_ptr<HttpAnswer> {
    if (!sent.url.ends_with("/user")) return nullptr;
    return std::make_unique<HttpAnswer>(HttpAnswer::text(500, ""));
  };
  EXPECT_EQ(me(&browser).status, 503);
  instead = nullptr;
  EXPECT_EQ(me(&browser).status, 200);
  host().advance(101 * second);
  github.options().user_id = 7;  // it is somebody else's now
  EXPECT_EQ(me(&browser).status, 401);
  EXPECT_EQ(rows("session/"), 0u);
}

TEST_F(OauthTest, WithoutARefreshTokenTheTokensEndIsTheSessionsEnd) {
  instead = [](const auto& sent) -> std::unique_ptr<HttpAnswer> {
    if (sent.url.ends_with("/user")) {
      return std::make_unique<HttpAnswer>(HttpAnswer::text(200, R"({"id":5,"login":"a"})"));
    }
    if (!sent.url.ends_with("access_token")) return nullptr;
    return std::make_unique<HttpAnswer>(HttpAnswer::text(
        200, R"({"access_token":"ghu_a","token_type":"Bearer","expires_in":60,"scope":""})"));
  };
  start();
  Browser browser;
  instead = [inner = instead](const auto& sent) {
    if (sent.url.ends_with("/user/emails")) {
      return std::make_unique<HttpAnswer>(HttpAnswer::text(200, "[]"));
    }
    return inner(sent);
  };
  const auto reply = log_in("github", &browser);
  ASSERT_EQ(reply.status, 303) << reply.body;
  EXPECT_NE(reply.cookies.at(session_cookie).find("Max-Age=60"), std::string::npos);
  host().advance(59 * second);
  EXPECT_EQ(me(&browser).status, 200);
  host().advance(second);
  EXPECT_EQ(me(&browser).status, 401);
}

TEST_F(OauthTest, TooManyLoginsAtOnceAreRefused) {
  config["logins_per_second"] = 1;
  start();
  int refused = 0;
  for (int i = 0; i < 12; ++i) refused += begin("github", nullptr).status == 429 ? 1 : 0;
  EXPECT_EQ(refused, 2);
  host().advance(second);
  EXPECT_EQ(begin("github", nullptr).status, 303);
}

TEST_F(OauthTest, OtherPluginsAreTold) {
  start();
  Browser browser;
  log_in("github", &browser);
  EXPECT_EQ(call("identify", "GET", Json::object(), {}, nullptr).status, 204);
  const auto who = call("identify", "GET", Json::object(), {}, &browser);
  EXPECT_EQ(who.status, 200);
  EXPECT_EQ(who.json["subject"], "github:583231");
  const Query bearer{{"authorization", "Bearer " + browser.cookies.at(session_cookie)}};
  EXPECT_EQ(call("identify", "GET", Json::object(), {}, nullptr, bearer).status, 200);
  host().kv_status = COF_EUNAVAILABLE;
  EXPECT_EQ(call("identify", "GET", Json::object(), {}, &browser).status, 503);
  host().kv_status = COF_OK;
}

}  // namespace
