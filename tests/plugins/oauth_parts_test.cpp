// SPDX-License-Identifier: Apache-2.0
// The parts of the oauth plugin that need no host: vectors, return_to, keys, settings.
#include <fstream>

#include "plugins/oauth/crypto.hpp"
#include "plugins/oauth/jwt.hpp"
#include "plugins/oauth/vault.hpp"
#include "plugins/oauth/web.hpp"
#include "tests/plugins/oauth_fixture.hpp"

namespace {

using Json = nlohmann::json;

Json vectors() {
  std::ifstream file{std::string{COFOUNDER_SOURCE_DIR} + "/tests/vectors/oidc.json"};
  return Json::parse(file);
}

TEST(OauthParts, PkceVectors) {
  const Json all = vectors();
  for (const Json& one : all.at("pkce")) {
    const std::string verifier = one.at("verifier");
    EXPECT_TRUE(oauth::is_code_verifier(verifier));
    EXPECT_EQ(oauth::code_challenge(verifier), one.at("challenge").get<std::string>());
  }
  for (const Json& one : all.at("pkce_invalid")) {
    EXPECT_FALSE(oauth::is_code_verifier(one.at("verifier").get<std::string>())) << one.at("name");
  }
  EXPECT_TRUE(oauth::is_code_verifier(oauth::random_token()));
}

// Whether a token would let somebody in, and which claim was the reason when not.
std::string verdict(const Json& context, const oauth::KeySet& keys, const Json& vector) {
  const auto jwt = oauth::parse_jwt(vector.at("id_token").get<std::string>());
  if (!jwt) return jwt.failure().message;
  const Json& allowed = context.at("allowed_algs");
  if (std::find(allowed.begin(), allowed.end(), Json(jwt->algorithm)) == allowed.end()) return "alg";
  const auto candidates = keys.find(jwt->algorithm, jwt->key_id);
  if (candidates.empty()) return "unknown key";
  bool is_signed = false;
  for (const auto& key : candidates) is_signed = is_signed || oauth::has_valid_signature(*jwt, *key);
  if (!is_signed) return "signature";
  oauth::TokenExpectation wanted;
  wanted.issuer = context.at("issuer");
  wanted.client_id = context.at("client_id");
  wanted.nonce = context.at("nonce").get<std::string>();
  wanted.access_token = vector.value("access_token", "");
  wanted.now_s = context.at("now");
  const auto good = oauth::check_claims(*jwt, wanted);
  return good ? "accept" : good.failure().message;
}

TEST(OauthParts, IdTokenVectors) {
  const Json all = vectors();
  const auto keys = oauth::KeySet::parse(all.at("jwks").dump());
  ASSERT_TRUE(keys);
  int count = 0;
  for (const Json& one : all.at("id_tokens")) {
    const std::string said = verdict(all.at("context"), *keys, one);
    EXPECT_EQ(said == "accept", one.at("expect") == true) << one.at("name") << ": " << said;
    if (one.at("expect") == "refetch-jwks-then-reject") {
      EXPECT_EQ(said, "unknown key");
    }
    ++count;
  }
  EXPECT_EQ(count, 17);
}

TEST(OauthParts, EachFlippedByteOfATokenIsFound) {
  const Json all = vectors();
  const auto keys = oauth::KeySet::parse(all.at("jwks").dump());
  Json vector = all.at("id_tokens").at(0);
  const std::string token = vector.at("id_token");
  for (std::size_t i = 0; i < token.size(); ++i) {
    std::string changed = token;
    changed[i] = changed[i] == 'A' ? 'B' : 'A';
    vector["id_token"] = changed;
    EXPECT_NE(verdict(all.at("context"), *keys, vector), "accept") << i;
  }
}

TEST(OauthParts, WeakAndStrangeKeysAreNotUsed) {
  const auto count = [](const Json& key) {
    const auto set = oauth::KeySet::parse(Json{{"keys", {key}}}.dump());
    return set ? static_cast<int>(set->find("RS256", {}).size() + set->find("ES256", {}).size() +
                                  set->find("EdDSA", {}).size())
               : -1;
  };
  const Json all = vectors();
  Json rsa = all["jwks"]["keys"][0], ec = all["jwks"]["keys"][1], ed = all["jwks"]["keys"][3];
  EXPECT_EQ(count(rsa), 1);
  EXPECT_EQ(count(ec), 1);
  EXPECT_EQ(count(ed), 1);
  Json changed = rsa;
  changed["use"] = "enc";
  EXPECT_EQ(count(changed), 0);
  changed = rsa;
  changed["n"] = changed["n"].get<std::string>().substr(0, 172);  // 1024 bits
  EXPECT_EQ(count(changed), 0);
  changed["n"] = std::string(4000, 'A');
  EXPECT_EQ(count(changed), 0);
  changed = rsa;
  changed["e"] = "AQ";  // 1: everybody can sign
  EXPECT_EQ(count(changed), 0);
  changed = ec;
  changed["y"] = ec["x"];  // not on the curve
  EXPECT_EQ(count(changed), 0);
  changed = ec;
  changed["crv"] = "P-384";
  EXPECT_EQ(count(changed), 0);
  EXPECT_EQ(count(Json{{"kty", "oct"}, {"k", "AAAA"}}), 0);
  EXPECT_EQ(count(Json(7)), 0);
  for (const char* text : {"", "[]", "{}", R"({"keys": {}})", "<html>"}) {
    EXPECT_FALSE(oauth::KeySet::parse(text)) << text;
  }
}

TEST(OauthParts, ReturnTo) {
  const std::vector<std::string> allowed{"https://ui.example/app", "https://docs.example"};
  const auto good = [&](const char* target) {
    return oauth::is_return_to(target, "https://app.example", allowed);
  };
  for (const char* target :
       {"/", "/start", "/start?next=https://evil.example", "/a/b#c", "/a.b/c", "https://app.example",
        "https://app.example/x", "https://app.example:443/x", "HTTPS://APP.example/x",
        "https://ui.example/app", "https://ui.example/app/x?y#z", "https://docs.example/any"}) {
    EXPECT_TRUE(good(target)) << target;
  }
  for (const char* target :
       {"", "//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example",
        "/%2fevil.example", "/%5cevil.example", "/x//evil.example", "/../x", "/a/../b", "/a/%2e%2e/b",
        "/.%2e/b", "/\tevil", "/ x", "/x\r\nSet-Cookie: a=b", "/%0d%0aX", "/\x01", "/\xc3\xa4",
        "evil.example", "javascript:alert(1)", "data:text/html,x", "https:evil.example",
        "https:/evil.example", "https:///evil.example", "https://evil.example",
        "https://app.example@evil.example", "https://app.example.evil.example/",
        "https://app.example:8443/", "http://app.example/", "https://evil.example/https://app.example",
        "https://evil.example#@app.example", "https://evil.example?app.example",
        "https://evil.example\\@app.example", "https://ui.example/", "https://ui.example/application",
        "https://ui.example/app/../x", "https://ui.example/app/%2e%2e/x", "https://ui.example?/app",
        "ftp://app.example/", "//app.example/x", "https://app.example?x",
        "https://user:pass@app.example/", "https://app.example:/x"}) {
    EXPECT_FALSE(good(target)) << target;
  }
  EXPECT_FALSE(good(("/" + std::string(3000, 'a')).c_str()));
}

TEST(OauthParts, SealedTextsOpenWithTheirKeyAndPlaceOnly) {
  const std::string key = oauth::derive_key("secret", "purpose");
  const std::string sealed = oauth::encrypt(key, "plain", "here");
  EXPECT_EQ(oauth::decrypt(key, sealed, "here"), "plain");
  EXPECT_FALSE(oauth::decrypt(key, sealed, "there"));
  EXPECT_FALSE(oauth::decrypt(oauth::derive_key("secret", "other"), sealed, "here"));
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    std::string changed = sealed;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(oauth::decrypt(key, changed, "here")) << i;
  }
  EXPECT_FALSE(oauth::decrypt(key, sealed.substr(0, 20), "here"));
  EXPECT_NE(oauth::encrypt(key, "plain", "here"), sealed);
}

