// SPDX-License-Identifier: Apache-2.0
// Several daemons on one PostgreSQL: names, beats, tasks that are taken over, limits of all.
#include "tests/store/postgres_fixture.hpp"

#include <gmock/gmock.h>

namespace cofounder::test {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using std::chrono::milliseconds;
using State = NodeStore::Node::State;

class PostgresNodes : public PostgresStoreTest {
 protected:
  PostgresNodes() {
    options.beat_every = milliseconds{20};
    options.judge_after = milliseconds{0};
    // By hand here: a machine that stands still must not look like a node that died.
    options.lease = options.end_claims_after = std::chrono::hours{10};
    options.retry.first = options.retry.most = milliseconds{1};
  }
  ClaimedTask run_one(StoreDriver& driver) {
    driver.limit(10);
    driver.submit(new_task());
    driver.until([&] { return driver.claimed.size() == 1; });
    return driver.take_claimed().front();
  }
  // Also when a round of a node, which needs this thread, holds the row just then.
  void change_nodes(StoreDriver& driver, const std::string& what) {
    hand.run("SET lock_timeout = '20ms'");
    driver.until([&] {
      try {
        hand.run("UPDATE " + at("nodes") + " " + what);
        return true;
      } catch (const std::exception&) {
        return false;
      }
    });
    hand.run("RESET lock_timeout");
  }
  // As if it had not been seen for long.
  void age(const std::string& node) {
    hand.run("UPDATE " + at("nodes") + " SET seen_at = 0 WHERE name = '" + node + "'");
  }
  std::string column(const std::string& name, const std::string& node) {
    return hand.run("SELECT " + name + " FROM " + at("nodes") + " WHERE name = '" + node + "'");
  }
  void wait_for_beats(StoreDriver& driver, const std::string& node, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string before = column("seen_at", node);
      driver.until([&] { return column("seen_at", node) != before; });
    }
  }
  PostgresOptions named(const std::string& name) {
    PostgresOptions other = options;
    other.node = name;
    return other;
  }
  bool ended(StoreDriver& driver, const ClaimedTask& task) {
    return driver.finish(
        verdict_of(task, Outcome::Kind::succeeded, TaskState::succeeded, loop.clock().now()));
  }
  std::string running_in(const std::string& queue) {
    return hand.run("SELECT count(*) FROM " + at("tasks") + " WHERE state = 2 AND queue = '" +
                    queue + "'");
  }
};

TEST_F(PostgresNodes, ANameThatIsInUseIsRefused) {
  open(first, options);
  const Error error = refused(options);
  EXPECT_EQ(error.code, "store_unusable");
  EXPECT_THAT(error.message, HasSubstr("A daemon called n1 uses the store since 20"));
  EXPECT_THAT(error.hint, HasSubstr("[store] node"));
  EXPECT_TRUE(first.submit(new_task()).is_new) << "the first is not disturbed";
  first.close();
  open(second, options);
}

TEST_F(PostgresNodes, TheNameOfADaemonThatWasKilledIsFree) {
  open(first, options);
  const ClaimedTask old = run_one(first);
  first.drop();
  open(second, options);
  EXPECT_EQ(second.get(old.key.task)->attempts.at(0).outcome, "lost");
}

// A server that cannot tell who is connected lets two of a name in; the older one sees it.
TEST_F(PostgresNodes, ANodeWhoseNameWasTakenEndsItsTasks) {
  open(first, options);
  const ClaimedTask old = run_one(first);
  change_nodes(first, "SET session = 'another'");
  first.until([&] { return !first.available && !first.lost.empty(); });
  EXPECT_THAT(first.unavailable_why.message, HasSubstr("under the name of this node"));
  EXPECT_THAT(first.lost, ElementsAre(old.key));
  EXPECT_FALSE(first.finish(std::vector<Verdict>{
      verdict_of(old, Outcome::Kind::succeeded, TaskState::succeeded, loop.clock().now())}));
}

TEST_F(PostgresNodes, TheTasksOfANodeThatDiedAreTakenOver) {
  open(first, options);
  const ClaimedTask old = run_one(first);
  first.drop();
  open(second, named("n2"));
  second.limit(10);
  wait_for_beats(second, "n2", 3);
  EXPECT_TRUE(second.claimed.empty()) << "before its lease ended";
  age("n1");
  second.until([&] { return !second.claimed.empty(); });
  EXPECT_EQ(second.claimed[0].key, (AttemptKey{old.key.task, 2}));
  EXPECT_EQ(second.claimed[0].counted_attempt(), 2);
  EXPECT_TRUE(ended(second, second.claimed[0]));
  const auto record = second.get(old.key.task);
  ASSERT_EQ(record->attempts.size(), 2U);
  EXPECT_EQ(record->attempts[0].node, "n1");
  EXPECT_EQ(record->attempts[0].outcome, "lost");
  EXPECT_EQ(record->attempts[1].node, "n2");
}

// It was only slow: what it says is not taken any more, and it hears that it lost them.
TEST_F(PostgresNodes, ANodeThatComesBackLateIsFenced) {
  PostgresOptions slow = options;
  slow.beat_every = std::chrono::hours{1};
  slow.poll_every = slow.poll_listening_every = milliseconds{0};
  open(first, slow);
  const ClaimedTask old = run_one(first);
  age("n1");
  open(second, named("n2"));
  second.limit(10);
  second.until([&] { return !second.claimed.empty(); });
  EXPECT_FALSE(ended(first, old)) << "its lease is lost";
  EXPECT_TRUE(ended(second, second.take_claimed().front()));
  EXPECT_EQ(column("taken", "n1"), "1");
}

