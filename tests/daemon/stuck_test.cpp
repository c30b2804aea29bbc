// SPDX-License-Identifier: Apache-2.0
// A plugin that never comes back costs its own task and itself; all others go on, and the daemon
// still ends in time.  In the daemon's process its thread cannot be had back, so it is quarantined; a
// process of its own is ended and started again.
#include <gtest/gtest.h>

#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
namespace {

using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

constexpr const char* hang = R"({"op":"stuck.hang","timeout":"1s","attempts_max":1})";
constexpr const char* greet = R"({"op":"hello.greet","args":{"name":"world"}})";

std::string plugin_state(const RealDaemon& daemon, const std::string& id) {
  return parse(daemon.get("/v1/plugins/" + id).body).root().string_or("state", "");
}

TEST(StuckPlugin, CostsItsOwnTaskOnlyAndTheDaemonEndsInTime) {
  RealDaemon daemon{{"plugins/hello.so", "fixtures/stuck.so"}};
  daemon.configure("stop_timeout = \"5s\"\n[plugin.stuck.deadlines]\ngrace = \"300ms\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();

  const auto submitted = Steady::now();
  const std::string stuck = daemon.submit(hang);
  ASSERT_FALSE(stuck.empty());
  ASSERT_TRUE(daemon.wait_for_state(stuck, "running"));
  const std::string waiting = daemon.submit(R"({"op":"stuck.say","attempts_max":1})");
  daemon.submit_many(greet, 1000);
  ASSERT_TRUE(daemon.wait_for_state(stuck, "timed_out"));
  const auto after = Steady::now() - submitted;
  EXPECT_GE(after, 1s);
  EXPECT_LT(after, 4s) << "it is over at its deadline, not when it comes back";
  const bool isolated = RealDaemon::isolates();
  const auto restarts = [&] {
    return parse(daemon.get("/v1/plugins/stuck").body).root().integer_or("restarts", 0);
  };
  ASSERT_TRUE(wait_until([&] {
    return isolated ? restarts() == 1 && plugin_state(daemon, "stuck") == "ready"
                    : plugin_state(daemon, "stuck") == "quarantined";
  })) << daemon.get("/v1/plugins/stuck").body;

  daemon.submit_many(greet, 1000);
  ASSERT_TRUE(
      wait_until([&] { return daemon.list("op=hello.greet&state=succeeded").size() == 2000; }));
  EXPECT_EQ(plugin_state(daemon, "hello"), "ready");

  // What waited for the plugin is not lost silently either: it fails, and says why.
  ASSERT_TRUE(daemon.wait_for_state(waiting, "failed")) << daemon.get("/v1/tasks/" + waiting).body;
  EXPECT_NE(daemon.show(waiting).root().find("error").string_or("code", ""), "");

  // The daemon is able, and names the one that is not.
  const auto health = daemon.get("/v1/health");
  EXPECT_EQ(health.status, 200);
  EXPECT_EQ(health.body.find("plugin_quarantined") == std::string::npos, isolated) << health.body;
  if (isolated) {
    const std::string again = daemon.submit(R"({"op":"stuck.say","attempts_max":1})");
    EXPECT_TRUE(daemon.wait_for_state(again, "succeeded")) << daemon.get("/v1/tasks/" + again).body;
  }

  const auto asked = Steady::now();
  EXPECT_EQ(daemon.stop(), 0) << daemon.log();
  EXPECT_LT(Steady::now() - asked, 6s);
  EXPECT_EQ(daemon.log().find("still holds a thread") == std::string::npos, isolated);
}

// The origin's row: a long task is ended at 15 minutes, which the configuration shortens here.
TEST(LongTask, IsEndedAtItsFifteenMinutesAndOthersGoOn) {
  RealDaemon daemon{{"plugins/hello.so", "fixtures/slow.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const std::string unsaid = daemon.submit(R"({"op":"slow.wait"})");
  EXPECT_EQ(daemon.show(unsaid).root().string_or("timeout", ""), "15min");
  EXPECT_EQ(daemon.call("POST", "/v1/tasks/" + unsaid + "/cancel").status / 100, 2);
  ASSERT_TRUE(daemon.wait_for_state(unsaid, "cancelled"));
  EXPECT_EQ(daemon.stop(), 0);

  daemon.configure("[scheduler]\ntask_timeout = \"3s\"\nattempts_max = 1\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const auto submitted = Steady::now();
  const std::string late = daemon.submit(R"({"op":"slow.wait"})");
  const std::string other = daemon.submit(greet);
  ASSERT_TRUE(daemon.wait_for_state(other, "succeeded"));
  ASSERT_TRUE(daemon.wait_for_state(late, "timed_out")) << daemon.show(late).root().text();
  const auto after = Steady::now() - submitted;
  EXPECT_GE(after, 3s);
  EXPECT_LT(after, 10s);
  EXPECT_LT(daemon.show(other).root().string_or("ended_at", "?"), daemon.show(late).root().string_or("ended_at", ""));
  EXPECT_EQ(plugin_state(daemon, "slow"), "ready") << "it heard of it, and ended";
  EXPECT_EQ(daemon.stop(), 0);
}

TEST(StuckPlugin, IsCutOffWhenTheDaemonStopsWhileItHangs) {
  RealDaemon daemon{{"plugins/hello.so", "fixtures/stuck.so"}};
  daemon.configure("stop_timeout = \"2s\"\n[plugin.stuck.deadlines]\ngrace = \"200ms\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const std::string stuck = daemon.submit(R"({"op":"stuck.hang"})");
  ASSERT_TRUE(daemon.wait_for_state(stuck, "running"));
  const auto asked = Steady::now();
  const auto code = daemon.stop();
  EXPECT_LT(Steady::now() - asked, 3500ms);
  ASSERT_TRUE(code.has_value()) << "the daemon did not end by itself";
  EXPECT_TRUE(*code == 0 || *code == 1) << *code << "\n" << daemon.log();
  // Nobody waited for it, and nobody lost it.
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const std::string state = daemon.state_of(stuck);
  EXPECT_TRUE(state == "running" || state == "ready" || state == "scheduled") << state;
}

TEST(StuckPlugin, ThatHangsInItsStartDoesNotKeepTheDaemonFromItsWork) {
  RealDaemon daemon{{"plugins/hello.so", "fixtures/stuck.so"}};
  daemon.configure(
      "stop_timeout = \"3s\"\n[plugin.stuck]\nhang_in = \"start\"\non_start_error = \"ignore\"\n"
      "[plugin.stuck.deadlines]\nstart = \"300ms\"\ngrace = \"200ms\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_EQ(plugin_state(daemon, "stuck"), RealDaemon::isolates() ? "failed" : "quarantined");
  const std::string task = daemon.submit(greet);
  EXPECT_TRUE(daemon.wait_for_state(task, "succeeded"));
  EXPECT_EQ(daemon.stop(), 0);
}

}  // namespace
}  // namespace cofounder::test
