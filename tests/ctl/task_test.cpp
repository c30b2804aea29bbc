// SPDX-License-Identifier: Apache-2.0
#include "tests/ctl/ctl_fixture.hpp"

namespace cofounder::ctl {
namespace {

using test::error_answer;
using test::http_answer;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const std::string ready = R"({"id":"t1","state":"ready","op":"hello.greet","attempt":0})";
const std::string running =
    R"({"id":"t1","state":"running","attempt":2,"attempts_max":5,)"
    R"("progress":{"fraction":0.5,"text":"half"},"started_at":"2026-11-23T17:01:20.123Z"})";
const std::string succeeded = R"({"id":"t1","state":"succeeded","result":{"greeting":"Hi"}})";
const std::string failed =
    R"({"id":"t1","state":"failed","error":{"code":"no_luck","message":"it went wrong",)"
    R"("retryable":false,"hint":"try again"}})";

TEST_F(CtlTest, SubmitPrintsTheId) {
  on("POST /v1/tasks", http_answer(201, ready));
  EXPECT_EQ(run({"task", "submit", "hello.greet", "--arg", "name=World"}), exit_code::ok) << err;
  EXPECT_EQ(out, "t1\n");
  EXPECT_EQ(err, "");
  EXPECT_EQ(daemon.seen().at(0).body, R"({"op":"hello.greet","args":{"name":"World"}})");
}

TEST_F(CtlTest, SubmitSendsEveryOption) {
  on("POST /v1/tasks", http_answer(201, ready));
  ASSERT_EQ(run({"task",
                 "submit",
                 "a.b",
                 "--args",
                 R"({"x":1,"name":"old","deep":{"y":[2]}})",
                 "--arg",
                 "name=a=b",
                 "--arg",
                 "flag:=true",
                 "--arg",
                 "list:=[1, 2]",
                 "--delay",
                 "10min",
                 "--priority",
                 "-5",
                 "--queue",
                 "slow",
                 "--timeout",
                 "30s",
                 "--attempts",
                 "3",
                 "--key",
                 "k"}),
            exit_code::ok)
      << err;
  EXPECT_EQ(daemon.seen().at(0).body,
            R"({"op":"a.b","delay":"10min","unique_key":"k","queue":"slow","priority":-5,)"
            R"("timeout":"30s","attempts_max":3,"args":{"deep":{"y":[2]},"flag":true,)"
            R"("list":[1,2],"name":"a=b","x":1}})");
  ASSERT_EQ(run({"task", "submit", "a.b", "--at", "2026-11-23T17:00:00Z"}), exit_code::ok) << err;
  EXPECT_THAT(daemon.seen().at(1).body, HasSubstr(R"("run_at":"2026-11-23T17:00:00Z")"));
}

TEST_F(CtlTest, SubmitTakesArgumentsFromFilesAndStandardInput) {
  on("POST /v1/tasks", http_answer(201, ready));
  input = R"({"from": "stdin"})";
  ASSERT_EQ(run({"task", "submit", "a.b", "--args", "-"}), exit_code::ok) << err;
  EXPECT_THAT(daemon.seen().at(0).body, HasSubstr(R"("args":{"from":"stdin"})"));

  const auto file = daemon.socket().parent_path() / "args.json";
  std::ofstream{file} << R"({"from": "file"})";
  ASSERT_EQ(run({"task", "submit", "a.b", "--args", "@" + file.native()}), exit_code::ok) << err;
  EXPECT_THAT(daemon.seen().at(1).body, HasSubstr(R"("args":{"from":"file"})"));
  EXPECT_EQ(run({"task", "submit", "a.b", "--args", "@/nowhere"}), exit_code::usage);
}

TEST_F(CtlTest, SubmitSendsFilesFirst) {
  on("POST /v1/files", http_answer(201, R"({"id":"upload:7","bytes":4})"));
  on("POST /v1/tasks", http_answer(201, ready));
  const auto file = daemon.socket().parent_path() / "cat.png";
  std::ofstream{file} << "meow";
  ASSERT_EQ(run({"task", "submit", "a.b", "--file", "file=" + file.native()}), exit_code::ok)
      << err;
  EXPECT_EQ(daemon.seen().at(0).body, "meow");
  EXPECT_THAT(daemon.seen().at(1).body, HasSubstr(R"("args":{"file":"upload:7"})"));

  EXPECT_EQ(run({"task", "submit", "a.b", "--file", "file=/nowhere"}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("/nowhere cannot be read"));
  EXPECT_EQ(run({"task", "submit", "a.b", "--file", "file=/dev/zero"}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("not a regular file"));
  EXPECT_EQ(run({"task", "submit", "a.b", "--file", "nothing"}), exit_code::usage);
}

TEST_F(CtlTest, SubmitChecksWhatItSends) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"--args", "[]"},
                                             {"--args", "{"},
                                             {"--arg", "name"},
                                             {"--arg", "=x"},
                                             {"--arg", "x:=nonsense"},
                                             {"--delay", "10"},
                                             {"--timeout", "soon"},
                                             {"--at", "tomorrow"},
                                             {"--priority", "high"},
                                             {"--attempts", "3x"},
                                             {"--wait=soon"},
                                             {"--delay", "1s", "--at", "2026-11-23T17:00:00Z"},
                                             {"--unknown"},
                                             {"--queue", "a", "--queue", "b"},
                                             {"extra"}}) {
    std::vector<std::string> all = {"task", "submit", "a.b"};
    all.insert(all.end(), wrong.begin(), wrong.end());
    EXPECT_EQ(run(all), exit_code::usage) << testing::PrintToString(wrong);
    EXPECT_NE(err, "") << testing::PrintToString(wrong);
    EXPECT_EQ(out, "");
  }
  EXPECT_TRUE(daemon.seen().empty());
}

