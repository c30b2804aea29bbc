// SPDX-License-Identifier: Apache-2.0
#include "tests/host/host_world.hpp"

#include <gmock/gmock.h>

#include <csignal>

namespace cofounder {
namespace {

using test::HostWorld;
using testing::HasSubstr;
using Kind = Outcome::Kind;
using namespace std::chrono_literals;

TEST(PluginHost, RunsAnOperation) {
  HostWorld world;
  world.add("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  const Outcome outcome = world.run("echo.say", R"({"a":[1,2]})");
  EXPECT_EQ(outcome.kind, Kind::succeeded);
  EXPECT_EQ(outcome.result, R"({"a":[1,2]})");
  const PluginInfo info = world.info("echo");
  EXPECT_EQ(info.state, PluginState::ready);
  EXPECT_EQ(info.calls, 1U);
  EXPECT_EQ(info.in_flight, 0);
  EXPECT_GT(info.latency_p50_ms, 0);
  EXPECT_EQ(info.sha256.size(), 64U);
  EXPECT_THAT(info.interfaces,
              testing::ElementsAre("cof.call/1.0", "cof.error/1.0", "cof.event/1.0", "cof.route/1.0"));
  EXPECT_TRUE(world.stop());
  EXPECT_EQ(world.info("echo").state, PluginState::stopped);
}

TEST(PluginHost, RemembersWhyAPluginWasGivenUp) {
  HostWorld world;
  world.add("log-and-hang");
  world.plugin("log-and-hang").deadlines.grace = 50ms;
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_FALSE(world.host->why("log-and-hang"));
  EXPECT_FALSE(world.host->why("nobody"));
  const auto attempt = world.begin("log-and-hang.work");
  world.until([&] { return world.info("log-and-hang").late_completions == 1; });
  world.host->cancel(attempt->key, CancelReason::requested);
  world.end_of(attempt);
  const std::optional<PluginWhy> why = world.host->why("log-and-hang");
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code, world.given_up_code());
  EXPECT_THAT(why->what, HasSubstr("did not return from its operation \"work\""));
  // That an isolated one was ended comes when its process is gone.
  world.until([&] { return world.host->why("log-and-hang")->signal == (world.isolated() ? SIGTERM : 0); });
  EXPECT_THAT(why->calls, testing::ElementsAre("operation \"work\" of task " +
                                               to_string(attempt->key.task) + ", attempt 1"));
  ASSERT_EQ(why->lines.size(), LogTail::lines_max);
  EXPECT_EQ(why->lines.back(), "line 30 of 30");
  EXPECT_GT(why->when, Time{});
}

TEST(PluginHost, RemembersWhyAPluginDidNotStart) {
  HostWorld world;
  world.add("throw-in-start");
  world.add("null-table");
  world.plugin("throw-in-start").on_start_error = "ignore";
  world.plugin("null-table").on_start_error = "ignore";
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_THAT(world.host->why("throw-in-start").value().what,
              HasSubstr(world.isolated() ? "killed by signal 6" : "thrown by the fixture"));
  EXPECT_EQ(world.host->why("null-table").value().code, "plugin_invalid");
}

TEST(PluginHost, TellsTheAttemptAndItsCheckpoint) {
  HostWorld world;
  world.add("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  world.checkpoint = "half";
  const auto attempt = world.begin("echo.info");
  const Outcome outcome = world.end_of(attempt);
  EXPECT_EQ(outcome.result, R"({"attempt": 1, "attempts_max": 5, "task": ")" +
                                to_string(attempt->key.task) + R"(", "checkpoint": "half"})");
}

TEST(PluginHost, KeepsTheReasonOfAFailure) {
  HostWorld world;
  world.add("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  const Outcome outcome = world.run("echo.fail");
  EXPECT_EQ(outcome.kind, Kind::failed);
  EXPECT_EQ(outcome.error.code, "no_luck");
  EXPECT_EQ(outcome.error.message, "Not today.");
  EXPECT_TRUE(outcome.error.retryable);
  EXPECT_EQ(outcome.error.retry_after, 1500ms);
  EXPECT_EQ(outcome.error.plugin, "echo");
  EXPECT_EQ(world.info("echo").failures, 1U);
}

TEST(PluginHost, RunsProgramsForItsPlugins) {
  HostWorld world;
  world.add("programs");
  world.plugin("programs").programs = {"true", "false", "sleep"};
  world.plugin("programs").deadlines.drain = 50ms;  // the last one would use up all of it
  world.plugin("programs").deadlines.grace = 10s;
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("programs.run", R"({"program": "true"})").result, "0");
  EXPECT_EQ(world.run("programs.run", R"({"program": "false"})").result, "1");
  EXPECT_EQ(world.run("programs.run", R"({"program": "sh"})").error.code, "denied");
  // What is begun after the cancel would not be cancelled by it.
  const auto begin_forever = [&world] {
    world.events.clear();
    const auto attempt = world.begin("programs.forever");
    world.until([&] { return !world.events.empty(); });
    return attempt;
  };
  const auto forever = begin_forever();
  const Mono cancelled = world.loop.clock().mono();
  EXPECT_EQ(world.cancel(forever, CancelReason::requested).kind, Kind::cancelled);
  EXPECT_LT(world.loop.clock().mono() - cancelled, 10s) << "it ended within its grace time";
  EXPECT_EQ(world.info("programs").state, PluginState::ready);
  const auto stopped = begin_forever();
  EXPECT_TRUE(world.stop());
  EXPECT_EQ(world.end_of(stopped).kind, Kind::stopped);
}

TEST(PluginHost, ChecksResultsAndStatuses) {
  HostWorld world;
  world.add("echo");
  world.plugin("echo").limits.result_bytes_max = 5'000;
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("echo.empty").result, "null");
  EXPECT_EQ(world.run("echo.invalid").error.code, "result_invalid");
  const Outcome big = world.run("echo.big");
  EXPECT_EQ(big.error.code, "result_too_big");
  EXPECT_FALSE(big.error.retryable);
  const Outcome own = world.run("echo.own-status");
  EXPECT_EQ(own.error.code, "status_1234");
  EXPECT_FALSE(own.error.retryable);
  EXPECT_EQ(world.run("echo.odd-status").error.code, "internal");
  EXPECT_EQ(world.run("echo.defer").error.code, "internal");
}

