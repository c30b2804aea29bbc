// SPDX-License-Identifier: Apache-2.0
// Logging in from a terminal, against a daemon that says what it likes; nobody really waits.
#include <sys/stat.h>

#include <filesystem>

#include "core/ctl/login_file.hpp"
#include "tests/ctl/ctl_fixture.hpp"

namespace cofounder::ctl {
namespace {

namespace fs = std::filesystem;
using test::error_answer;
using test::http_answer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr const char* device = "POST /oauth/github/device";
constexpr const char* begun =
    R"({"device_code":"dc-1","user_code":"ABCD-1234","interval":5,"expires_in":900,)"
    R"("verification_uri":"https://github.com/login/device"})";
constexpr const char* done =
    R"({"token":"the-token_1","expires_at":"2999-01-01T00:00:00Z",)"
    R"("user":{"subject":"github:583231","login":"octocat","email":"octocat@example.com"}})";

std::string pending(int interval) {
  return http_answer(202, R"({"status":"pending","interval":)" + std::to_string(interval) + "}");
}

class CtlLoginTest : public CtlTest {
 protected:
  fs::path file() const { return config_home() / "cofounderd/session"; }
  std::string kept() const {
    std::ifstream in{file()};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& entry : fs::directory_iterator{file().parent_path()}) {
      all.push_back(entry.path().filename());
    }
    return all;
  }
  void log_in() {
    on(device, http_answer(200, begun));
    on(device, http_answer(200, done));
    ASSERT_EQ(run({"login", "github"}), exit_code::ok) << err;
    answers.clear();
    pauses.clear();
  }
  // What was sent as the request with this number, and who it was by.
  std::string bearer_of(std::size_t number) const {
    const std::string head = daemon.seen().at(number).head;
    const auto at = head.find("Authorization: Bearer ");
    return at == std::string::npos ? "" : head.substr(at + 22, head.find('\r', at) - at - 22);
  }
};

TEST_F(CtlLoginTest, APersonLogsInAndOthersUseTheSession) {
  on("GET /oauth/providers", http_answer(200, R"({"providers":["github"]})"));
  on(device, http_answer(200, begun));
  on(device, pending(5));
  on(device, pending(10));  // slow_down
  on(device, pending(10));
  on(device, http_answer(200, done));
  EXPECT_EQ(run({"login"}), exit_code::ok) << err;
  EXPECT_THAT(err, HasSubstr("https://github.com/login/device\n"));
  EXPECT_THAT(err, HasSubstr("ABCD-1234\n"));
  EXPECT_THAT(err, HasSubstr("good for 15min"));
  EXPECT_THAT(out, HasSubstr("logged in as github:583231 (octocat), ends in "));
  EXPECT_THAT(out, HasSubstr("kept in " + file().native() + "\n"));
  EXPECT_THAT(out + err, Not(HasSubstr("the-token_1")));
  EXPECT_THAT(out + err, Not(HasSubstr("dc-1"))) << "whoever has it gets the session";
  EXPECT_THAT(pauses, ElementsAre(5, 5, 10, 10)) << "as the daemon said";
  EXPECT_EQ(daemon.seen().at(1).body, "");
  EXPECT_EQ(daemon.seen().at(2).body, R"({"device_code":"dc-1"})");
  EXPECT_EQ(fs::status(file()).permissions(), fs::perms{0600});
  EXPECT_EQ(fs::status(file().parent_path()).permissions(), fs::perms{0700});
  EXPECT_THAT(names(), ElementsAre("session")) << "nothing else is left";

  on("GET /oauth/me", http_answer(200, R"({"subject":"github:583231"})"));
  EXPECT_EQ(run({"whoami"}), exit_code::ok) << err;
  EXPECT_EQ(out, "subject  github:583231\n");
  EXPECT_EQ(bearer_of(daemon.seen().size() - 1), "the-token_1");

  on("POST /oauth/logout", http_answer(200, R"({"logged_out":true,"revoked_at_provider":true})"));
  EXPECT_EQ(run({"logout"}), exit_code::ok) << err;
  EXPECT_EQ(out, "logged out, at the provider, too\n");
  EXPECT_EQ(bearer_of(daemon.seen().size() - 1), "the-token_1");
  EXPECT_FALSE(fs::exists(file()));
  const auto before = daemon.seen().size();
  EXPECT_EQ(run({"whoami"}), exit_code::denied);
  EXPECT_THAT(err, HasSubstr("login_required"));
  EXPECT_EQ(run({"logout"}), exit_code::ok);
  EXPECT_EQ(daemon.seen().size(), before) << "there is nobody to ask about";
}

TEST_F(CtlLoginTest, TheSessionIsSentWhereARouteWantsALoginOnly) {
  log_in();
  const auto before = daemon.seen().size();
  on("GET /v1/status", http_answer(200, "{}"));
  EXPECT_EQ(run({"status"}), exit_code::ok);
  EXPECT_EQ(bearer_of(before), "");
  on("GET /members", error_answer(401, "login_required", "somebody has to be logged in"));
  on("GET /members", http_answer(200, "{\"hello\":\"octocat\"}\n"));
  EXPECT_EQ(run({"call", "GET", "/members"}), exit_code::ok) << err;
  EXPECT_EQ(out, "{\"hello\":\"octocat\"}\n");
  EXPECT_EQ(bearer_of(before + 1), "");
  EXPECT_EQ(bearer_of(before + 2), "the-token_1");
  // Other refusals are no question for it.
  on("GET /v1/plugins", error_answer(401, "denied", "not you"));
  EXPECT_EQ(run({"plugin", "list"}), exit_code::denied);
  EXPECT_EQ(daemon.seen().size(), before + 4);
  // Over: said so, not tried for ever.
  on("GET /over", error_answer(401, "login_required", "somebody has to be logged in"));
  EXPECT_EQ(run({"call", "GET", "/over"}), exit_code::denied);
  EXPECT_THAT(err, HasSubstr("your session is over"));
  EXPECT_THAT(err, HasSubstr("cofounderctl login"));
  EXPECT_EQ(daemon.seen().size(), before + 6);
  // It is nobody else's: another daemon's socket gets no token.
  test::FakeDaemon other{[](const test::SeenRequest&) {
    return error_answer(401, "login_required", "somebody has to be logged in", "log in");
  }};
  EXPECT_EQ(run_bare({"--socket", other.socket().native(), "call", "GET", "/members"}), exit_code::denied);
  EXPECT_THAT(err, HasSubstr("hint: log in\n"));
  ASSERT_EQ(other.seen().size(), 1u);
  EXPECT_THAT(other.seen().at(0).head, Not(HasSubstr("Authorization")));
}

TEST_F(CtlLoginTest, CanPrintInsteadOfKeeping) {
  on(device, http_answer(200, begun));
  on(device, http_answer(200, done));
  EXPECT_EQ(run({"login", "github", "--print"}), exit_code::ok) << err;
  EXPECT_EQ(out, "the-token_1\n");
  EXPECT_FALSE(fs::exists(config_home()));
  answers.clear();
  on(device, http_answer(200, begun));
  on(device, http_answer(200, done));
  EXPECT_EQ(run({"login", "github", "--print", "--json"}), exit_code::ok) << err;
  EXPECT_EQ(out, done);
  answers.clear();
  on(device, http_answer(200, begun));
  on(device, http_answer(200, done));
  EXPECT_EQ(run({"login", "github", "--json"}), exit_code::ok) << err;
  EXPECT_THAT(out, Not(HasSubstr("the-token_1")));
  EXPECT_TRUE(json::parse(out)) << out;
  EXPECT_THAT(kept(), HasSubstr("\"token\":\"the-token_1\""));
}

TEST_F(CtlLoginTest, EachEndHasItsExitCode) {
  struct Case {
    int status;
    const char* code;
    int exit;
  };
  for (const Case& one : {Case{403, "access_denied", exit_code::denied}, Case{401, "expired_token", exit_code::timed_out},
                          Case{403, "not_allowed", exit_code::denied}, Case{400, "invalid_device_code", exit_code::failed},
                          Case{404, "unknown_provider", exit_code::not_found}}) {
    answers.clear();
    on(device, http_answer(200, begun));
    on(device, pending(5));
    on(device, error_answer(one.status, one.code, "no"));
    EXPECT_EQ(run({"login", "github"}), one.exit) << one.code;
    EXPECT_THAT(err, HasSubstr(one.code));
    EXPECT_FALSE(fs::exists(file()));
  }
  // Nobody types it: the daemon need not say so.
  answers.clear();
  pauses.clear();
  on(device, http_answer(200, begun));
  on(device, pending(60));
  EXPECT_EQ(run({"login", "github"}), exit_code::timed_out);
  EXPECT_THAT(err, HasSubstr("expired_token"));
  EXPECT_EQ(pauses.size(), 16u) << "5 s, and 15 times 60 s";
}

TEST_F(CtlLoginTest, TroubleIsWaitedForMoreAndMoreSeldom) {
  on(device, http_answer(200, begun));
  on(device, error_answer(504, "timed_out", "the provider does not answer"));
  on(device, error_answer(503, "store_unavailable", "logins cannot be kept now"));
  on(device, "");  // the daemon restarts
  on(device, error_answer(429, "rate_limited", "slowly"));
  on(device, http_answer(200, done));
  EXPECT_EQ(run({"login", "github"}), exit_code::ok) << err;
  EXPECT_THAT(pauses, ElementsAre(5, 10, 20, 40, 80));
  EXPECT_THAT(err, HasSubstr("still waiting: the provider does not answer\n"));
}

TEST_F(CtlLoginTest, WrongAnswersAreErrorsAndCannotSteerTheTerminal) {
  for (const char* body : {"", "[]", "{}", "null", R"({"device_code":"d","user_code":"u","expires_in":5})",
                           R"({"user_code":"u","verification_uri":"https://a.example","expires_in":5})",
                           R"({"device_code":"d","user_code":"u","verification_uri":"https://a.example"})",
                           R"({"device_code":"d","user_code":"u","verification_uri":"https://a.example","expires_in":-5})",
                           R"({"device_code":5,"user_code":"u","verification_uri":"https://a.example","expires_in":5})"}) {
    answers.clear();
    on(device, http_answer(200, body));
    EXPECT_EQ(run({"login", "github"}), exit_code::failed) << body;
    EXPECT_THAT(err, HasSubstr("bad_answer")) << body;
  }
  EXPECT_TRUE(pauses.empty());
  for (const char* body : {"{}", R"({"token":""})", R"({"token":"a\r\nX-Evil: 1"})", R"({"token":"a b"})", "[]"}) {
    answers.clear();
    on(device, http_answer(200, begun));
    on(device, http_answer(200, body));
    EXPECT_EQ(run({"login", "github"}), exit_code::failed) << body;
    EXPECT_FALSE(fs::exists(file())) << body;
  }
  answers.clear();
  pauses.clear();
  on(device, http_answer(200, R"({"device_code":"d","user_code":"\u001b[2J","interval":0,"expires_in":99999999,)"
                              R"("verification_uri":"https://a.example/\u001b]0;x\u0007"})"));
  on(device, pending(-7));
  on(device, pending(1'000'000));
  on(device, http_answer(200, R"({"token":"t","user":{"subject":"\u001b[31m"}})"));
  EXPECT_EQ(run({"login", "github"}), exit_code::ok) << err;
  EXPECT_THAT(out + err, Not(HasSubstr("\x1b")));
  EXPECT_THAT(pauses, ElementsAre(1, 1, 300)) << "neither at once nor next year";
}

TEST_F(CtlLoginTest, TheProviderIsTheOnlyOneOrNamed) {
  EXPECT_EQ(run({"login"}), exit_code::not_found) << "no plugin for it";
  EXPECT_THAT(err, HasSubstr("no_logins"));
  on("GET /oauth/providers", http_answer(200, R"({"providers":["github","google"]})"));
  EXPECT_EQ(run({"login"}), exit_code::usage);
  EXPECT_THAT(err, HasSubstr("github, google"));
  answers.clear();
  on("GET /oauth/providers", http_answer(200, R"({"providers":[]})"));
  EXPECT_EQ(run({"login"}), exit_code::not_found);
  EXPECT_EQ(run({"login", "a/../b c"}), exit_code::not_found);
  EXPECT_EQ(targets().back(), "POST /oauth/a%2F..%2Fb%20c/device");
}

TEST_F(CtlLoginTest, AFileThatIsNotForTheUserAloneOrNoSessionIsNotUsed) {
  log_in();
  const auto before = daemon.seen().size();
  const auto refused = [&](const char* code) {
    EXPECT_EQ(run({"whoami"}), exit_code::failed);
    EXPECT_THAT(err, HasSubstr(code));
    EXPECT_THAT(err, HasSubstr("log in again"));
  };
  for (const unsigned mode : {0640u, 0604u, 0660u, 0666u}) {
    fs::permissions(file(), fs::perms{mode});
    refused("session_exposed");
  }
  const std::string good = kept();
  const auto put = [&](const std::string& text) {
    fs::remove_all(file());
    std::ofstream{file()} << text;
    fs::permissions(file(), fs::perms{0600});
  };
  for (const std::string& text : {std::string{}, std::string{"null"}, std::string{"{}"}, good.substr(0, 20),
                                  std::string(1 << 20, 'x'), std::string{R"({"socket":"/x","token":"a\nb"})"}}) {
    put(text);
    refused("session_unreadable");
  }
  fs::remove(file());
  fs::create_directory(file());
  refused("session_unreadable");
  fs::remove(file());
  ASSERT_EQ(::mkfifo(file().c_str(), 0600), 0);
  refused("session_unreadable");
  fs::remove(file());
  std::ofstream{config_home() / "elsewhere"} << good;
  fs::permissions(config_home() / "elsewhere", fs::perms{0600});
  fs::create_symlink(config_home() / "elsewhere", file());
  refused("session_unreadable");
  EXPECT_EQ(daemon.seen().size(), before) << "nothing was sent";
  put(good);
  on("GET /oauth/me", http_answer(200, "{}"));
  EXPECT_EQ(run({"whoami"}), exit_code::ok) << err;
}

TEST_F(CtlLoginTest, NowhereToKeepItIsSaidBeforeAnybodyTypesACode) {
  ::unsetenv("XDG_CONFIG_HOME");
  const char* const set = ::getenv("HOME");
  const std::string home = set == nullptr ? "" : set;
  ::unsetenv("HOME");
  on(device, http_answer(200, begun));
  EXPECT_EQ(run({"login", "github"}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("no_home"));
  EXPECT_TRUE(daemon.seen().empty());
  ::setenv("HOME", config_home().c_str(), 1);
  ::setenv("XDG_CONFIG_HOME", "relative", 1);
  EXPECT_EQ(login_file(), config_home() / ".config/cofounderd/session");
  on(device, http_answer(200, done));
  EXPECT_EQ(run({"login", "github"}), exit_code::ok) << err;
  EXPECT_TRUE(fs::exists(login_file()));
  fs::remove_all(config_home());
  // A file where the folder should be.
  std::ofstream{config_home()} << "x";
  answers.clear();
  on(device, http_answer(200, begun));
  on(device, http_answer(200, done));
  EXPECT_EQ(run({"login", "github"}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("io_error"));
  ::setenv("HOME", home.c_str(), 1);
}

TEST_F(CtlLoginTest, ALogoutThatTheDaemonDidNotHearCanBeTriedAgain) {
  log_in();
  on("POST /oauth/logout", error_answer(503, "store_unavailable", "not now"));
  on("POST /oauth/logout", http_answer(200, R"({"logged_out":false,"revoked_at_provider":false})"));
  EXPECT_EQ(run({"logout"}), exit_code::failed);
  EXPECT_TRUE(fs::exists(file()));
  EXPECT_EQ(run({"logout"}), exit_code::ok) << err;
  EXPECT_EQ(out, "the session was over already\n");
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(CtlLoginTest, AnyRouteCanBeCalled) {
  on("POST /things", http_answer(201, "made\x1b[2J\n"));
  EXPECT_EQ(run({"call", "POST", "/things?x=1", "--body", R"({"a":1})"}), exit_code::ok) << err;
  EXPECT_EQ(out, "made\x1b[2J\n") << "to a file as it is";
  EXPECT_EQ(daemon.seen().at(0).body, R"({"a":1})");
  EXPECT_EQ(targets().at(0), "POST /things?x=1");
  input = "[2]";
  EXPECT_EQ(run({"call", "POST", "/things", "--body", "-"}), exit_code::ok) << err;
  EXPECT_EQ(daemon.seen().at(1).body, "[2]");
  EXPECT_EQ(run({"call", "GET", "/none"}), exit_code::not_found);
  for (const char* path : {"things", "", "/a b", "/a\r\nX: y", "/\x80"}) {
    EXPECT_EQ(run({"call", "GET", path}), exit_code::usage) << path;
  }
  EXPECT_EQ(run({"call", "PATCH", "/things"}), exit_code::usage);
  EXPECT_EQ(run({"call", "POST", "/things", "--body", "@/nowhere"}), exit_code::usage);
}

}  // namespace
}  // namespace cofounder::ctl