TEST_F(CtlTest, WaitFollowsTheTaskToItsEnd) {
  on("POST /v1/tasks", http_answer(201, ready));
  on("GET /v1/tasks/t1", http_answer(200, running));
  on("GET /v1/tasks/t1", http_answer(200, succeeded));
  EXPECT_EQ(run({"task", "submit", "--wait", "hello.greet"}), exit_code::ok) << err;
  EXPECT_THAT(out, HasSubstr("result.greeting  Hi\n"));
  EXPECT_EQ(err, "") << "progress is for terminals only";
  EXPECT_THAT(targets(), ElementsAre("POST /v1/tasks?wait=30s", "GET /v1/tasks/t1?wait=30s",
                                     "GET /v1/tasks/t1?wait=30s"));
}

TEST_F(CtlTest, WaitShowsProgressOnATerminal) {
  is_terminal = true;
  on("POST /v1/tasks", http_answer(201, running));
  on("GET /v1/tasks/t1", http_answer(200, succeeded));
  EXPECT_EQ(run({"task", "submit", "hello.greet", "--wait"}), exit_code::ok) << err;
  EXPECT_EQ(err, "t1 running, attempt 2 [##########..........] 50 % half\r\x1b[K");
  EXPECT_EQ(targets().at(0), "POST /v1/tasks?wait=1s");
}

