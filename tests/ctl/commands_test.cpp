// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/completion.hpp"
#include "tests/ctl/ctl_fixture.hpp"

#include <iterator>

namespace cofounder::ctl {
namespace {

using test::error_answer;
using test::http_answer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

TEST_F(CtlTest, StatusShowsEverything) {
  on("GET /v1/status",
     http_answer(200, R"({"node":"n1","version":"0.1.0","uptime":"1h","store":{"kind":"sqlite"},)"
                      R"("queues":{"default":3},"plugins":[{"id":"hello","state":"ready"}]})"));
  EXPECT_EQ(run({"status"}), exit_code::ok) << err;
  EXPECT_EQ(out,
            "node            n1\nversion         0.1.0\nuptime          1h\n"
            "store.kind      sqlite\nqueues.default  3\n\nplugins:\nid     state\nhello  ready\n");
}

TEST_F(CtlTest, JsonIsTheAnswerByteForByte) {
  const std::string odd = " {\"b\":1.50,\n\t\"a\":\"\\u00e4\", \"a\":2}\r\n";
  on("GET /v1/status", http_answer(200, odd));
  on("GET /v1/plugins", http_answer(200, odd));
  on("GET /v1/schedules", http_answer(200, odd));
  on("GET /v1/config", http_answer(200, odd));
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"status", "--json"},
                                             {"--json", "plugin", "list"},
                                             {"schedule", "--json", "list"},
                                             {"config", "show", "--json"}}) {
    EXPECT_EQ(run(words), exit_code::ok) << err;
    EXPECT_EQ(out, odd);
  }
}

TEST_F(CtlTest, ExitCodesFollowTheAnswer) {
  const std::vector<std::pair<int, int>> expected = {
      {400, exit_code::failed},    {401, exit_code::denied},    {403, exit_code::denied},
      {404, exit_code::not_found}, {408, exit_code::timed_out}, {409, exit_code::failed},
      {500, exit_code::failed},    {503, exit_code::failed},    {504, exit_code::timed_out}};
  for (const auto& [status, code] : expected) {
    answers.clear();
    on("GET /v1/status", error_answer(status, "some_code", "that did not work", "do this"));
    EXPECT_EQ(run({"status"}), code) << status;
    EXPECT_EQ(out, "");
    EXPECT_EQ(err, "cofounderctl: that did not work (some_code)\nhint: do this\n");
  }
}

TEST_F(CtlTest, ErrorsAreJsonWithJson) {
  on("GET /v1/status", error_answer(403, "denied", "you may not"));
  EXPECT_EQ(run({"status", "--json"}), exit_code::denied);
  EXPECT_EQ(out, "");
  EXPECT_EQ(err, R"({"error":{"code":"denied","message":"you may not","retryable":false}})"
                 "\n");
  EXPECT_EQ(run_bare({"--json", "--socket", "/nowhere", "status"}), exit_code::unreachable);
  const auto parsed = json::parse(err);
  ASSERT_TRUE(parsed) << err;
  EXPECT_EQ(parsed->root().at_pointer("/error/code").as_string(), "unreachable");
}

TEST_F(CtlTest, AnUnreachableDaemonIsFive) {
  EXPECT_EQ(run_bare({"--socket", "/nowhere", "status"}), exit_code::unreachable);
  EXPECT_THAT(err, HasSubstr("cannot reach the daemon at /nowhere"));
  EXPECT_THAT(err, HasSubstr("hint: "));
  ::setenv("COFOUNDERD_SOCKET", "/also/nowhere", 1);
  EXPECT_EQ(run_bare({"status"}), exit_code::unreachable);
  EXPECT_THAT(err, HasSubstr("/also/nowhere"));
  ::unsetenv("COFOUNDERD_SOCKET");
  on("GET /v1/status", "");
  EXPECT_EQ(run({"status"}), exit_code::unreachable);
}

