// SPDX-License-Identifier: Apache-2.0
#include "core/control/why.hpp"

#include "core/base/json.hpp"

#include <gtest/gtest.h>

namespace cofounder {
namespace {

class WhyTest : public ::testing::Test {
 protected:
  WhyTest() {
    task_.id = 77;
    task_.op = "hello.greet";
    task_.queue = "narrow";
    task_.attempts_max = 5;
    task_.run_at = now_;
    config_.scheduler.queues["narrow"] = 3;
    PluginInfo plugin;
    plugin.id = "hello";
    plugin.state = PluginState::ready;
    input_.plugin = plugin;
    input_.is_op_known = true;
    input_.plugin_capacity = 64;
  }
  void run(int count, std::string queue = "narrow", std::string op = "hello.greet") {
    for (int i = 0; i < count; ++i) {
      Scheduler::Running running;
      running.key = {static_cast<TaskId>(1000 + i), 1};
      running.op = op;
      running.queue = queue;
      input_.running.push_back(running);
    }
  }
  std::string text() const { return member("text"); }
  std::string member(std::string_view key) const {
    return json::parse(why_json(input_))->root().string_or(key, "");
  }
  std::string fact() const {
    return json::parse(why_json(input_))->root().find("facts").at(0).string_or("kind", "");
  }

  Time now_{Milliseconds{1'790'000'000'000}};
  Mono mono_{std::chrono::seconds{1000}};
  TaskRecord task_;
  Config config_;
  WhyInput input_{task_, now_, mono_, config_};
};

TEST_F(WhyTest, NotDue) {
  task_.run_at = now_ + Milliseconds{3'600'000};
  EXPECT_EQ(text(), "it is due at 2026-09-21T15:13:20.000Z, in 1h");
  EXPECT_EQ(member("state"), "scheduled");
}

TEST_F(WhyTest, TriedAgain) {
  task_.run_at = now_ + Milliseconds{12'345};
  task_.attempt = 2;
  task_.error = make_error("http_500", "the server broke", true);
  EXPECT_EQ(
      text(),
      "it is tried again at 2026-09-21T14:13:32.345Z, in 12s, after attempt 2 of 5 ended with "
      "http_500: the server broke");
  EXPECT_EQ(fact(), "retry");
}

TEST_F(WhyTest, NothingHoldsItBack) {
  EXPECT_EQ(fact(), "next");
  EXPECT_EQ(member("state"), "ready");
}

TEST_F(WhyTest, QueueAndNodeLimits) {
  run(3);
  EXPECT_EQ(text(), "it waits for a slot of queue narrow: 3 of 3 are taken");
  config_.scheduler.running_max = 3;
  EXPECT_EQ(
      text(),
      "it waits for a slot of queue narrow: 3 of 3 are taken; it waits for one of the 3 slots "
      "of this node (scheduler.running_max)");
}

TEST_F(WhyTest, ALimitOfAllNodesIsNamed) {
  config_.scheduler.cluster_queues["narrow"] = 7;
  EXPECT_EQ(text(), "queue narrow runs at most 7 tasks on all nodes together");
  EXPECT_EQ(fact(), "cluster_queue_limit");
}

TEST_F(WhyTest, PluginIsTheReason) {
  input_.plugin_capacity = 2;
  run(2, "wide");
  EXPECT_EQ(text(), "plugin hello is at its limit: 2 of 2 tasks run");
  input_.plugin->state = PluginState::quarantined;
  input_.plugin->last_error = make_error("hung", "it did not return");
  EXPECT_EQ(text(), "plugin hello is quarantined: it did not return");
  input_.plugin.reset();
  EXPECT_EQ(text(), "no plugin offers hello.greet");
  EXPECT_EQ(fact(), "no_plugin");
}

TEST_F(WhyTest, OperationIsGone) {
  input_.is_op_known = false;
  EXPECT_EQ(text(), "plugin hello does not offer hello.greet");
}

TEST_F(WhyTest, DrainingAndStoreAway) {
  input_.is_draining = true;
  EXPECT_EQ(fact(), "draining");
  input_.store_problem = make_error("store_unavailable", "disk full", true);
  EXPECT_TRUE(text().starts_with("the store is away: disk full; "));
}

TEST_F(WhyTest, Running) {
  task_.state = TaskState::running;
  task_.attempt = 1;
  task_.started_at = now_;
  Scheduler::Running running;
  running.key = {77, 1};
  running.deadline = mono_ + std::chrono::seconds{90};
  running.fraction = 0.4;
  running.progress = "page 4";
  running.cancelled = CancelReason::requested;
  input_.running.push_back(running);
  EXPECT_EQ(text(),
            "it runs since 2026-09-21T14:13:20.000Z (attempt 1 of 5), at most 1min30s longer, 40 % "
            "done: page 4, and was asked to end");
}

TEST_F(WhyTest, Over) {
  task_.state = TaskState::failed;
  task_.ended_at = now_;
  task_.error = make_error("broken", "it broke");
  EXPECT_EQ(text(), "it is over: failed at 2026-09-21T14:13:20.000Z with broken: it broke");
}

}  // namespace
}  // namespace cofounder
