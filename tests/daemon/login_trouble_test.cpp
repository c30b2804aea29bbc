// SPDX-License-Identifier: Apache-2.0
// Logins while the provider is in trouble, of each kind and at each of its endpoints: one typed error
// for the browser, no session, and a later login works.
#include <algorithm>
#include <array>

#include "tests/daemon/login_world.hpp"
#include "tests/simulators/oidc.hpp"
#include "tests/support/tiny_client.hpp"

namespace cofounder::test {
namespace {

struct Trouble {
  std::string name, fault;
  std::vector<std::string> codes;  // that the error may have; empty: it works all the same
  friend void PrintTo(const Trouble& trouble, std::ostream* out) { *out << trouble.name; }
};

class LoginTrouble : public Login, public testing::WithParamInterface<Trouble> {
 protected:
  simulator::Oidc op{{}};
  std::unique_ptr<simulator::HttpServer> op_server = std::make_unique<simulator::HttpServer>(
      std::uint16_t{0}, [this](const simulator::Request& request) { return op.handle(request); });

  // Each of the OpenID providers is the same one, but knows nothing of what the others have seen.
  void begin() {
    configure();
    const std::string file = (daemon.folder() / "conf.d/test.toml").string();
    std::string more = read_file(file);
    for (const char* name : {"discovery", "keys", "token"}) {
      more += std::string{"[plugin.oauth."} + name + "]\nkind = \"oidc\"\nissuer = \"http://127.0.0.1:" +
              std::to_string(op_server->port()) + "\"\nclient_id = \"client-1\"\nclient_secret = \"s/cret +&=%\"\ntimeout_seconds = 0.5\n";
    }
    const auto github_at = more.find("[plugin.oauth.github]\n") + 22;
    more.insert(github_at, "timeout_seconds = 0.5\n");
    daemon.configure(more);
    ASSERT_TRUE(daemon.start()) << daemon.log();
  }
  // A login from its beginning to its end, or to the first answer that is no redirection.
  Reply log_in(Browser& browser, const std::string& provider) {
    op.options().redirect_uri = "http://127.0.0.1/oauth/" + provider + "/callback";
    const Reply began = browser.go("GET", site + "/oauth/" + provider + "/login");
    if (began.status != 303) return began;
    Browser elsewhere;
    return browser.go("GET", elsewhere.go("GET", began.location).location);
  }
  static void inject(int port, const std::string& list) {
    EXPECT_EQ(tcp_call(port, "POST", "/_faults", R"({"faults":[)" + list + "]}").status, 200);
  }
  std::size_t sessions() {
    return Json::parse(daemon.get("/oauth/sessions").body, nullptr, false)["sessions"].size();
  }
};

TEST_P(LoginTrouble, IsOneTypedErrorAndNoSession) {
  begin();
  const std::vector<std::array<std::string, 2>> places{
      {"github", "/login/oauth/access_token"}, {"github", "/user"},  {"github", "/user/emails"},
      {"discovery", "/.well-known/"},          {"keys", "/jwks"},    {"token", "/token"}};
  std::size_t known = 0;
  for (const auto& [provider, path] : places) {
    const int port = provider == "github" ? server->port() : op_server->port();
    const std::string shown = GetParam().name + " at " + provider + " " + path;
    inject(port, R"({"count":-1,"path":")" + path + R"(",)" + GetParam().fault + "}");
    Browser browser;
    const Reply reply = log_in(browser, provider);
    inject(port, "");
    // One that reads what comes, whatever it is called, is right, too.
    const bool may_work = GetParam().codes.empty() || GetParam().name == "WrongContentType";
    if (may_work && reply.status == 303) {
      EXPECT_EQ(sessions(), ++known) << shown;
      continue;
    }
    EXPECT_GE(reply.status, 502) << shown << reply.body;
    EXPECT_LE(reply.status, 504) << shown << reply.body;
    EXPECT_NE(std::find(GetParam().codes.begin(), GetParam().codes.end(), reply.code()), GetParam().codes.end()) << shown << reply.body;
    EXPECT_EQ(browser.go("GET", site + "/oauth/me").status, 401) << shown;
    EXPECT_EQ(sessions(), known) << shown;
  }
  for (const char* provider : {"github", "discovery", "token"}) {
    Browser browser;
    EXPECT_EQ(log_in(browser, provider).status, 303) << provider;
  }
  EXPECT_EQ(daemon.stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(All, LoginTrouble, testing::Values(
    Trouble{"Latency", R"("kind":"latency","milliseconds":100)", {}},
    Trouble{"TooManyRequests", R"("kind":"status","status":429,"headers":{"Retry-After":"900"},"body":"{}")", {"rate_limited"}},
    Trouble{"InternalError", R"("kind":"status","status":500,"body":"{}")", {"provider_unavailable"}},
    Trouble{"BadGatewayInHtml", R"("kind":"status","status":502,"body":"<html></html>","content_type":"text/html")", {"provider_unavailable"}},
    Trouble{"WebPage", R"("kind":"status","status":200,"body":"<html></html>","content_type":"text/html")", {"bad_answer"}},
    Trouble{"Empty", R"("kind":"status","status":200,"body":"")", {"bad_answer"}},
    Trouble{"Truncated", R"("kind":"truncate")", {"connection_lost", "unavailable", "provider_unavailable"}},
    Trouble{"Reset", R"("kind":"reset")", {"connection_lost", "unavailable", "provider_unavailable"}},
    Trouble{"Silence", R"("kind":"silence")", {"timed_out"}},
    Trouble{"SlowDrip", R"("kind":"drip","milliseconds":150)", {"timed_out"}},
    Trouble{"WrongContentType", R"("kind":"content_type","content_type":"image/x-nothing")", {"bad_answer"}},
    Trouble{"HugeBody", R"("kind":"huge")", {"response_too_big", "too_big", "bad_answer"}}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace cofounder::test