TEST(PluginHost, RefusesWhatItDoesNotKnow) {
  HostWorld world;
  world.add("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("echo.dance").error.code, "unknown_op");
  EXPECT_EQ(world.run("nobody.say").error.code, "unknown_op");
  EXPECT_NE(world.host->find_operation("echo.say"), nullptr);
  EXPECT_EQ(world.host->find_operation("echo"), nullptr);
  EXPECT_EQ(world.host->find_operation("nobody.say"), nullptr);
}

TEST(PluginHost, RoutesAndEventsEnterThePlugin) {
  HostWorld world;
  world.add("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  std::string answer;
  bool ended = false;
  const auto call = [&](std::string body) {
    answer.clear();
    ended = false;
    RouteSink sink;
    sink.head = [&](int status, auto headers) {
      answer += std::to_string(status) + " " + headers.at(0).second + " ";
    };
    sink.piece = [&](std::string_view piece) {
      answer += piece;
      return true;
    };
    sink.end = [&](std::optional<Error> error) {
      EXPECT_EQ(error, std::nullopt);
      ended = true;
    };
    world.host->call_route({"echo", "hello", "{}", std::move(body)}, std::move(sink));
    world.until([&] { return ended; });
    return answer;
  };
  EXPECT_EQ(call("{\"x\":1}"), "200 application/json {\"x\":1}");
  EXPECT_THAT(call(""), HasSubstr("400 application/json {\"error\":{\"code\":\"invalid\""));

  world.host->deliver_event("task.succeeded", "{}");
  world.host->deliver_event("taskless", "{}");
  world.host->deliver_event("oauth.login", "{}");
  EXPECT_EQ(world.run("echo.events").result, R"({"count": 1, "last": "task.succeeded"})");
}

TEST(PluginHost, ARouteOverItsDeadlineIsTimedOut) {
  HostWorld world;
  world.add("slow");
  world.plugin("slow").deadlines.route = 20ms;
  ASSERT_EQ(world.start(), std::nullopt);
  int status = 0;
  bool ended = false;
  RouteSink sink;
  sink.head = [&](int code, auto) { status = code; };
  sink.end = [&](std::optional<Error>) { ended = true; };
  world.host->call_route({"slow", "wait", "{}", ""}, std::move(sink));
  world.until([&] { return ended; });
  EXPECT_EQ(status, 504);
}

TEST(PluginHost, ACallMayBeCompletedFromAnotherThread) {
  HostWorld world;
  world.add("slow");
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("slow.thread").result, "\"from a thread\"");
  // The second completion of that thread is counted, and changes nothing.
  world.until([&] { return world.info("slow").late_completions == 1; });
  EXPECT_EQ(world.run("slow.twice").result, "1");
  world.until([&] { return world.info("slow").late_completions == 2; });
}

TEST(PluginHost, RepliesOfOneCallKeepTheirOrder) {
  HostWorld world;
  world.add("slow");
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("slow.replies").result, "\"in order\"");
}

