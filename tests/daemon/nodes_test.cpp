// SPDX-License-Identifier: Apache-2.0
// Two daemons on one PostgreSQL.
#include <gtest/gtest.h>
#include <time.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "tests/support/private_postgres.hpp"

namespace cofounder::test {
namespace {

using namespace std::chrono_literals;

// What the plugin "worker" wrote: one attempt each.
struct Attempt {
  std::string node;
  int number = 0;
  std::int64_t started = 0, ended = 0;  // ended 0: it was killed
};
using Journal = std::map<std::string, std::vector<Attempt>>;

class Nodes : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!server.runs()) GTEST_SKIP() << server.why();
  }
  void configure(const std::string& more = "") {
    for (auto& [name, daemon] : {std::pair{"a", &a}, std::pair{"b", &b}}) {
      daemon->configure(server.store(name) + "[scheduler]\nretry_first = \"1ms\"\n" + more);
      daemon->set_environment("WORKER_JOURNAL", daemon->folder() / "journal");
    }
  }
  void start_both() {
    ASSERT_TRUE(a.start()) << a.log();
    ASSERT_TRUE(b.start()) << b.log();
  }
  Journal journal() const {
    Journal all;
    for (const auto& [name, daemon] : {std::pair{"a", &a}, std::pair{"b", &b}}) {
      std::istringstream in{read_file(daemon->folder() / "journal")};
      char kind = 0;
      std::string task;
      int number = 0;
      std::int64_t at = 0;
      while (in >> kind >> task >> number >> at) {
        auto& attempts = all[task];
        if (kind == 's') {
          attempts.push_back({name, number, at, 0});
          continue;
        }
        for (Attempt& attempt : attempts) {
          if (attempt.number == number) attempt.ended = at;
        }
      }
    }
    for (auto& [task, attempts] : all) {
      std::sort(attempts.begin(), attempts.end(),
                [](const Attempt& x, const Attempt& y) { return x.number < y.number; });
    }
    return all;
  }
  static std::string state_in_list(const RealDaemon& daemon, const std::string& node) {
    const json::Document answer = parse(daemon.get("/v1/nodes").body);
    const json::View nodes = answer.root().find("nodes");
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (nodes.at(i).string_or("name", "") == node) return std::string{nodes.at(i).string_or("state", "")};
    }
    return "absent";
  }

  PrivatePostgres server;
  RealDaemon a{{"plugins/hello.so", "fixtures/worker.so"}};
  RealDaemon b{{"plugins/hello.so", "fixtures/worker.so"}};
};

std::int64_t boot_time() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

TEST_F(Nodes, WhatAKilledNodeRanIsDoneByTheOtherOnce) {
  configure();
  ASSERT_NO_FATAL_FAILURE(start_both());
  const char* const work = R"({"op":"worker.work","args":{"ms":20},"attempts_max":10})";
  std::vector<std::string> ids = b.submit_many(work, 300);
  for (const std::string& id : a.submit_many(work, 300)) ids.push_back(id);
  // Some that surely run when it dies: more than the other can take.
  const char* const longer =
      R"({"op":"worker.work","args":{"ms":10000},"attempts_max":10,"priority":10})";
  for (const std::string& id : a.submit_many(longer, 150)) ids.push_back(id);
  ASSERT_TRUE(wait_until([&] {
    return std::stoi(server.hand().run("SELECT count(*) FROM cofounder.tasks"
                                       " WHERE state = 2 AND owner = 'a' AND priority = 10")) > 0;
  }));
  a.kill();
  const std::int64_t killed = boot_time();
  EXPECT_TRUE(wait_until([&] { return state_in_list(b, "a") == "lost"; }));
  for (const std::string& id : ids) {
    ASSERT_TRUE(b.wait_for_state(id, "succeeded", 60s)) << b.show(id).root().text() << b.log();
  }
  const Journal journal = this->journal();
  int repeated = 0;
  for (const std::string& id : ids) {
    const auto& attempts = journal.at(id);
    ASSERT_LE(attempts.size(), 2U) << id;
    EXPECT_NE(attempts.back().ended, 0) << id;
    if (attempts.size() == 1) continue;
    ++repeated;
    EXPECT_EQ(attempts[0].node, "a") << id;
    EXPECT_EQ(attempts[1].node, "b") << id;
    EXPECT_GT(attempts[1].started, killed) << id << " ran on both at once";
  }
  EXPECT_GT(repeated, 0) << "the kill did not bite";
  EXPECT_EQ(server.hand().run("SELECT count(*) FROM cofounder.finished"), "750");
  EXPECT_EQ(server.hand().run("SELECT count(*) FROM cofounder.attempts WHERE outcome = 0"), "750");

  // Its name is free, and it is one of them again.
  ASSERT_TRUE(a.start()) << a.log();
  EXPECT_EQ(state_in_list(b, "a"), "up");
  EXPECT_EQ(a.stop(), 0) << a.log();
  EXPECT_EQ(state_in_list(b, "a"), "stopped");
  EXPECT_EQ(b.stop(), 0) << b.log();
}

