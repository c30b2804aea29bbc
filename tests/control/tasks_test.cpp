// SPDX-License-Identifier: Apache-2.0
#include "tests/control/control_fixture.hpp"

namespace cofounder::test {
namespace {

TEST_F(ControlTest, SubmitAndWait) {
  start();
  const auto submitted =
      ask("POST", "/v1/tasks?wait=20s", R"({"op":"hello.greet","args":{"name":"you"}})");
  EXPECT_EQ(submitted.status, 201);
  EXPECT_EQ(member(submitted, "/state"), "succeeded");
  EXPECT_EQ(member(submitted, "/result/greeting"), "hi");
  const std::string id = member(submitted, "/id");
  EXPECT_LE(id.size(), 36U);
  const auto shown = ask("GET", "/v1/tasks/" + id);
  EXPECT_EQ(shown.status, 200);
  EXPECT_EQ(shown.body, submitted.body);
  EXPECT_EQ(member(shown, "/op"), "hello.greet");
  EXPECT_EQ(member(shown, "/args"), R"({"name":"you","loud":false})");
  EXPECT_EQ(member(shown, "/attempts/0/outcome"), "succeeded");
  EXPECT_EQ(member(shown, "/attempts_max"), "5");
  EXPECT_EQ(member(shown, "/timeout"), "15min");
  EXPECT_EQ(member(shown, "/submitter"), "uid:" + std::to_string(::getuid()));
  EXPECT_EQ(member(shown, "/error"), "null");
}

TEST_F(ControlTest, SubmitAnswersAtOnceWithTheSameShape) {
  start();
  const auto task = ask("POST", "/v1/tasks", R"({"op":"hello.hold","delay":"1h","priority":7})");
  EXPECT_EQ(task.status, 201);
  EXPECT_EQ(member(task, "/state"), "scheduled");
  const auto shown = ask("GET", "/v1/tasks/" + member(task, "/id"));
  const auto fresh = parsed(task);
  const auto kept = parsed(shown);
  EXPECT_EQ(fresh.root().size(), kept.root().size());
  for (std::size_t i = 0; i < kept.root().size(); ++i) {
    const auto key = kept.root().key_at(i);
    EXPECT_EQ(fresh.root().find(key).text(), kept.root().at(i).text()) << key;
  }
}

TEST_F(ControlTest, ArraysAreAllOrNothingAndInOrder) {
  start();
  const auto both = ask("POST", "/v1/tasks",
                        R"([{"op":"hello.greet","args":{"name":"a"},"queue":"one"},
                            {"op":"hello.hold","queue":"two"}])");
  EXPECT_EQ(both.status, 201);
  EXPECT_EQ(member(both, "/0/queue"), "one");
  EXPECT_EQ(member(both, "/1/queue"), "two");
  EXPECT_LT(member(both, "/0/id"), member(both, "/1/id"));
  const auto broken = ask("POST", "/v1/tasks",
                          R"([{"op":"hello.greet","args":{"name":"a"}},{"op":"hello.greet"}])");
  EXPECT_EQ(broken.status, 422);
  EXPECT_EQ(code(broken), "invalid_args");
  EXPECT_NE(member(broken, "/error/message").find("number 1"), std::string::npos);
  EXPECT_EQ(parsed(ask("GET", "/v1/tasks")).root().find("tasks").size(), 2U);
  std::string many = "[";
  for (int i = 0; i < 11; ++i) many += std::string{i == 0 ? "" : ","} + R"({"op":"hello.hold"})";
  const auto too_many = ask("POST", "/v1/tasks", many + "]");
  EXPECT_EQ(too_many.status, 413);
  EXPECT_EQ(code(too_many), "too_many_tasks");
  const auto none = ask("POST", "/v1/tasks", "[]");
  EXPECT_EQ(none.status, 200);
  EXPECT_EQ(none.body, "[]");
  const auto waited = ask("POST", "/v1/tasks?wait=20s",
                          R"([{"op":"hello.greet","args":{"name":"a"}},{"op":"hello.fail"}])");
  EXPECT_EQ(member(waited, "/0/state"), "succeeded");
  EXPECT_EQ(member(waited, "/1/state"), "failed");
  EXPECT_EQ(member(waited, "/1/error/code"), "broken");
}

TEST_F(ControlTest, UniqueKeys) {
  start();
  const auto first = ask("POST", "/v1/tasks", R"({"op":"hello.hold","unique_key":"k"})");
  EXPECT_EQ(first.status, 201);
  const auto again =
      ask("POST", "/v1/tasks", R"({"op":"hello.greet","args":{"name":"x"},"unique_key":"k"})");
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(member(again, "/id"), member(first, "/id"));
  EXPECT_EQ(member(again, "/op"), "hello.hold");
  const auto mixed =
      ask("POST", "/v1/tasks", R"([{"op":"hello.hold","unique_key":"k"},{"op":"hello.hold"}])");
  EXPECT_EQ(mixed.status, 201);
  EXPECT_EQ(member(mixed, "/0/id"), member(first, "/id"));
  EXPECT_NE(member(mixed, "/1/id"), member(first, "/id"));
}

TEST_F(ControlTest, BadSubmissions) {
  start();
  const auto malformed = ask("POST", "/v1/tasks", R"({"op": nonsense})");
  EXPECT_EQ(malformed.status, 400);
  EXPECT_EQ(code(malformed), "invalid_json");
  EXPECT_NE(member(malformed, "/error/message").find("byte"), std::string::npos);
  EXPECT_EQ(code(ask("POST", "/v1/tasks")), "invalid_json");
  const auto unknown = ask("POST", "/v1/tasks", R"({"op":"helo.greet"})");
  EXPECT_EQ(unknown.status, 422);
  EXPECT_EQ(code(unknown), "unknown_op");
  EXPECT_EQ(member(unknown, "/error/hint"), "did you mean hello.greet?");
  const auto args =
      ask("POST", "/v1/tasks", R"({"op":"hello.greet","args":{"name":"a","tags":["b",2]}})");
  EXPECT_EQ(args.status, 422);
  EXPECT_EQ(code(args), "invalid_args");
  EXPECT_EQ(member(args, "/error/plugin"), "hello");
  EXPECT_NE(member(args, "/error/message").find("args.tags[1]"), std::string::npos);
  EXPECT_EQ(ask("POST", "/v1/tasks", R"({"op":"hello.greet","args":[]})").status, 422);
  EXPECT_EQ(ask("POST", "/v1/tasks", R"({"op":"hello.hold","priority":500})").status, 422);
  EXPECT_EQ(ask("POST", "/v1/tasks?wait=soon", R"({"op":"hello.hold"})").status, 400);
  const std::string deep = R"({"op":"hello.hold","args":)" + std::string(100, '[');
  EXPECT_EQ(code(ask("POST", "/v1/tasks", deep)), "invalid_json");
  EXPECT_EQ(parsed(ask("GET", "/v1/tasks")).root().find("tasks").size(), 0U);
}

TEST_F(ControlTest, WaitThatRunsOutShowsTheTaskAsItIs) {
  start();
  const auto task = ask("POST", "/v1/tasks?wait=20ms", R"({"op":"hello.hold"})");
  EXPECT_EQ(task.status, 201);
  EXPECT_EQ(member(task, "/state"), "running");
  const TaskId id = *parse_task_id(member(task, "/id"));
  on_loop([&] { scheduler_->progress({id, 1}, 0.5, "half of it"); });
  const auto shown = ask("GET", "/v1/tasks/" + to_string(id) + "?wait=20ms");
  EXPECT_EQ(shown.status, 200);
  EXPECT_EQ(member(shown, "/progress/fraction"), "0.5");
  EXPECT_EQ(member(shown, "/progress/text"), "half of it");
  HttpPeer waiting{path_};
  waiting.send("GET /v1/tasks/" + to_string(id) + "?wait=20s HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(becomes([&] { return fake_plugins().held.contains(id); }));
  on_loop([&] { fake_plugins().succeed(id, R"({"held":1})"); });
  const auto over = waiting.response();
  EXPECT_EQ(member(over, "/state"), "succeeded");
  EXPECT_EQ(member(over, "/progress"), "null");
}

TEST_F(ControlTest, ClientThatVanishesWhileItWaits) {
  start();
  const std::string id = member(ask("POST", "/v1/tasks", R"({"op":"hello.hold"})"), "/id");
  {
    HttpPeer waiting{path_};
    waiting.send("GET /v1/tasks/" + id + "?wait=20s HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(becomes([&] { return server_->connections() == 2; }));
  }
  ASSERT_TRUE(becomes([&] { return server_->connections() == 1; }));
  on_loop([&] { fake_plugins().succeed(*parse_task_id(id)); });
  EXPECT_EQ(member(ask("GET", "/v1/tasks/" + id + "?wait=20s"), "/state"), "succeeded");
}

TEST_F(ControlTest, CancelAndRetry) {
  start();
  const std::string waiting =
      member(ask("POST", "/v1/tasks", R"({"op":"hello.hold","delay":"1h"})"), "/id");
  const auto cancelled = ask("POST", "/v1/tasks/" + waiting + "/cancel");
  EXPECT_EQ(cancelled.status, 200);
  EXPECT_EQ(member(cancelled, "/state"), "cancelled");
  const auto again = ask("POST", "/v1/tasks/" + waiting + "/cancel");
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(code(again), "task_over");

  const std::string running = member(ask("POST", "/v1/tasks", R"({"op":"hello.hold"})"), "/id");
  ASSERT_TRUE(becomes([&] { return fake_plugins().held.contains(*parse_task_id(running)); }));
  const auto ended = ask("POST", "/v1/tasks/" + running + "/cancel?wait=20s");
  EXPECT_EQ(ended.status, 200);
  EXPECT_EQ(member(ended, "/state"), "cancelled");

  const std::string failed =
      member(ask("POST", "/v1/tasks?wait=20s", R"({"op":"hello.fail"})"), "/id");
  const auto retried = ask("POST", "/v1/tasks/" + failed + "/retry?wait=20s");
  EXPECT_EQ(retried.status, 200);
  EXPECT_EQ(member(retried, "/state"), "failed");
  EXPECT_EQ(parsed(retried).root().find("attempts").size(), 2U);
  const std::string held = member(ask("POST", "/v1/tasks", R"({"op":"hello.hold"})"), "/id");
  EXPECT_EQ(code(ask("POST", "/v1/tasks/" + held + "/retry")), "task_not_over");
  for (const char* command : {"cancel", "retry"}) {
    EXPECT_EQ(ask("POST", std::string{"/v1/tasks/0000000000001/"} + command).status, 404);
    EXPECT_EQ(ask("POST", std::string{"/v1/tasks/nonsense/"} + command).status, 404);
  }
  EXPECT_EQ(code(ask("GET", "/v1/tasks/0000000000001")), "unknown_task");
}

TEST_F(ControlTest, ARetryDoesNotShareAUniqueKeyWithALivingTask) {
  start();
  const std::string failed =
      member(ask("POST", "/v1/tasks?wait=20s", R"({"op":"hello.fail","unique_key":"k"})"), "/id");
  const std::string living =
      member(ask("POST", "/v1/tasks", R"({"op":"hello.hold","unique_key":"k"})"), "/id");
  ASSERT_NE(living, failed);
  const auto refused = ask("POST", "/v1/tasks/" + failed + "/retry");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(code(refused), "unique_key_in_use");
  EXPECT_NE(refused.body.find(living), std::string::npos) << refused.body;
  EXPECT_EQ(member(ask("GET", "/v1/tasks/" + failed), "/state"), "failed");
}

TEST_F(ControlTest, ListsByPage) {
  start();
  for (int i = 0; i < 5; ++i) {
    ask("POST", "/v1/tasks?wait=20s", R"({"op":"hello.greet","args":{"name":"x"}})");
  }
  ask("POST", "/v1/tasks", R"({"op":"hello.hold","delay":"1h","queue":"other"})");
  const auto first = ask("GET", "/v1/tasks?state=succeeded&limit=3");
  EXPECT_EQ(parsed(first).root().find("tasks").size(), 3U);
  EXPECT_EQ(member(first, "/tasks/0/args"), "absent");
  const auto second =
      ask("GET", "/v1/tasks?state=succeeded&limit=3&after=" + member(first, "/next"));
  EXPECT_EQ(parsed(second).root().find("tasks").size(), 2U);
  EXPECT_EQ(member(second, "/next"), "null");
  EXPECT_EQ(parsed(ask("GET", "/v1/tasks?queue=other")).root().find("tasks").size(), 1U);
  EXPECT_EQ(parsed(ask("GET", "/v1/tasks?op=hello.fail")).root().find("tasks").size(), 0U);
  EXPECT_EQ(member(ask("GET", "/v1/tasks?state=scheduled"), "/tasks/0/queue"), "other");
  for (const char* bad :
       {"limit=0", "limit=1001", "limit=x", "state=lost", "after=!", "colour=red"}) {
    EXPECT_EQ(ask("GET", std::string{"/v1/tasks?"} + bad).status, 400) << bad;
  }
}

TEST_F(ControlTest, AClientThatVanishesWaitsNoMore) {
  start();
  const auto waiting = [this] { return scheduler_->waiting_count(); };
  const std::string id = member(ask("POST", "/v1/tasks", R"({"op":"hello.hold"})"), "/id");
  ASSERT_TRUE(becomes([&] { return fake_plugins().held.contains(*parse_task_id(id)); }));
  HttpPeer shows{path_};
  shows.send("GET /v1/tasks/" + id + "?wait=1h HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(becomes([&] { return waiting() == 1; }));
  HttpPeer stays{path_};
  stays.send("GET /v1/tasks/" + id + "?wait=1h HTTP/1.1\r\nHost: x\r\n\r\n");
  HttpPeer submits{path_};
  const std::string tasks = R"([{"op":"hello.hold"},{"op":"hello.hold"}])";
  submits.send("POST /v1/tasks?wait=1h HTTP/1.1\r\nHost: x\r\nContent-Length: " +
               std::to_string(tasks.size()) + "\r\n\r\n" + tasks);
  ASSERT_TRUE(becomes([&] { return waiting() == 4; }));
  submits.close();
  EXPECT_TRUE(becomes([&] { return waiting() == 2; }));
  shows.close();
  EXPECT_TRUE(becomes([&] { return waiting() == 1; }));
  EXPECT_EQ(member(ask("GET", "/v1/tasks?state=running"), "/tasks/2/id"), id) << "the tasks stay";
  stays.close();
  EXPECT_TRUE(becomes([&] { return waiting() == 0; }));
}

TEST_F(ControlTest, WhyATaskWaits) {
  start();
  const std::string due =
      member(ask("POST", "/v1/tasks", R"({"op":"hello.hold","delay":"1h"})"), "/id");
  EXPECT_EQ(member(ask("GET", "/v1/tasks/" + due + "/why"), "/facts/0/kind"), "due");
  const std::string first =
      member(ask("POST", "/v1/tasks", R"({"op":"hello.hold","queue":"narrow"})"), "/id");
  ASSERT_TRUE(becomes([&] { return fake_plugins().held.contains(*parse_task_id(first)); }));
  EXPECT_EQ(member(ask("GET", "/v1/tasks/" + first + "/why"), "/facts/0/kind"), "running");
  const std::string second =
      member(ask("POST", "/v1/tasks", R"({"op":"hello.hold","queue":"narrow"})"), "/id");
  const auto why = ask("GET", "/v1/tasks/" + second + "/why");
  EXPECT_EQ(member(why, "/text"), "it waits for a slot of queue narrow: 1 of 1 are taken");
  EXPECT_EQ(member(why, "/state"), "ready");
  const std::string flaky = member(ask("POST", "/v1/tasks", R"({"op":"hello.flaky"})"), "/id");
  ASSERT_TRUE(becomes([&] { return !scheduler_->find_running(*parse_task_id(flaky)); }));
  const auto retry = ask("GET", "/v1/tasks/" + flaky + "/why");
  EXPECT_EQ(member(retry, "/facts/0/kind"), "retry");
  EXPECT_EQ(member(retry, "/facts/0/error/code"), "broken");
  EXPECT_EQ(ask("GET", "/v1/tasks/0000000000001/why").status, 404);
}

TEST_F(ControlTest, FilesAreSentAndBoundToTheirTask) {
  start();
  const auto sent = ask("POST", "/v1/files", "the bytes");
  EXPECT_EQ(sent.status, 201) << sent.body;
  const std::string id = member(sent, "/id");
  EXPECT_TRUE(id.starts_with("upload:"));
  EXPECT_EQ(member(sent, "/bytes"), "9");
  EXPECT_EQ(member(sent, "/sha256").size(), 64U);
  EXPECT_EQ(
      ask("POST", "/v1/tasks", R"({"op":"cloudinary.upload","args":{"file":")" + id + R"("}})")
          .status,
      201);
  HttpPeer big{path_};
  big.send("POST /v1/files HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n");
  EXPECT_EQ(big.response().status, 413);
  HttpPeer chunked{path_};
  chunked.send("POST /v1/files HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  const std::string block = "10000\r\n" + std::string(65'536, 'x') + "\r\n";
  for (int i = 0; i < 20 && chunked.send(block); ++i) {
  }
  EXPECT_EQ(chunked.response().status, 413);
}

}  // namespace
}  // namespace cofounder::test