TEST(PluginHost, ParallelPluginsOverlapAndSerialOnesDoNot) {
  HostWorld world;
  world.add("meet-parallel");
  world.add("meet-serial");
  ASSERT_EQ(world.start(), std::nullopt);
  for (const auto& [plugin, overlaps] : {std::pair{"meet-parallel", "true"},
                                         std::pair{"meet-serial", "false"}}) {
    const auto first = world.begin(std::string{plugin} + ".meet");
    const auto second = world.begin(std::string{plugin} + ".meet");
    EXPECT_EQ(world.end_of(first).result, overlaps) << plugin;
    EXPECT_EQ(world.end_of(second).result, overlaps) << plugin;
    // The entries of one call never overlap.
    std::vector<std::shared_ptr<HostWorld::Attempt>> calls;
    for (int i = 0; i < 16; ++i) calls.push_back(world.begin(std::string{plugin} + ".strand"));
    for (const auto& call : calls) EXPECT_EQ(world.end_of(call).result, "true") << plugin;
  }
  EXPECT_TRUE(world.stop());
}

TEST(PluginHost, LimitsCallsInFlightAndQueued) {
  HostWorld world;
  world.add("slow");
  world.plugin("slow").limits.calls_max = 2;
  world.plugin("slow").limits.calls_queued_max = 1;
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.host->capacity().at("slow"), 2);
  const auto first = world.begin("slow.wait");
  const auto second = world.begin("slow.wait");
  const auto third = world.begin("slow.wait");
  const Outcome fourth = world.run("slow.wait");
  EXPECT_EQ(fourth.error.code, "limit_reached");
  EXPECT_TRUE(fourth.error.retryable);
  EXPECT_EQ(world.info("slow").in_flight, 2);
  EXPECT_EQ(world.info("slow").queued, 1);
  EXPECT_EQ(world.cancel(third, CancelReason::requested).kind, Kind::cancelled);
  EXPECT_EQ(world.info("slow").queued, 0);
  EXPECT_EQ(world.cancel(first, CancelReason::requested).kind, Kind::cancelled);
  EXPECT_EQ(world.cancel(second, CancelReason::requested).kind, Kind::cancelled);
  EXPECT_EQ(world.info("slow").in_flight, 0);
}

TEST(PluginHost, ACancelledCallEndsAsItsReasonSays) {
  HostWorld world;
  world.add("slow");
  ASSERT_EQ(world.start(), std::nullopt);
  const auto entered = [&](const std::string& op) {
    const std::uint64_t calls = world.info("slow").calls;
    auto attempt = world.begin(op);
    // The next call of a serial plugin is over, so this one was entered.
    EXPECT_EQ(world.run("slow.replies").kind, Kind::succeeded);
    EXPECT_EQ(world.info("slow").calls, calls + 2);
    return attempt;
  };
  EXPECT_EQ(world.cancel(entered("slow.wait"), CancelReason::requested).kind, Kind::cancelled);
  EXPECT_EQ(world.cancel(entered("slow.wait"), CancelReason::stopping).kind, Kind::stopped);
  const Outcome late = world.cancel(entered("slow.wait"), CancelReason::deadline);
  EXPECT_EQ(late.kind, Kind::timed_out);
  EXPECT_EQ(late.error.code, "timed_out");
  EXPECT_EQ(world.cancel(entered("slow.wait-ok"), CancelReason::requested).result, "\"well\"");
  EXPECT_EQ(world.cancel(entered("slow.wait-ok"), CancelReason::stopping).kind, Kind::succeeded);
  EXPECT_EQ(world.cancel(entered("slow.wait-ok"), CancelReason::deadline).kind, Kind::timed_out);
  EXPECT_TRUE(world.stop());
}

TEST(PluginHost, BlockingCodeSeesItsCancel) {
  HostWorld world;
  world.add("slow");
  ASSERT_EQ(world.start(), std::nullopt);
  const auto attempt = world.begin("slow.poll");
  world.until([&] { return world.info("slow").late_completions == 1; });  // it is inside
  EXPECT_EQ(world.cancel(attempt, CancelReason::requested).kind, Kind::cancelled);
  EXPECT_EQ(world.info("slow").state, PluginState::ready);
}

}  // namespace
}  // namespace cofounder