TEST_F(Nodes, ANodeThatStopsHandsItsTasksOver) {
  for (auto& [name, daemon] : {std::pair{"a", &a}, std::pair{"b", &b}}) {
    daemon->configure("stop_timeout = \"4s\"\n" + server.store(name));
  }
  ASSERT_TRUE(a.start()) << a.log();
  const auto ids = a.submit_many(R"({"op":"worker.work","args":{"ms":600000},"attempts_max":1})", 5);
  for (const std::string& id : ids) ASSERT_TRUE(a.wait_for_state(id, "running"));
  ASSERT_TRUE(b.start()) << b.log();
  EXPECT_EQ(a.stop(), 0) << a.log();
  // Long before a lease would end; no attempt was used up.
  for (const std::string& id : ids) EXPECT_TRUE(b.wait_for_state(id, "running", 8s)) << b.log();
  EXPECT_EQ(server.hand().run("SELECT count(*) FROM cofounder.tasks WHERE owner = 'b'"), "5");
  for (const std::string& id : ids) {
    const auto cancelled = b.call("POST", "/v1/tasks/" + id + "/cancel?wait=20s");
    EXPECT_EQ(parse(cancelled.body).root().string_or("state", ""), "cancelled") << cancelled.body;
  }
}

TEST_F(Nodes, OneAsksAndTheOtherDoes) {
  configure();
  ASSERT_NO_FATAL_FAILURE(start_both());
  EXPECT_EQ(a.call("POST", "/v1/drain").status, 200);  // takes no tasks of its own
  const auto done =
      a.call("POST", "/v1/tasks?wait=30s", R"({"op":"hello.greet","args":{"name":"Ada"}})");
  EXPECT_EQ(parse(done.body).root().string_or("state", ""), "succeeded") << done.body;
  EXPECT_EQ(parse(a.get("/v1/tasks/" + std::string{parse(done.body).root().string_or("id", "")}).body)
                .root().at_pointer("/attempts/0/node").as_string().value_or(""), "b");
  // A cancel finds the node that runs it.
  const std::string id = a.submit(R"({"op":"worker.work","args":{"ms":600000}})");
  ASSERT_TRUE(a.wait_for_state(id, "running"));
  const auto cancelled = a.call("POST", "/v1/tasks/" + id + "/cancel?wait=20s");
  EXPECT_EQ(parse(cancelled.body).root().string_or("state", ""), "cancelled") << cancelled.body;
}

TEST_F(Nodes, ASchedulesTimeFiresOnceForAll) {
  configure();
  ASSERT_NO_FATAL_FAILURE(start_both());
  const auto made = a.call(
      "PUT", "/v1/schedules/often",
      R"({"op":"hello.greet","args":{"name":"Ada"},"every":"1s","overlap":"allow","missed":"all"})");
  ASSERT_EQ(made.status, 201) << made.body;
  const auto fired = [&] {
    return std::stoi(server.hand().run("SELECT count(*) FROM cofounder.finished"));
  };
  ASSERT_TRUE(wait_until([&] { return fired() >= 2; }));
  // A node that begins now knows the schedule from its start.
  EXPECT_EQ(b.stop(), 0);
  ASSERT_TRUE(b.start()) << b.log();
  ASSERT_TRUE(wait_until([&] { return fired() >= 6; }));
  // The one that had it is killed: the other goes on, and no time is lost or comes twice.
  a.kill();
  ASSERT_TRUE(wait_until([&] { return fired() >= 10; }));
  EXPECT_EQ(b.stop(), 0);
  EXPECT_EQ(server.hand().run(
                "SELECT last_fired / 1000 - created_at / 1000 - (SELECT count(*) FROM ("
                "SELECT schedule FROM cofounder.finished UNION ALL SELECT schedule FROM"
                " cofounder.tasks) AS t WHERE schedule = 'often') FROM cofounder.schedules"),
            "0");
}

TEST_F(Nodes, ALimitOfAllNodesHoldsInBoth) {
  configure("[scheduler.cluster_queues]\nnarrow = 1\n");
  ASSERT_NO_FATAL_FAILURE(start_both());
  const char* const work = R"({"op":"worker.work","args":{"ms":30},"queue":"narrow"})";
  auto ids = a.submit_many(work, 20);
  for (const std::string& id : b.submit_many(work, 20)) ids.push_back(id);
  std::vector<Attempt> all;
  for (const std::string& id : ids) ASSERT_TRUE(b.wait_for_state(id, "succeeded")) << b.log();
  for (const auto& [id, attempts] : journal()) all.insert(all.end(), attempts.begin(), attempts.end());
  ASSERT_EQ(all.size(), 40U);
  std::sort(all.begin(), all.end(),
            [](const Attempt& x, const Attempt& y) { return x.started < y.started; });
  for (std::size_t i = 1; i < all.size(); ++i) EXPECT_GE(all[i].started, all[i - 1].ended);
}

}  // namespace
}  // namespace cofounder::test
