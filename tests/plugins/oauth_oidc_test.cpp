// SPDX-License-Identifier: Apache-2.0
// Logins with OpenID providers, honest ones and others.
#include "tests/plugins/oauth_fixture.hpp"

namespace {

constexpr std::int64_t second = 1'000'000'000;

// The testkit's clock, for the provider.
std::int64_t shared_now_s = 0;

class OauthOidcTest : public OauthTest {
 protected:
  void SetUp() override {
    OauthTest::SetUp();
    shared_now_s = host().wall_ms / 1000;
    op.options().now_s = [] { return shared_now_s; };
  }
  void advance(std::int64_t seconds) {
    host().advance(seconds * second);
    shared_now_s = host().wall_ms / 1000;
  }
  static std::string reason(const Reply& reply) {
    return std::to_string(reply.status) + " " + reply.code() + " " + reply.message();
  }
};

TEST_F(OauthOidcTest, SomebodyLogsIn) {
  start();
  Browser browser;
  const auto reply = log_in("op", &browser);
  ASSERT_EQ(reply.status, 303) << reply.body;
  const auto who = me(&browser);
  EXPECT_EQ(who.json["subject"], "op:u1");
  EXPECT_EQ(who.json["email"], "ada@example.com");
  EXPECT_EQ(requests_to("openid-configuration"), 1u);
  log_in("op", &browser);
  EXPECT_EQ(requests_to("openid-configuration"), 1u) << "it is kept for an hour";
  advance(3601);
  EXPECT_EQ(me(&browser).status, 200);  // refreshed
  EXPECT_EQ(op.live_tokens(), 4u);
  const auto out = call("logout", "POST", Json::object(), {}, &browser);
  EXPECT_EQ(out.json["revoked_at_provider"], true);
  EXPECT_EQ(op.live_tokens(), 2u) << "the other login's";
}

TEST_F(OauthOidcTest, EachLieOfAnIdTokenIsFound) {
  start();
  for (const auto& [lie, names] : std::map<std::string, std::string>{
           {"nonce", "nonce"}, {"aud", "aud"}, {"iss", "iss"}, {"exp", "exp"}, {"none", "alg"},
           {"hs256", "alg"}, {"signature", "signed"}}) {
    op.options().lie = lie;
    Browser browser;
    const auto reply = log_in("op", &browser);
    EXPECT_EQ(reply.code(), "bad_id_token") << lie << reason(reply);
    EXPECT_NE(reply.message().find(names), std::string::npos) << reply.message();
  }
  op.options().lie = "sub";  // of userinfo
  Browser browser;
  EXPECT_EQ(log_in("op", &browser).code(), "bad_answer");
  EXPECT_EQ(rows("session/"), 0u);
}

TEST_F(OauthOidcTest, TheIssuerOfTheCallbackMustBeThere) {
  start();
  Browser browser;
  for (const char* iss : {"", "https://op.example/", "https://evil.example"}) {
    auto fields = agree("op", begin("op", &browser).headers.at("Location"));
    fields["iss"] = iss;
    EXPECT_EQ(come_back("op", fields, &browser).code(), "invalid_issuer") << iss;
    auto without = agree("op", begin("op", &browser).headers.at("Location"));
    without.erase("iss");
    EXPECT_EQ(come_back("op", without, &browser).code(), "invalid_issuer");
  }
  EXPECT_EQ(requests_to("/token"), 0u);
}

TEST_F(OauthOidcTest, RotatedKeysAreFoundButNotAskedForAllTheTime) {
  start();
  Browser browser;
  EXPECT_EQ(log_in("op", &browser).status, 303);
  EXPECT_EQ(op.key_requests(), 1);
  op.rotate_key();
  EXPECT_EQ(log_in("op", &browser).code(), "bad_id_token");
  EXPECT_EQ(op.key_requests(), 1) << "within a minute";
  advance(61);
  EXPECT_EQ(log_in("op", &browser).status, 303);
  EXPECT_EQ(op.key_requests(), 2);
}

TEST_F(OauthOidcTest, WrongDiscoveriesNameTheField) {
  start();
  for (const auto& [field, value] : std::vector<std::pair<std::string, Json>>{
           {"issuer", "https://op.example/"}, {"issuer", 5}, {"issuer", nullptr},
           {"token_endpoint", "http://op.example/token"}, {"token_endpoint", nullptr},
           {"authorization_endpoint", "javascript:alert(1)"},
           {"authorization_endpoint", "https://a@b.example/"},
           {"jwks_uri", "file:///etc/passwd"}, {"jwks_uri", Json::array()},
           {"revocation_endpoint", "ftp://x"},
           {"code_challenge_methods_supported", {"plain"}}}) {
    op.options().metadata = {{field, value}};
    const auto reply = begin("op", nullptr);
    EXPECT_EQ(reply.status, 502) << field;
    EXPECT_NE(reply.message().find(field), std::string::npos) << reply.message();
  }
  op.options().metadata = Json::object();
  EXPECT_EQ(begin("op", nullptr).status, 303);
}

TEST_F(OauthOidcTest, AnUnverifiedAddressIsNone) {
  start();
  for (const Json& verified : {Json(false), Json(nullptr), Json("no"), Json(1)}) {
    op.options().claims["email_verified"] = verified;
    Browser browser;
    log_in("op", &browser);
    EXPECT_TRUE(me(&browser).json["email"].is_null()) << verified;
  }
}

// Microsoft: one discovery for all tenants, tokens of each; and no word of verified addresses.
TEST_F(OauthOidcTest, MicrosoftsTenants) {
  const std::string tenant = "9188040d-6c67-4c5b-b112-36a304b66dad";
  config = {{"microsoft",
             {{"client_id", "client-1"},
              {"issuer", "https://op.example/common/v2.0"},
              {"client_secret", {{"secret", "op.client_secret"}}}}}};
  host().secrets["microsoft.client_secret"] = host().secrets["op.client_secret"];
  auto& options = op.options();
  options.redirect_uri = "https://app.example/oauth/microsoft/callback";
  options.sends_issuer = false;
  options.issuer = "https://op.example/" + tenant + "/v2.0";
  options.claims = {{"tid", tenant}, {"oid", "0000-1"}, {"email", "a@b.example"},
                    {"email_verified", true}, {"preferred_username", "a@b.example"}};
  options.metadata = {{"issuer", "https://op.example/{tenantid}/v2.0"},
                      {"authorization_endpoint", "https://op.example/authorize"},
                      {"token_endpoint", "https://op.example/token"},
                      {"jwks_uri", "https://op.example/jwks"}};
  instead = [this](const auto& sent) -> std::unique_ptr<HttpAnswer> {
    if (sent.url != "https://op.example/common/v2.0/.well-known/openid-configuration") return nullptr;
    simulator::Request request;
    request.method = "GET";
    request.path = "/.well-known/openid-configuration";
    return std::make_unique<HttpAnswer>(HttpAnswer::text(200, op.handle(request).body));
  };
  start();
  Browser browser;
  const auto reply = log_in("microsoft", &browser);
  ASSERT_EQ(reply.status, 303) << reply.body;
  const auto who = me(&browser);
  EXPECT_EQ(who.json["subject"], "microsoft:" + tenant + ".0000-1");
  EXPECT_TRUE(who.json["email"].is_null());
  EXPECT_EQ(who.json["orgs"], Json{tenant});
  options.claims["tid"] = "11111111-6c67-4c5b-b112-36a304b66dad";
  EXPECT_EQ(log_in("microsoft", &browser).code(), "bad_id_token") << "the issuer of another tenant";
  options.claims["tid"] = "evil.example/x";
  EXPECT_EQ(log_in("microsoft", &browser).code(), "bad_id_token");
}

TEST_F(OauthOidcTest, GoogleIsAskedForARefreshToken) {
  config = {{"google", {{"client_id", "client-1"}, {"issuer", "https://op.example"}}}};
  start();
  const auto query = query_of(begin("google", nullptr).headers.at("Location"));
  EXPECT_EQ(query.at("access_type"), "offline");
  EXPECT_EQ(query.at("prompt"), "consent");
  EXPECT_EQ(query.at("scope"), "openid email profile");
}

TEST_F(OauthOidcTest, Facebook) {
  config = {{"facebook",
             {{"client_id", "1"}, {"client_secret", {{"secret", "facebook.client_secret"}}}}}};
  host().secrets["facebook.client_secret"] = "fb";
  instead = [](const auto& sent) -> std::unique_ptr<HttpAnswer> {
    const char* body = R"({"access_token":"EAA","token_type":"bearer","expires_in":5184000})";
    if (sent.url.find("/me?") != std::string::npos) {
      // HMAC-SHA256("fb", "EAA"): computed with openssl(1).
      EXPECT_NE(sent.url.find("appsecret_proof="
                              "cd4db631afac9b9824f5cd447938e2d26f1b7f1891435b69fdcced14ae753753"),
                std::string::npos)
          << sent.url;
      EXPECT_EQ(sent.url.find("EAA"), std::string::npos);
      body = R"({"id":"77","name":"Ada","email":"ada@example.com"})";
    }
    if (sent.method == "DELETE") body = R"({"success":true})";
    return std::make_unique<HttpAnswer>(HttpAnswer::text(200, body));
  };
  start();
  Browser browser;
  const auto began = begin("facebook", &browser);
  const std::string url = began.headers.at("Location");
  EXPECT_TRUE(url.starts_with("https://www.facebook.com/v26.0/dialog/oauth?")) << url;
  const auto reply = come_back("facebook", {{"state", query_of(url).at("state")}, {"code", "c"}}, &browser);
  ASSERT_EQ(reply.status, 303) << reply.body;
  EXPECT_EQ(me(&browser).json["subject"], "facebook:77");
  EXPECT_TRUE(me(&browser).json["email"].is_null()) << "nobody says that it is verified";
  const auto out = call("logout", "POST", Json::object(), {}, &browser);
  EXPECT_EQ(out.json["revoked_at_provider"], true);
}

}  // namespace