TEST_F(CtlTest, WaitingForATaskThatFailedFails) {
  on("POST /v1/tasks", http_answer(201, failed));
  EXPECT_EQ(run({"task", "submit", "hello.greet", "--wait"}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("task t1 failed: it went wrong (no_luck)"));
  EXPECT_THAT(err, HasSubstr("hint: try again"));
  on("GET /v1/tasks/t1", http_answer(200, R"({"id":"t1","state":"timed_out"})"));
  EXPECT_EQ(run({"task", "wait", "t1"}), exit_code::failed);
  EXPECT_THAT(err, HasSubstr("task t1 timed out"));
}

TEST_F(CtlTest, AWaitThatRunsOutIsATimeout) {
  on("POST /v1/tasks", http_answer(201, running));
  on("GET /v1/tasks/t1", http_answer(200, running));
  EXPECT_EQ(run({"--json", "task", "submit", "hello.greet", "--wait=60ms"}), exit_code::timed_out);
  EXPECT_EQ(out, running) << "the task as it is";
  EXPECT_THAT(err, HasSubstr("not over yet"));
  EXPECT_THAT(targets().at(0), StartsWith("POST /v1/tasks?wait="));
  EXPECT_EQ(run({"task", "wait", "t1", "--timeout", "10ms"}), exit_code::timed_out);
  EXPECT_EQ(run({"task", "submit", "--wait", "10ms", "hello.greet"}), exit_code::timed_out);
}

TEST_F(CtlTest, WaitWithJsonPrintsTheLastAnswerAsItIs) {
  on("POST /v1/tasks", http_answer(201, ready));
  const std::string odd = "{\n  \"state\" : \"succeeded\",\"id\":\"t1\" , \"n\": 1.0e0 }\n";
  on("GET /v1/tasks/t1", http_answer(200, odd));
  EXPECT_EQ(run({"task", "submit", "hello.greet", "--wait", "--json"}), exit_code::ok);
  EXPECT_EQ(out, odd);
  EXPECT_EQ(err, "");
}

TEST_F(CtlTest, ShowPrintsEveryMember) {
  on("GET /v1/tasks/t1",
     http_answer(200, R"({"id":"t1","state":"failed","args":{"a":[1,2]},"schedule":null,)"
                      R"("submitted_at":"2026-01-02T03:04:05.678Z","attempts":[)"
                      R"({"attempt":1,"outcome":"failed","error":{"code":"x"}},)"
                      R"({"attempt":2,"outcome":"lost"}]})"));
  EXPECT_EQ(run({"task", "show", "t1"}), exit_code::ok) << err;
  EXPECT_THAT(out, HasSubstr("id            t1\n"));
  EXPECT_THAT(out, HasSubstr("args.a        1, 2\n"));
  EXPECT_THAT(out, HasSubstr("submitted_at  2026-01-02T03:04:05.678Z ("));
  EXPECT_THAT(out, Not(HasSubstr("schedule")));
  EXPECT_THAT(out, HasSubstr("\nattempts:\n"
                             "attempt  outcome  error\n"
                             "1        failed   {\"code\":\"x\"}\n"
                             "2        lost     -\n"));
}

TEST_F(CtlTest, ListIsATable) {
  on("GET /v1/tasks",
     http_answer(200, R"({"tasks":[{"id":"t22","state":"ready","op":"a.b","queue":"default"},)"
                      R"({"id":"t1","state":"failed","op":"hello.greet","queue":"q",)"
                      R"("error":{"code":"no"}}],"next":"t1"})"));
  EXPECT_EQ(run({"task", "list", "--state", "failed", "--op", "a b", "--limit", "2"}),
            exit_code::ok);
  EXPECT_EQ(out,
            "ID   STATE   OP           QUEUE    ERROR\n"
            "t22  ready   a.b          default  -\n"
            "t1   failed  hello.greet  q        no\n");
  EXPECT_EQ(err, "more: --after t1\n");
  EXPECT_EQ(targets().at(0), "GET /v1/tasks?state=failed&op=a%20b&limit=2");
  EXPECT_EQ(run({"task", "list", "--state", "nonsense"}), exit_code::usage);
}

TEST_F(CtlTest, AnEmptyListSaysSo) {
  on("GET /v1/tasks", http_answer(200, R"({"tasks":[],"next":null})"));
  EXPECT_EQ(run({"task", "list"}), exit_code::ok);
  EXPECT_EQ(out, "no tasks\n");
}

TEST_F(CtlTest, CancelAndRetryTakeSeveralIds) {
  on("POST /v1/tasks/a/cancel", http_answer(200, R"({"id":"a","state":"cancelled"})"));
  on("POST /v1/tasks/c/cancel", http_answer(200, R"({"id":"c","state":"running"})"));
  EXPECT_EQ(run({"task", "cancel", "a", "b/../x", "c"}), exit_code::not_found);
  EXPECT_EQ(out, "a: cancelled\nc: running\n");
  EXPECT_THAT(err, HasSubstr("b/../x: nothing at POST /v1/tasks/b%2F..%2Fx/cancel"));
  on("POST /v1/tasks/a/retry", http_answer(200, "{}"));
  EXPECT_EQ(run({"task", "retry", "a"}), exit_code::ok);
  EXPECT_EQ(out, "a: scheduled\n");
}

TEST_F(CtlTest, WhySaysWhatATaskWaitsFor) {
  const std::string body =
      R"({"id":"t1","state":"ready","text":"the daemon is draining","facts":[]})";
  on("GET /v1/tasks/t1/why", http_answer(200, body));
  EXPECT_EQ(run({"task", "why", "t1"}), exit_code::ok) << err;
  EXPECT_EQ(out, "the daemon is draining\n");
  EXPECT_EQ(run({"task", "why", "t1", "--json"}), exit_code::ok);
  EXPECT_EQ(out, body);
  EXPECT_EQ(run({"task", "why", "unknown"}), exit_code::not_found);
}

TEST_F(CtlTest, WatchShowsEventsUntilTheTaskIsOver) {
  on("GET /v1/tasks/t1", http_answer(200, running));
  on("GET /v1/tasks/t1", http_answer(200, succeeded));
  on("GET /v1/events",
     "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
     ": hello\n\nid: 1\nevent: task.progress\ndata: {\"task\":\"t1\",\"text\":\"half\"}\n\n"
     "id: 2\nevent: task.ended\ndata: {\"task\":\"t1\",\"state\":\"succeeded\"}\n\n"
     "id: 3\nevent: late\ndata: {}\n\n");
  EXPECT_EQ(run({"task", "watch", "t1"}), exit_code::ok) << err;
  EXPECT_THAT(out, HasSubstr("1  task.progress  task=t1  text=half\n"));
  EXPECT_THAT(out, HasSubstr("2  task.ended  task=t1  state=succeeded\n"));
  EXPECT_THAT(out, Not(HasSubstr("late")));
  EXPECT_THAT(out, HasSubstr("result.greeting  Hi"));
}

TEST_F(CtlTest, NodesAreATable) {
  on("GET /v1/nodes", http_answer(200, R"({"nodes":[{"name":"a","state":"lost","running":3}]})"));
  EXPECT_EQ(run({"node", "list"}), exit_code::ok) << err;
  EXPECT_THAT(out, testing::MatchesRegex("NAME +STATE +RUNNING *\na +lost +3 *\n"));
}

}  // namespace
}  // namespace cofounder::ctl