TEST_F(PostgresNodes, ANodeHearsThatOthersTookItsTasks) {
  open(first, options);
  const ClaimedTask old = run_one(first);
  change_nodes(first, "SET taken = taken + 1");
  first.until([&] { return !first.lost.empty(); });
  EXPECT_THAT(first.lost, ElementsAre(old.key));
}

TEST_F(PostgresNodes, NobodyWaitsForANodeThatSaidGoodbye) {
  open(first, options);
  const ClaimedTask old = run_one(first);
  open(second, named("n2"));
  second.limit(10);
  first.close();
  second.until([&] { return !second.claimed.empty(); });
  EXPECT_EQ(second.claimed[0].key, (AttemptKey{old.key.task, 2}));
}

TEST_F(PostgresNodes, WhoOnlyJustCameJudgesNobody) {
  open(first, options);
  run_one(first);
  first.drop();
  age("n1");
  PostgresOptions fresh = named("n2");
  fresh.judge_after = std::chrono::hours{10};
  open(second, fresh);
  second.limit(10);
  wait_for_beats(second, "n2", 3);
  EXPECT_TRUE(second.claimed.empty());
}

TEST_F(PostgresNodes, TheyAreListedWithWhatTheyRun) {
  options.version = "1.2";
  open(first, options);
  run_one(first);
  open(second, named("n2"));
  StoreDriver third{loop, loop.clock()};
  open(third, named("n3"));
  first.drop();
  third.close();
  hand.run("UPDATE " + at("tasks") + " SET owner = 'gone'");  // so that it is not taken over
  age("n1");
  const auto nodes = second.nodes();
  ASSERT_EQ(nodes.size(), 3U);
  EXPECT_EQ(nodes[0].name, "n1");
  EXPECT_EQ(nodes[0].state, State::lost);
  EXPECT_EQ(nodes[0].version, "1.2");
  EXPECT_EQ(nodes[1].state, State::up);
  EXPECT_EQ(nodes[1].running, 0);
  EXPECT_EQ(nodes[2].state, State::stopped);
  hand.run("UPDATE " + at("tasks") + " SET owner = 'n2'");
  EXPECT_EQ(second.nodes()[1].running, 1);
}

// ---- cancelling ---------------------------------------------------------------------------------

TEST_F(PostgresNodes, ACancelReachesTheNodeThatRunsTheTask) {
  open(first, options);
  const ClaimedTask task = run_one(first);
  open(second, named("n2"));
  EXPECT_EQ(second.cancel(task.key.task), CancelResult::running);
  first.until([&] { return !first.cancelled.empty(); });
  EXPECT_EQ(first.cancelled[0], task.key);
  EXPECT_TRUE(second.cancelled.empty());
  // Its own need no detour.
  first.cancelled.clear();
  const ClaimedTask own = run_one(first);
  hand.run("UPDATE " + at("tasks") + " SET cancelled = false");
  first.cancelled.clear();
  EXPECT_EQ(first.cancel(own.key.task), CancelResult::running);
  EXPECT_EQ(hand.run("SELECT count(*) FROM " + at("tasks") + " WHERE cancelled"), "0");
}

TEST_F(PostgresNodes, ACancelledTaskOfADeadNodeIsNotTriedAgain) {
  open(first, options);
  const ClaimedTask task = run_one(first);
  first.drop();
  open(second, named("n2"));
  second.limit(10);
  EXPECT_EQ(second.cancel(task.key.task), CancelResult::running);
  age("n1");
  second.until([&] { return second.get(task.key.task)->state == TaskState::cancelled; });
  EXPECT_TRUE(second.claimed.empty());
}

// ---- limits of all nodes ------------------------------------------------------------------------

TEST_F(PostgresNodes, ALimitOfAllNodesHoldsOverAllOfThem) {
  open(first, options);
  open(second, named("n2"));
  NewTask mail = new_task();
  mail.queue = "mail";
  first.submit(std::vector<NewTask>(30, mail)).value();
  ClaimLimits most = limits(20);
  most.queue_shared_max = {{"mail", 3}};
  first.tasks().set_limits(most);
  second.tasks().set_limits(most);
  std::vector<std::pair<StoreDriver*, ClaimedTask>> running;
  std::size_t begun = 0;
  const auto take = [&] {
    for (StoreDriver* driver : {&first, &second}) {
      for (ClaimedTask& task : driver->take_claimed()) {
        running.emplace_back(driver, std::move(task));
        ++begun;
      }
    }
  };
  for (std::size_t done = 0; done < 30; ++done) {
    const std::size_t expected = std::min<std::size_t>(done + 3, 30);
    first.until([&] {
      take();
      return begun >= expected;
    });
    // Whoever is asked, there is no room.
    first.claim_due();
    second.claim_due();
    take();
    ASSERT_EQ(begun, expected);
    ASSERT_EQ(running_in("mail"), std::to_string(running.size()));
    ASSERT_LE(running.size(), 3U);
    auto [driver, task] = std::move(running.front());
    running.erase(running.begin());
    ASSERT_TRUE(ended(*driver, task));
  }
}

TEST_F(PostgresNodes, AQueueWithoutALimitIsNotHeldUpByOneThatIsFull) {
  open(first, options);
  ClaimLimits most = limits(20);
  most.queue_shared_max = {{"mail", 0}};
  first.tasks().set_limits(most);
  NewTask mail = new_task();
  mail.queue = "mail";
  mail.priority = 9;
  first.submit(mail);
  const TaskId other = first.submit(new_task()).id;
  first.until([&] { return !first.claimed.empty(); });
  ASSERT_EQ(first.claimed.size(), 1U);
  EXPECT_EQ(first.claimed[0].key.task, other);
}

}  // namespace
}  // namespace cofounder::test
