// SPDX-License-Identifier: Apache-2.0
// A login with GitHub at the real daemon, over TCP as a browser does it: its expiry is seen and
// enforced, forged ones are refused, a restart in between does not matter.
#include <fcntl.h>

#include "tests/daemon/login_world.hpp"

namespace cofounder::test {
namespace {

TEST_F(Login, WorksAcrossARestartAndGuardsRoutes) {
  configure();
  ASSERT_TRUE(daemon.start()) << daemon.log();
  Browser browser, nobody;
  EXPECT_EQ(browser.go("GET", site + "/members").code(), "login_required");
  EXPECT_EQ(browser.go("GET", site + "/who").status, 404);
  const std::string callback = agree(browser, "?return_to=/members");
  daemon.kill();  // between authorize and callback
  ASSERT_TRUE(daemon.start());
  const Reply back = browser.go("GET", callback);
  ASSERT_EQ(back.status, 303) << back.body;
  EXPECT_EQ(back.location, "/members");
  EXPECT_EQ(browser.go("GET", site + "/members").json()["subject"], "github:583231");
  EXPECT_EQ(browser.go("GET", site + "/staff").status, 200);
  EXPECT_EQ(browser.go("GET", site + "/who").json(), (Json{{"subject", "github:583231"}, {"staff", true}}));
  EXPECT_EQ(browser.go("GET", site + "/oauth/me").json()["email"], "octocat@example.com");
  EXPECT_EQ(nobody.go("GET", site + "/staff").status, 401);
  // The operator sees it on the socket only.
  EXPECT_EQ(nobody.go("GET", site + "/oauth/sessions").status, 404);
  const Json list = Json::parse(daemon.get("/oauth/sessions").body, nullptr, false);
  ASSERT_EQ(list["sessions"].size(), 1u) << list;
  const std::string id = list["sessions"][0]["session"];
  EXPECT_EQ(daemon.call("DELETE", "/oauth/sessions/" + id).status, 200);
  EXPECT_EQ(browser.go("GET", site + "/oauth/me").status, 401);
  EXPECT_EQ(github.live_tokens(), 0u);
  EXPECT_EQ(daemon.log().find("github-secret"), std::string::npos);
  EXPECT_EQ(read_file(daemon.database()).find("gho_"), std::string::npos);
}

// With the providers' facts, row 5: "logout revokes nothing".
TEST_F(Login, TheRoleIsNeeded) {
  github.options().orgs = "[]";
  configure();
  ASSERT_TRUE(daemon.start());
  Browser browser;
  EXPECT_EQ(browser.go("GET", agree(browser)).status, 303);
  EXPECT_EQ(browser.go("GET", site + "/members").status, 200);
  EXPECT_EQ(browser.go("GET", site + "/staff").code(), "role_missing");
  const Reply out = browser.go("POST", site + "/oauth/logout");
  EXPECT_EQ(out.json()["revoked_at_provider"], true) << out.body;
  EXPECT_EQ(browser.go("GET", site + "/members").status, 401);
}

// The origin's row: a GitHub login with expiry seen and enforced.
TEST_F(Login, ExpiryIsSeenAndEnforced) {
  configure("session_seconds = 2");
  ASSERT_TRUE(daemon.start());
  Browser browser;
  EXPECT_EQ(browser.go("GET", agree(browser)).status, 303);
  const Reply who = browser.go("GET", site + "/oauth/me");
  ASSERT_EQ(who.status, 200);
  EXPECT_LE(who.json()["logged_in_at"], who.json()["expires_at"]);
  EXPECT_TRUE(wait_until([&] { return browser.go("GET", site + "/oauth/me").status == 401; }));
  EXPECT_EQ(browser.go("GET", site + "/members").status, 401);
}

// The origin's row: each CSRF variant refused, and nothing of it reaches the provider; the providers' facts, row 2:
// "no state check".  The one that is too old is below.
TEST_F(Login, EachForgedStateIsRefusedWithoutARequest) {
  configure();
  ASSERT_TRUE(daemon.start());
  const auto with_state = [](const std::string& url, const std::string& state) {
    const auto at = url.find("state=");
    const auto end = std::min(url.size(), url.find('&', at));
    return url.substr(0, at) + state + url.substr(end);
  };
  const std::string made_up = "state=" + std::string(43, 'A');
  Browser other;
  const std::string others = agree(other), others_state = others.substr(others.find("state="), 49);
  struct Forged {
    const char* what;
    std::function<std::string(const std::string&)> change;
  };
  for (const auto& [what, change] : std::vector<Forged>{
           {"never issued", [&](const std::string& url) { return with_state(url, made_up); }},
           {"none", [&](const std::string& url) { return with_state(url, "x=y"); }},
           {"empty", [&](const std::string& url) { return with_state(url, "state="); }},
           {"cut", [&](const std::string& url) { return with_state(url, "state=AAAA"); }},
           {"twice", [&](const std::string& url) { return url + "&" + made_up; }},
           {"of another browser", [&](const std::string& url) { return with_state(url, others_state); }},
           {"of another browser, with its code", [&](const std::string&) { return others; }}}) {
    Browser browser;
    const Reply reply = browser.go("GET", change(agree(browser)));
    EXPECT_EQ(reply.status, 400) << what << reply.body;
    EXPECT_EQ(browser.go("GET", site + "/oauth/me").status, 401) << what;
  }
  Browser no_cookie, twice;
  EXPECT_EQ(no_cookie.go("GET", agree(twice)).status, 400);
  EXPECT_EQ(token_requests, 0);
  const std::string callback = agree(twice);
  EXPECT_EQ(twice.go("GET", callback).status, 303);
  EXPECT_EQ(token_requests, 1);
  EXPECT_EQ(twice.go("GET", callback).status, 400);
  EXPECT_EQ(token_requests, 1);
  // Nor does a page of another site log anybody out.
  EXPECT_EQ(twice.go("POST", site + "/oauth/logout", "Origin: https://evil.example\r\n").code(), "cross_site");
  EXPECT_EQ(twice.go("POST", site + "/oauth/logout", "Origin: null\r\n").code(), "cross_site");
  EXPECT_EQ(twice.go("POST", site + "/oauth/logout", "Sec-Fetch-Site: cross-site\r\n").code(), "cross_site");
  EXPECT_EQ(twice.go("GET", site + "/oauth/me").status, 200);
}

// The providers' facts, row 1: "mock auth code accepted", and row 3: "HTTP 200 errors": a code that was
// used, which GitHub refuses with status 200.
TEST_F(Login, CodesThatAreNoneLetNobodyIn) {
  configure();
  ASSERT_TRUE(daemon.start());
  const auto with_code = [](const std::string& url, const std::string& code) {
    const auto at = url.find("code=");
    return url.substr(0, at) + "code=" + code + url.substr(std::min(url.size(), url.find('&', at)));
  };
  const auto code_of = [](const std::string& url) {
    const auto at = url.find("code=") + 5;
    return url.substr(at, url.find('&', at) - at);
  };
  Browser first, second;
  const std::string used = agree(first);
  ASSERT_EQ(first.go("GET", used).status, 303);
  for (const std::string& code : {std::string{"mock_auth_code_x"}, code_of(used)}) {
    const Reply reply = second.go("GET", with_code(agree(second), code));
    EXPECT_EQ(reply.status, 401) << reply.body;
    EXPECT_EQ(reply.code(), "bad_verification_code") << reply.body;
    EXPECT_EQ(second.go("GET", site + "/oauth/me").status, 401);
  }
  EXPECT_EQ(Json::parse(daemon.get("/oauth/sessions").body, nullptr, false)["sessions"].size(), 1u);
  for (const auto& file : {daemon.plugins() / "oauth.so", std::filesystem::path{COFOUNDER_BINARY_DIR "/bin/cofounderd"}}) {
    EXPECT_EQ(read_file(file).find("mock_auth"), std::string::npos) << file;
    EXPECT_NE(read_file(file).find("ELF"), std::string::npos) << file;
  }
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(Login, ForgedCallbacksAreRefused) {
  configure();
  ASSERT_TRUE(daemon.start());
  Browser attacker, victim, nobody;
  const std::string callback = agree(attacker);
  agree(victim);
  EXPECT_EQ(nobody.go("GET", callback).code(), "invalid_state");
  EXPECT_EQ(victim.go("GET", callback).code(), "invalid_state");
  EXPECT_EQ(attacker.go("GET", callback + "&iss=https%3A%2F%2Fevil.example").code(), "invalid_issuer");
  EXPECT_EQ(attacker.go("GET", callback).code(), "invalid_state") << "it was used";
  const std::string mock = agree(attacker);
  const auto code = mock.find("code=");
  EXPECT_EQ(attacker.go("GET", mock.substr(0, code) + "code=mock_auth_code_x" +
                                   mock.substr(std::min(mock.size(), mock.find('&', code))))
                .status,
            401);
  EXPECT_EQ(github.live_tokens(), 0u);
  EXPECT_EQ(attacker.go("GET", site + "/oauth/github/login?return_to=//evil.example").code(),
            "invalid_return_to");
}

// The providers' facts, row 2: "no state check".
TEST_F(Login, AStateIsOverInTime) {
  configure("state_seconds = 1");
  ASSERT_TRUE(daemon.start());
  Browser browser;
  const std::string late = agree(browser);
  // Its row goes by the store's clock; a callback is the only way to see it, and takes it out.
  const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{1100};
  wait_until([&] { return std::chrono::steady_clock::now() > until; });
  EXPECT_EQ(browser.go("GET", late).code(), "invalid_state");
  EXPECT_EQ(token_requests, 0);
  EXPECT_EQ(github.live_tokens(), 0u);
}

// cofounderctl as somebody at a terminal runs it.
class TerminalLogin : public Login {
 protected:
  std::filesystem::path said = daemon.folder() / "said";
  std::filesystem::path session = daemon.folder() / "config/cofounderd/session";

  std::unique_ptr<Child> begin(std::vector<std::string> words) {
    words.insert(words.begin(), COFOUNDER_BINARY_DIR "/bin/cofounderctl");
    const int out = ::open(said.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    auto child = std::make_unique<Child>(
        Child::Options{std::move(words),
                       {{"COFOUNDERD_SOCKET", daemon.socket().string()},
                        {"XDG_CONFIG_HOME", (daemon.folder() / "config").string()}},
                       out});
    ::close(out);
    return child;
  }
  std::optional<int> ctl(std::vector<std::string> words) { return begin(std::move(words))->wait(); }
  bool says(const std::string& words) const { return read_file(said).find(words) != std::string::npos; }
  // Begins a login, and waits until it has said what to type where.
  std::unique_ptr<Child> begin_login(std::string& code) {
    auto child = begin({"login", "github"});
    EXPECT_TRUE(wait_until([&] { return says("waiting ..."); })) << read_file(said);
    const std::string text = read_file(said), label = "and enter this code:";
    const auto at = text.find_first_not_of(' ', text.find(label) + label.size());
    code = text.substr(at, text.find('\n', at) - at);
    return child;
  }
};

TEST_F(TerminalLogin, WorksAcrossARestartAndOpensGuardedRoutes) {
  github.options().device_interval_s = 1;
  configure();
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_EQ(ctl({"call", "GET", "/members"}), 4);
  EXPECT_TRUE(says("login_required") && says("cofounderctl login")) << read_file(said);
  std::string code;
  const auto login = begin_login(code);
  daemon.kill();
  ASSERT_TRUE(wait_until([&] { return says("still waiting"); }));
  ASSERT_TRUE(daemon.start());
  ASSERT_TRUE(github.answer_device(code, true)) << code;
  ASSERT_EQ(login->wait(), 0) << read_file(said);
  EXPECT_TRUE(says("logged in as github:583231 (octocat)")) << read_file(said);
  EXPECT_EQ(std::filesystem::status(session).permissions(), std::filesystem::perms{0600});
  const std::string token = parse(read_file(session)).root().string_or("token", "");
  ASSERT_EQ(token.size(), 43u);
  EXPECT_FALSE(says(token));
  EXPECT_EQ(daemon.log().find(token), std::string::npos);
  EXPECT_EQ(read_file(daemon.database()).find(token), std::string::npos) << "only its hash is kept";

  EXPECT_EQ(ctl({"call", "GET", "/members"}), 0);
  EXPECT_TRUE(says("github:583231")) << read_file(said);
  EXPECT_EQ(ctl({"call", "GET", "/staff"}), 0) << read_file(said);
  EXPECT_EQ(ctl({"whoami"}), 0);
  EXPECT_TRUE(says("octocat@example.com")) << read_file(said);
  EXPECT_EQ(ctl({"logout"}), 0);
  EXPECT_TRUE(says("at the provider, too")) << read_file(said);
  EXPECT_EQ(github.live_tokens(), 0u);
  EXPECT_FALSE(std::filesystem::exists(session));
  EXPECT_EQ(ctl({"call", "GET", "/members"}), 4);
}

TEST_F(TerminalLogin, IsRefusedByThePersonAndEndedByTheOperator) {
  github.options().device_interval_s = 1;
  configure();
  ASSERT_TRUE(daemon.start()) << daemon.log();
  std::string code;
  auto login = begin_login(code);
  ASSERT_TRUE(github.answer_device(code, false));
  EXPECT_EQ(login->wait(), 4);
  EXPECT_TRUE(says("access_denied")) << read_file(said);
  EXPECT_FALSE(std::filesystem::exists(session));
  EXPECT_EQ(ctl({"login", "nobody"}), 3);

  // Nobody typed the code before it was too old.
  login = begin_login(code);
  github.options().device_age_s = -1;
  EXPECT_EQ(login->wait(), 6);
  EXPECT_TRUE(says("expired_token")) << read_file(said);
  github.options().device_age_s = 900;

  login = begin_login(code);
  ASSERT_TRUE(github.answer_device(code, true));
  ASSERT_EQ(login->wait(), 0) << read_file(said);
  const Json list = Json::parse(daemon.get("/oauth/sessions").body, nullptr, false);
  const std::string id = list["sessions"][0]["session"];
  EXPECT_EQ(daemon.call("DELETE", "/oauth/sessions/" + id).status, 200);
  EXPECT_EQ(ctl({"call", "GET", "/members"}), 4);
  EXPECT_TRUE(says("your session is over")) << read_file(said);
  EXPECT_EQ(ctl({"logout"}), 0);
  EXPECT_TRUE(says("was over already")) << read_file(said);
}

TEST_F(Login, WithoutThePluginNobodyCanBeKnown) {
  configure();
  daemon.configure("[http]\nlisten = [\"" + site.substr(7) + "\"]\nidentity = \"hello\"\n");
  ASSERT_TRUE(daemon.start());
  Browser browser;
  EXPECT_EQ(browser.go("GET", site + "/members").status, 503);
  EXPECT_EQ(browser.go("GET", site + "/members").code(), "identity_unavailable");
}

}  // namespace
}  // namespace cofounder::test