TEST_F(CtlTest, HostileAnswersFailAndCannotSteerTheTerminal) {
  on("GET /v1/status", "SSH-2.0-OpenSSH\r\n");
  on("GET /v1/status", http_answer(200, "<html>"));
  on("GET /v1/status", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"a\":");
  on("GET /v1/status", http_answer(502, "<html>bad gateway</html>"));
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(run({"status"}), exit_code::failed) << i;
    EXPECT_EQ(out, "");
    EXPECT_NE(err, "");
  }
  answers.clear();
  on("GET /v1/status", http_answer(200, "{\"a\\u001b[2J\":\"\\u001b]0;x\\u0007\\u009b1m\\n\"}"));
  EXPECT_EQ(run({"status"}), exit_code::ok);
  EXPECT_EQ(out, "a\\u001b[2J  \\u001b]0;x\\u0007\\u009b1m\\n\n");
  answers.clear();
  on("GET /v1/status", error_answer(500, "a\x1b", "b\x1b[31m", "c\x1b"));
  EXPECT_EQ(run({"status"}), exit_code::failed);
  EXPECT_THAT(err, Not(HasSubstr("\x1b")));
}

TEST_F(CtlTest, UnfittingJsonShapesAreNoCrash) {
  for (const char* body : {"null", "[]", "5", "\"x\"", "{\"tasks\":5}", "{\"tasks\":[1,null,[2]]}",
                           "{\"plugins\":{}}", "[[[[]]]]"}) {
    for (const char* path : {"/v1/tasks", "/v1/status", "/v1/plugins", "/v1/tasks/t"}) {
      answers.clear();
      on(std::string{"GET "} + path, http_answer(200, body));
      EXPECT_EQ(run({"task", "list"}) | run({"status"}) | run({"plugin", "list"}) |
                    run({"task", "show", "t"}),
                exit_code::not_found)
          << body;
    }
    on("GET /v1/tasks/t", http_answer(200, body));
    EXPECT_EQ(run({"task", "wait", "t"}), exit_code::failed) << body;
  }
}

