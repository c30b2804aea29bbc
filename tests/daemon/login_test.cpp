// SPDX-License-Identifier: Apache-2.0
// A login with GitHub at the real daemon, over TCP as a browser does it: its expiry is seen and
// enforced, forged ones are refused, a restart in between does not matter.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/simulators/github_oauth.hpp"
#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
namespace {

using Json = nlohmann::json;

struct Reply {
  int status = 0;
  std::string location;
  std::string body;
  Json json() const { return Json::parse(body, nullptr, false); }
  std::string code() const {
    const Json all = json();
    return all.is_object() && all.contains("error") ? all["error"].value("code", "") : "";
  }
};

std::uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

// One request, one connection; cookies are kept.
struct Browser {
  std::map<std::string, std::string> cookies;

  Reply go(const std::string& method, const std::string& url, const std::string& more = {}) {
    const auto slash = url.find('/', 7);
    const std::string host = url.substr(7, slash - 7);
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval most{20, 0};
    ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(host.substr(host.find(':') + 1))));
    std::string text;
    if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) {
      std::string request = method + " " + url.substr(slash) + " HTTP/1.1\r\nHost: " + host +
                            "\r\nConnection: close\r\n" + more;
      if (!cookies.empty()) {
        request += "Cookie: ";
        for (const auto& [name, value] : cookies) request += name + "=" + value + "; ";
        request.resize(request.size() - 2);
        request += "\r\n";
      }
      if (method == "POST") request += "Content-Length: 0\r\n";
      request += "\r\n";
      ::send(descriptor, request.data(), request.size(), MSG_NOSIGNAL);
      char bytes[4096];
      for (ssize_t n = 0; (n = ::recv(descriptor, bytes, sizeof bytes, 0)) > 0;) {
        text.append(bytes, static_cast<std::size_t>(n));
      }
    }
    ::close(descriptor);
    return read(text);
  }

 private:
  Reply read(const std::string& text) {
    Reply reply;
    if (text.size() < 12) return reply;
    reply.status = std::stoi(text.substr(9, 3));
    const auto end = text.find("\r\n\r\n");
    reply.body = text.substr(end + 4);
    for (auto at = text.find("\r\n"); at < end;) {
      const auto next = text.find("\r\n", at + 2);
      const std::string line = text.substr(at + 2, next - at - 2);
      at = next;
      const auto colon = line.find(": ");
      std::string name = line.substr(0, colon);
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      if (name == "location") reply.location = line.substr(colon + 2);
      if (name != "set-cookie") continue;
      const std::string value = line.substr(colon + 2);
      const auto equals = value.find('=');
      cookies[value.substr(0, equals)] = value.substr(equals + 1, value.find(';') - equals - 1);
    }
    return reply;
  }
};

class Login : public testing::Test {
 protected:
  simulator::GithubOauth github{{}};
  std::atomic<int> token_requests = 0;
  std::unique_ptr<simulator::HttpServer> server = std::make_unique<simulator::HttpServer>(
      std::uint16_t{0}, [this](const simulator::Request& request) {
        if (request.path == "/login/oauth/access_token") ++token_requests;
        return github.handle(request);
      });
  RealDaemon daemon{{"plugins/oauth.so", "fixtures/guarded.so"}};
  std::string site;

  void configure(const std::string& more = {}) {
    if (site.empty()) site = "http://127.0.0.1:" + std::to_string(free_port());
    const std::string at = "http://127.0.0.1:" + std::to_string(server->port());
    daemon.configure("allow_plain_secrets = true\n[http]\nlisten = [\"" + site.substr(7) +
                     "\"]\npublic_url = \"" + site + "\"\n[plugin.oauth]\n" + more +
                     "\n[plugin.oauth.github]\nclient_id = \"" + github.options().client_id +
                     "\"\nclient_secret = \"github-secret\"\nbase_url = \"" + at + "\"\napi_url = \"" +
                     at + "\"\n[plugin.oauth.roles.staff]\nallowed_orgs = [\"github\"]\n");
  }
  // To the provider and back, but not into the callback.
  std::string agree(Browser& browser, const std::string& query = {}) {
    const Reply began = browser.go("GET", site + "/oauth/github/login" + query);
    EXPECT_EQ(began.status, 303) << began.body;
    Browser elsewhere;  // the provider's cookies are its own
    return elsewhere.go("GET", began.location).location;
  }
};

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

// The origin's row: each CSRF variant refused, and nothing of it reaches the provider; facts section
// 10, "no state check".  The one that is too old is below.
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