TEST(OauthParts, Base64url) {
  for (int size = 0; size < 40; ++size) {
    const std::string bytes = oauth::random_bytes(static_cast<std::size_t>(size));
    EXPECT_EQ(oauth::decode_base64url(oauth::base64url(bytes)), bytes);
  }
  for (const char* text : {"A", "AB", "AA=", "A+AA", "AA A", "AAB", "\xff\xff"}) {
    EXPECT_FALSE(oauth::decode_base64url(text)) << text;
  }
}

TEST_F(OauthTest, KeysOfTokensRotate) {
  config["token_keys"] = {{"old", {{"secret", "token_keys.old"}}}};
  host().secrets["token_keys.old"] = std::string(32, 'o');
  start();
  Browser browser, later;
  log_in("github", &browser);
  config["token_keys"] = {{"old", {{"secret", "token_keys.old"}}}, {"new", {{"secret", "token_keys.new"}}}};
  config["token_key"] = "new";
  host().secrets["token_keys.new"] = std::string(32, 'n');
  host().configure(COF_CONFIGURE_APPLY, config.dump());
  log_in("github", &later);
  int old_ones = 0, new_ones = 0;
  for (const auto& [key, row] : host().values) {
    old_ones += row.value.find("\"1.old.") != std::string::npos ? 1 : 0;
    new_ones += row.value.find("\"1.new.") != std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(old_ones, 1);
  EXPECT_EQ(new_ones, 1);
  EXPECT_EQ(call("logout", "POST", Json::object(), {}, &browser).json["revoked_at_provider"], true);
  EXPECT_EQ(call("logout", "POST", Json::object(), {}, &later).json["revoked_at_provider"], true);
  EXPECT_EQ(github.live_tokens(), 0u);
}

TEST_F(OauthTest, BadConfigurationsNameTheSetting) {
  start();
  const auto problem = [&](const Json& change) {
    Json changed = config;
    changed.merge_patch(change);
    const auto& made = host().configure(COF_CONFIGURE_CHECK, changed.dump());
    host().run();
    return made.ended->ok() ? std::string{} : made.ended->error_code + " " + made.ended->error_message;
  };
  EXPECT_EQ(problem(Json::object()), "");
  for (const auto& [change, names] : std::vector<std::pair<Json, std::string>>{
           {{{"op", {{"issuer", nullptr}}}}, "op.issuer"},
           {{{"op", {{"issuer", "http://op.example"}}}}, "op.issuer"},
           {{{"op", {{"client_id", nullptr}}}}, "op.client_id"},
           {{{"op", {{"kind", "saml"}}}}, "op.kind"},
           {{{"op", {{"algorithms", {"HS256"}}}}}, "op.algorithms"},
           {{{"github", {{"client_secret", nullptr}}}}, "github.client_secret"},
           {{{"github", {{"base_url", "github.com"}}}}, "github.base_url"},
           {{{"return_to", {"ui.example"}}}, "return_to"},
           {{{"start_page", "//evil.example"}}, "start_page"},
           {{{"token_key", "x"}}, "token_key"},
           {{{"token_keys", {{"a", 1}, {"b", 2}}}}, "token_key"}}) {
    const std::string said = problem(change);
    EXPECT_TRUE(said.starts_with("invalid_config ")) << said;
    EXPECT_NE(said.find(names), std::string::npos) << said;
  }
}

TEST_F(OauthTest, TheSitesAddressMustBeKnown) {
  base_url.clear();
  start();
  EXPECT_EQ(begin("github", nullptr).code(), "not_configured");
  const auto evil = call("login", "GET", {{"provider", "github"}}, {}, nullptr,
                         {{"host", "evil.example"}});
  EXPECT_EQ(evil.code(), "not_configured");
  const auto local = call("login", "GET", {{"provider", "github"}}, {}, nullptr,
                          {{"host", "127.0.0.1:8470"}});
  EXPECT_EQ(query_of(local.headers.at("Location")).at("redirect_uri"),
            "http://127.0.0.1:8470/oauth/github/callback");
  EXPECT_TRUE(local.cookies.contains("cof_login"));
  EXPECT_EQ(begin("nobody", nullptr).code(), "unknown_provider");
}

}  // namespace