TEST_F(CtlTest, HealthIsOneWhenItIsBad) {
  on("GET /v1/health", http_answer(200, R"({"status":"ok"})"));
  on("GET /v1/health", http_answer(503, R"({"status":"bad","reasons":["store away"]})"));
  on("GET /v1/health", error_answer(503, "unhealthy", "the store is away"));
  EXPECT_EQ(run({"health"}), exit_code::ok);
  EXPECT_EQ(run({"health"}), exit_code::failed);
  EXPECT_THAT(out, HasSubstr("reasons  store away"));
  EXPECT_EQ(run({"health"}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("the store is away"));
}

TEST_F(CtlTest, EventsAreLinesOrJsonLines) {
  on("GET /v1/events",
     "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
     "23\r\nid: 5\nevent: a\ndata: {\"x\": \"y z\"}\n\n\r\n"
     "e\r\ndata: words\n\n \r\n0\r\n\r\n");
  EXPECT_EQ(run({"events", "--since", "4", "--plugin", "hello"}), exit_code::ok) << err;
  EXPECT_EQ(out, "5  a  x=y z\n5  message  words\n");
  EXPECT_EQ(targets().at(0), "GET /v1/events?since=4&plugin=hello");
  EXPECT_EQ(run({"events", "--json", "--count", "1"}), exit_code::ok) << err;
  EXPECT_EQ(out, "{\"id\":\"5\",\"type\":\"a\",\"data\":{\"x\": \"y z\"}}\n");
  EXPECT_EQ(run({"events", "--count", "0"}), exit_code::usage);
  answers.clear();
  on("GET /v1/events", error_answer(403, "denied", "no"));
  EXPECT_EQ(run({"events"}), exit_code::denied);
  answers.clear();
  on("GET /v1/events", "HTTP/1.1 200 OK\r\n\r\ndata: " + std::string(2u << 20, 'x'));
  EXPECT_EQ(run({"events"}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("event_too_big"));
}

TEST_F(CtlTest, MetricsAreTheTextOfTheDaemon) {
  on("GET /metrics", http_answer(200, "# HELP x y\nx 1\n", "text/plain"));
  on("GET /v1/metrics/summary", http_answer(200, R"({"total_tasks":5,"success_rate":null})"));
  EXPECT_EQ(run({"metrics"}), exit_code::ok) << err;
  EXPECT_EQ(out, "# HELP x y\nx 1\n");
  EXPECT_THAT(daemon.seen().at(0).head, HasSubstr("Accept: text/plain; version=0.0.4\r\n"));
  EXPECT_EQ(run({"metrics", "--openmetrics"}), exit_code::ok);
  EXPECT_THAT(daemon.seen().at(1).head, HasSubstr("Accept: application/openmetrics-text"));
  EXPECT_EQ(run({"metrics", "summary"}), exit_code::ok) << err;
  EXPECT_EQ(out, "total_tasks  5\n");
}

TEST_F(CtlTest, SchedulesCanBeMadeShownAndRun) {
  on("PUT /v1/schedules/nightly", http_answer(201, R"({"name":"nightly"})"));
  ASSERT_EQ(run({"schedule", "put", "nightly", "hello.greet", "--cron", "0 3 * * *", "--timezone",
                 "Europe/Vienna", "--missed", "once", "--overlap", "skip", "--arg", "name=X",
                 "--queue", "q"}),
            exit_code::ok)
      << err;
  EXPECT_EQ(daemon.seen().at(0).body,
            R"({"op":"hello.greet","cron":"0 3 * * *","timezone":"Europe/Vienna","missed":"once",)"
            R"("overlap":"skip","queue":"q","args":{"name":"X"}})");
  EXPECT_EQ(run({"schedule", "put", "a", "b.c"}), exit_code::usage);
  EXPECT_EQ(run({"schedule", "put", "a", "b.c", "--cron", "x", "--every", "1s"}), exit_code::usage);
  EXPECT_EQ(run({"schedule", "put", "a", "b.c", "--every", "often"}), exit_code::usage);
  EXPECT_EQ(run({"schedule", "put", "a", "b.c", "--every", "1s", "--missed", "x"}),
            exit_code::usage);

  on("GET /v1/schedules", http_answer(200, R"({"schedules":[{"name":"n","op":"a.b","every":"1h",)"
                                           R"("next":["2999-01-01T00:00:00Z"]}]})"));
  EXPECT_EQ(run({"schedule", "list"}), exit_code::ok);
  EXPECT_THAT(out,
              StartsWith("NAME  OP   EVERY  NEXT\nn     a.b  1h     2999-01-01T00:00:00Z (in "));
  on("GET /v1/schedules/n", http_answer(200, R"({"name":"n","next":["a","b"]})"));
  EXPECT_EQ(run({"schedule", "show", "n"}), exit_code::ok);
  EXPECT_EQ(out, "name  n\nnext  a, b\n");
  on("POST /v1/schedules/n/run", http_answer(201, R"({"id":"t9"})"));
  EXPECT_EQ(run({"schedule", "run", "n"}), exit_code::ok);
  EXPECT_EQ(out, "t9\n");
  on("DELETE /v1/schedules/n", "HTTP/1.1 204 No Content\r\n\r\n");
  EXPECT_EQ(run({"schedule", "remove", "n"}), exit_code::ok) << err;
  EXPECT_EQ(run({"schedule", "remove", "x"}), exit_code::not_found);
}

TEST_F(CtlTest, PluginsCanBeListedAndSteered) {
  on("GET /v1/plugins",
     http_answer(200, R"([{"id":"hello","state":"ready","version":"1.0","calls":{"total":7}}])"));
  EXPECT_EQ(run({"plugin", "list"}), exit_code::ok);
  EXPECT_EQ(out, "ID     STATE  VERSION  CALLS\nhello  ready  1.0      7\n");
  for (const char* verb : {"start", "stop", "restart", "reload"}) {
    on(std::string{"POST /v1/plugins/hello/"} + verb, http_answer(200, R"({"state":"ready"})"));
    EXPECT_EQ(run({"plugin", verb, "hello"}), exit_code::ok) << err;
    EXPECT_EQ(out, "hello: ready\n");
    EXPECT_EQ(run({"plugin", verb, "other"}), exit_code::not_found);
  }
}

TEST_F(CtlTest, TheListOfPluginsShowsWhatEachUses) {
  on("GET /v1/plugins",
     http_answer(200, R"({"plugins":[{"id":"hello","calls":{"total":7,"failed":1,"in_flight":2,)"
                      R"("latency_p50_ms":20,"latency_p99_ms":7000},"cpu_seconds":1.5,)"
                      R"("memory_bytes":4096,"restarts":3,"last_error":{"code":"memory_limit"}}]})"));
  EXPECT_EQ(run({"plugin", "list"}), exit_code::ok);
  EXPECT_EQ(out,
            "ID     CALLS  FAILED  IN FLIGHT  P50 MS  P99 MS  CPU S  MEMORY  RESTARTS  LAST ERROR\n"
            "hello  7      1       2          20      7000    1.5    4096    3         memory_limit\n");
}

TEST_F(CtlTest, TellsWhyAPluginFailed) {
  on("GET /v1/plugins/hello/why",
     http_answer(200, R"({"id":"hello","state":"ready","text":"nothing went wrong","last":null})"));
  EXPECT_EQ(run({"plugin", "why", "hello"}), exit_code::ok) << err;
  EXPECT_EQ(out, "nothing went wrong\n");
  on("GET /v1/plugins/bad/why",
     http_answer(200, R"({"id":"bad","state":"quarantined","text":"it ended\u001b[31m","last":{)"
                      R"("at":"2020-01-01T00:00:00.000Z","code":"plugin_crashed","message":"it ended",)"
                      R"("signal":11,"backtrace":["#0 work"],"calls":["operation \"work\""],)"
                      R"("log":["one","two"]}})"));
  EXPECT_EQ(run({"plugin", "why", "bad"}), exit_code::ok) << err;
  EXPECT_THAT(out, Not(HasSubstr("\x1b")));
  for (const char* words :
       {"state   quarantined\n", "code    plugin_crashed\n", "signal  SIGSEGV, 11\n",
        "calls in flight:\n  operation \"work\"\n", "backtrace:\n  #0 work\n",
        "last lines of its log:\n  one\n  two\n", "2020-01-01"}) {
    EXPECT_THAT(out, HasSubstr(words));
  }
  EXPECT_EQ(run({"plugin", "why", "other"}), exit_code::not_found);
}

TEST_F(CtlTest, InspectRefusesWhatIsNoPlugin) {
  EXPECT_EQ(run({"plugin", "inspect", "/nowhere.so"}), exit_code::not_found);
  EXPECT_EQ(run({"plugin", "inspect", "/proc/self/exe"}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("no_manifest"));
  EXPECT_EQ(run({"plugin", "inspect", std::string{COFOUNDER_SOURCE_DIR} + "/LICENSE"}),
            exit_code::failed);
  EXPECT_THAT(err, HasSubstr("not_elf"));
  EXPECT_EQ(run({"plugin", "inspect", "/dev/zero"}), exit_code::failed);
}

TEST_F(CtlTest, NewPluginCopiesTheTemplate) {
  const auto folder = daemon.socket().parent_path() / "new";
  ASSERT_EQ(run({"plugin", "new", "fine-tuning", "--directory", folder.native()}), exit_code::ok)
      << err;
  EXPECT_THAT(out, HasSubstr((folder / "fine-tuning.cpp").native() + "\n"));
  std::ifstream file{folder / "CMakeLists.txt"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  EXPECT_THAT(text, HasSubstr("project(fine-tuning "));
  EXPECT_THAT(text, Not(HasSubstr("@NAME@")));

  EXPECT_EQ(run({"plugin", "new", "x", "--directory", folder.native()}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("exists already"));
  EXPECT_EQ(run({"plugin", "new", "x", "--directory", folder.native() + "2", "--template", "/no"}),
            exit_code::not_found);
}

TEST_F(CtlTest, InspectShowsTheManifestWithoutRunningThePlugin) {
  const std::string hello = COFOUNDER_BINARY_DIR "/plugins/hello.so";
  ASSERT_EQ(run({"plugin", "inspect", hello}), exit_code::ok) << err;
  EXPECT_THAT(out, HasSubstr("id           hello\n"));
  EXPECT_THAT(out, HasSubstr("hello.greet"));
  ASSERT_EQ(run({"plugin", "inspect", hello, "--json"}), exit_code::ok) << err;
  const auto manifest = json::parse(out);
  ASSERT_TRUE(manifest) << out;
  EXPECT_EQ(manifest->root().find("id").as_string(), "hello");
}

TEST_F(CtlTest, ReloadSaysWhatItDid) {
  on("POST /v1/config/reload", http_answer(200, "{}"));
  EXPECT_EQ(run({"config", "reload"}), exit_code::ok);
  EXPECT_EQ(out, "the configuration is reloaded\n");
  answers.clear();
  on("POST /v1/config/reload", error_answer(422, "invalid_config", "a.toml:3: unknown key x"));
  EXPECT_EQ(run({"config", "reload"}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("a.toml:3: unknown key x"));
}

TEST_F(CtlTest, DrainCanWait) {
  on("POST /v1/drain", http_answer(202, R"({"draining":true,"running":2})"));
  on("POST /v1/drain", http_answer(202, R"({"draining":true,"running":1})"));
  on("POST /v1/drain", http_answer(200, R"({"draining":true,"running":0})"));
  on("DELETE /v1/drain", http_answer(200, R"({"draining":false,"running":0})"));
  EXPECT_EQ(run({"drain"}), exit_code::ok);
  EXPECT_EQ(out, "draining  yes\nrunning   2\n");
  EXPECT_EQ(run({"drain", "--wait"}), exit_code::ok);
  EXPECT_EQ(out, "draining  yes\nrunning   0\n");
  EXPECT_EQ(run({"drain", "--end"}), exit_code::ok);
  EXPECT_THAT(targets(), ElementsAre("POST /v1/drain", "POST /v1/drain?wait=30s",
                                     "POST /v1/drain?wait=30s", "DELETE /v1/drain"));
  answers.clear();
  on("POST /v1/drain", http_answer(202, R"({"draining":true,"running":1})"));
  EXPECT_EQ(run({"drain", "--wait", "5ms"}), exit_code::timed_out);
}

TEST_F(CtlTest, VersionNeedsNoDaemon) {
  EXPECT_EQ(run_bare({"--socket", "/nowhere", "version"}), exit_code::ok);
  EXPECT_EQ(out, "cofounderctl " COFOUNDER_VERSION "\ncofounderd   not reachable\n");
  on("GET /v1/status", http_answer(200, R"({"version":"9.9"})"));
  EXPECT_EQ(run({"version", "--json"}), exit_code::ok);
  EXPECT_EQ(out, "{\"cofounderctl\":\"" COFOUNDER_VERSION "\",\"cofounderd\":\"9.9\"}\n");
  EXPECT_EQ(run_bare({"--version"}), exit_code::ok);
  EXPECT_EQ(out, "cofounderctl " COFOUNDER_VERSION "\n");
}

TEST_F(CtlTest, WrongUsageIsTwo) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{},
                                             {"nonsense"},
                                             {"task"},
                                             {"task", "nonsense"},
                                             {"task", "show"},
                                             {"status", "extra"},
                                             {"status", "--nonsense"},
                                             {"completion", "fish"},
                                             {"plugin", "new", "Upper"}}) {
    EXPECT_EQ(run(words), exit_code::usage) << testing::PrintToString(words);
    EXPECT_NE(err, "") << testing::PrintToString(words);
  }
}

TEST_F(CtlTest, EveryCommandHasHelpWithAnExample) {
  for (const Command& command : commands()) {
    std::istringstream path{std::string{command.path}};
    std::vector<std::string> words{std::istream_iterator<std::string>{path}, {}};
    words.emplace_back("--help");
    EXPECT_EQ(run_bare(words), exit_code::ok) << command.path;
    EXPECT_THAT(out, HasSubstr(std::string{command.summary})) << command.path;
    for (const Option& option : command.options) {
      EXPECT_THAT(out, HasSubstr("--" + std::string{option.name})) << command.path;
    }
    if (command.run == nullptr) continue;
    EXPECT_THAT(out, HasSubstr("Example")) << command.path;
    EXPECT_THAT(out, HasSubstr("cofounderctl " + std::string{command.path})) << command.path;
  }
}

std::string file_text(const std::string& path) {
  std::ifstream file{std::string{COFOUNDER_SOURCE_DIR} + path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

TEST_F(CtlTest, TheShippedCompletionsAreTheProgramsOwn) {
  EXPECT_EQ(run_bare({"completion", "bash"}), exit_code::ok);
  EXPECT_EQ(out, file_text("/etc/completion/cofounderctl.bash"));
  EXPECT_EQ(run_bare({"completion", "zsh"}), exit_code::ok);
  EXPECT_EQ(out, file_text("/etc/completion/cofounderctl.zsh"));
}

// What bash offers after typing `line`, one word a line.
std::string offered(const std::string& line) {
  const std::string script =
      std::string{COFOUNDER_SOURCE_DIR} + "/etc/completion/cofounderctl.bash";
  const std::string command = "bash -c 'source " + script + "; COMP_WORDS=(" + line + "); [[ \"" +
                              line +
                              "\" == *\" \" ]] && COMP_WORDS+=(\"\"); "
                              "COMP_CWORD=$((${#COMP_WORDS[@]}-1)); _cofounderctl; "
                              "printf \"%s\\n\" \"${COMPREPLY[@]}\"'";
  FILE* pipe = ::popen(command.c_str(), "r");
  std::string text;
  char piece[4096];
  while (const std::size_t got = std::fread(piece, 1, sizeof piece, pipe)) text.append(piece, got);
  ::pclose(pipe);
  return text;
}

TEST_F(CtlTest, BashCompletesCommandsOptionsAndChoices) {
  EXPECT_EQ(offered("cofounderctl sta"), "status\n");
  EXPECT_THAT(offered("cofounderctl --json task "), HasSubstr("submit\n"));
  EXPECT_EQ(offered("cofounderctl --socket /x task su"), "submit\n");
  EXPECT_EQ(offered("cofounderctl task submit --pri"), "--priority\n");
  EXPECT_EQ(offered("cofounderctl task list --state f"), "failed\n");
  EXPECT_THAT(offered("cofounderctl metrics s"), "summary\n");
  EXPECT_THAT(offered("cofounderctl completion "), HasSubstr("zsh\n"));
}

TEST_F(CtlTest, TheManualPageNamesEveryCommandAndOption) {
  const std::string page = file_text("/docs/man/cofounderctl.1");
  for (const Command& command : commands()) {
    if (command.run == nullptr) continue;
    EXPECT_THAT(page, HasSubstr("\n.It Cm " + std::string{command.path})) << "cofounderctl(1)";
    for (const Option& option : command.options) {
      EXPECT_THAT(page, HasSubstr("Fl -" + std::string{option.name})) << command.path;
    }
  }
}

}  // namespace
}  // namespace cofounder::ctl
