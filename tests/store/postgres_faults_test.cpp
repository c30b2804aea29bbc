// SPDX-License-Identifier: Apache-2.0
// What networks and servers do, while tasks are submitted and run: nothing that was acknowledged is
// lost, nothing is done twice.
#include "tests/store/fault_proxy.hpp"
#include "tests/store/postgres_fixture.hpp"

#include <functional>
#include <map>
#include <set>

namespace cofounder::test {
namespace {

using std::chrono::milliseconds;

class PostgresFaults : public ::testing::Test {
 protected:
  PostgresFaults() : proxy{folder.path(), postgres_socket()} {
    options.dsn = postgres_dsn(folder.path().string());
    options.schema = schema.name();
    options.node = "n1";
    options.prepare = PostgresPrepare::off;
    options.patience = milliseconds{30'000};
    options.answer_timeout = milliseconds{20'000};
  }

  void open() {
    driver.use(make_postgres_store(loop, loop.clock(), options));
    driver.open().value();
  }
  std::int64_t count(const std::string& from) {
    return std::stoll(hand.run("SELECT count(*) FROM " + schema.name() + "." + from));
  }

  // Submits, runs and ends tasks, as a daemon does, with `fault` between; then looks at what is
  // there: each acknowledged task ended once, and none was given out while it ran.
  void load(int tasks, const std::function<void(int)>& fault) {
    std::set<TaskId> acknowledged;
    std::set<TaskId> ended;
    std::map<TaskId, int> running;
    int refused = 0;
    ClaimLimits limits;
    limits.running_max = 20;
    limits.plugin_max = {{"hello", 20}};
    driver.tasks().set_limits(limits);
    int submitted = 0;
    int answered = 0;
    const auto step = [&] {
      for (const ClaimedTask& task : driver.take_claimed()) {
        const bool is_free = running.emplace(task.key.task, task.key.attempt).second;
        EXPECT_TRUE(is_free) << "given out while it runs: " << to_string(task.key.task);
        EXPECT_FALSE(ended.contains(task.key.task));
        finish(task, running, ended);
      }
      return answered == submitted && ended.size() >= acknowledged.size() && running.empty();
    };
    while (submitted < tasks) {
      fault(submitted);
      ++submitted;
      NewTask task = new_task();
      if (submitted % 3 == 0) task.unique_key = "key" + std::to_string(submitted);
      std::vector<NewTask> list;
      list.push_back(std::move(task));
      driver.tasks().submit(std::move(list), loop.clock().now(),
                            [&](Result<std::vector<Submitted>> done) {
                              ++answered;
                              if (!done) {
                                ++refused;
                                return;
                              }
                              EXPECT_TRUE(done->at(0).is_new);
                              acknowledged.insert(done->at(0).id);
                            });
      // A few at once, so that they share rounds and wait for each other.
      driver.until([&] {
        step();
        return submitted - answered < 5;
      });
    }
    driver.until(step);
    EXPECT_EQ(refused, 0) << "each fault was short";
    EXPECT_EQ(acknowledged.size(), static_cast<std::size_t>(tasks));
    for (const TaskId id : acknowledged) EXPECT_TRUE(ended.contains(id)) << to_string(id);
    EXPECT_EQ(count("tasks"), 0);
    EXPECT_EQ(count("finished WHERE state = 3"), tasks);
    EXPECT_EQ(count("attempts WHERE outcome = 0"), tasks);
    EXPECT_EQ(driver.counts().by_state.at(TaskState::succeeded), tasks);
  }

  void finish(const ClaimedTask& task, std::map<TaskId, int>& running, std::set<TaskId>& ended) {
    std::vector<Verdict> verdicts;
    verdicts.push_back(verdict_of(task, Outcome::Kind::succeeded, TaskState::succeeded,
                                  loop.clock().now()));
    driver.tasks().finish(std::move(verdicts),
                          [&running, &ended, id = task.key.task](Result<std::vector<bool>> done) {
                            ASSERT_TRUE(done) << done.error().message;
                            running.erase(id);
                            EXPECT_TRUE(done->at(0)) << "its own lease was lost";
                            ended.insert(id);
                          });
  }

  Loop loop;
  TemporaryFolder folder;
  PostgresSchema schema;
  PostgresHand hand;
  FaultProxy proxy;
  PostgresOptions options;
  StoreDriver driver{loop, loop.clock()};
};

TEST_F(PostgresFaults, WithoutAnyAllIsWell) {
  open();
  load(100, [](int) {});
}

TEST_F(PostgresFaults, DroppedConnectionsAreSurvived) {
  open();
  const std::size_t before = proxy.connections();
  load(200, [&](int at) {
    if (at % 20 == 10) proxy.drop_all();
  });
  EXPECT_GT(proxy.connections(), before + 5) << "the fault did not bite";
}

TEST_F(PostgresFaults, ACommitThatTheServerNeverHeardOfIsMadeAgain) {
  open();
  int bitten = 0;
  load(100, [&](int at) {
    if (at % 10 != 5) return;
    bitten += proxy.is_commit_faulted() ? 1 : 0;
    proxy.at_next_commit(FaultProxy::AtCommit::lose_request);
  });
  EXPECT_GT(bitten, 5);
}

TEST_F(PostgresFaults, ACommitWhoseAnswerGotLostIsNotMadeTwice) {
  open();
  int bitten = 0;
  load(100, [&](int at) {
    if (at % 10 != 5) return;
    bitten += proxy.is_commit_faulted() ? 1 : 0;
    proxy.at_next_commit(FaultProxy::AtCommit::lose_answer);
  });
  EXPECT_GT(bitten, 5);
}

TEST_F(PostgresFaults, SlowAnswersAreWaitedFor) {
  open();
  load(30, [&](int at) { proxy.delay_answers(milliseconds{at % 2 == 0 ? 20 : 0}); });
}

TEST_F(PostgresFaults, AServerThatStaysSilentCountsAsGone) {
  options.answer_timeout = milliseconds{1'500};  // it is long enough for a busy machine
  open();
  load(20, [&](int at) { proxy.delay_answers(milliseconds{at % 10 == 5 ? 2'000 : 0}); });
}

// Every second statement that writes tasks fails as in a collision.
TEST_F(PostgresFaults, AStormOfSerializationFailuresIsSurvived) {
  open();
  const std::string at = schema.name() + ".";
  hand.run("CREATE SEQUENCE " + at + "storms");
  hand.run("CREATE FUNCTION " + at + "storm() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
           " IF random() < 0.5 THEN PERFORM nextval('" + at + "storms');"
           " RAISE EXCEPTION 'could not serialize access' USING ERRCODE = '40001'; END IF;"
           " RETURN NULL; END $$");
  hand.run("CREATE TRIGGER storm AFTER INSERT OR DELETE ON " + at +
           "tasks FOR EACH STATEMENT EXECUTE FUNCTION " + at + "storm()");
  load(150, [](int) {});
  // At least thirty rounds, for at most five are submitted at once.
  EXPECT_GT(std::stoi(hand.run("SELECT last_value FROM " + at + "storms")), 5);
}

TEST_F(PostgresFaults, KilledBackendsAreReplaced) {
  open();
  load(100, [&](int at) {
    if (at % 20 != 10) return;
    hand.run("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
             " WHERE application_name LIKE 'cofounderd %' AND query LIKE '%" + schema.name() +
             "%'");
  });
}

// Away for longer than anybody waits: who asks hears it at once, and it comes back by itself.
TEST_F(PostgresFaults, AServerThatIsAwayIsSaidToBe) {
  options.patience = milliseconds{100};
  open();
  driver.limit(10);
  const TaskId before = driver.submit(new_task()).id;
  driver.until([&] { return driver.claimed.size() == 1; });
  const ClaimedTask claim = driver.take_claimed().front();
  proxy.set_away(true);
  driver.until([&] { return !driver.available; });
  EXPECT_EQ(driver.unavailable_why.code, "store_unavailable");
  const auto refused = driver.submit(std::vector<NewTask>{new_task()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "store_unavailable");
  EXPECT_TRUE(refused.error().retryable);
  // Who asks for one figure after the other does not wait for each as long as for the first.
  EXPECT_FALSE(driver.ask<std::optional<TaskRecord>>(
      [&](auto done) { driver.tasks().get(before, std::move(done)); }));
  const auto asked = std::chrono::steady_clock::now();
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(driver.ask<std::optional<TaskRecord>>(
        [&](auto done) { driver.tasks().get(before, std::move(done)); }));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - asked, milliseconds{2'000});
  std::vector<Verdict> verdicts{
      verdict_of(claim, Outcome::Kind::succeeded, TaskState::succeeded, loop.clock().now())};
  EXPECT_FALSE(driver.finish(verdicts));
  proxy.set_away(false);
  driver.until([&] { return driver.available; });
  // What ran still does, and can end.
  EXPECT_TRUE(driver.claimed.empty());
  EXPECT_TRUE(driver.finish(
      verdict_of(claim, Outcome::Kind::succeeded, TaskState::succeeded, loop.clock().now())));
  EXPECT_EQ(driver.get(before)->state, TaskState::succeeded);
  EXPECT_EQ(count("finished"), 1);
}

// The answer to a commit got lost, and the server stays away: nobody can know.  What was done is
// found once it is back.
TEST_F(PostgresFaults, ADoubtThatLastsIsSaidAndIsSolvedLater) {
  options.patience = milliseconds{100};
  open();
  driver.limit(10);
  driver.submit(new_task());
  driver.until([&] { return driver.claimed.size() == 1; });
  const ClaimedTask claim = driver.take_claimed().front();
  proxy.at_next_commit(FaultProxy::AtCommit::leave);
  std::optional<Result<std::vector<bool>>> answer;
  std::vector<Verdict> verdicts{
      verdict_of(claim, Outcome::Kind::succeeded, TaskState::succeeded, loop.clock().now())};
  driver.tasks().finish(verdicts,
                        [&](Result<std::vector<bool>> done) { answer.emplace(std::move(done)); });
  driver.until([&] { return answer.has_value(); });
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().code, "store_unavailable");
  // Nor is who only asks kept waiting for the end of the doubt.
  EXPECT_FALSE(driver.ask<std::optional<TaskRecord>>(
      [&](auto done) { driver.tasks().get(claim.key.task, std::move(done)); }));
  proxy.set_away(false);
  driver.until([&] { return driver.available; });
  // Asked again, the verdict is taken for what it is: ours, and done.
  EXPECT_TRUE(driver.finish(verdicts).value().at(0));
  EXPECT_EQ(count("finished"), 1);
  EXPECT_EQ(count("attempts"), 1);
}

// Others may run its tasks when it is not heard for long, so it ends them before.
TEST_F(PostgresFaults, ANodeThatIsNotHeardEndsItsTasks) {
  options.patience = milliseconds{100};
  options.beat_every = milliseconds{50};
  options.end_claims_after = milliseconds{1'000};
  open();
  driver.limit(10);
  const TaskId id = driver.submit(new_task()).id;
  driver.until([&] { return driver.claimed.size() == 1; });
  const ClaimedTask claim = driver.take_claimed().front();
  driver.lost.clear();  // on a machine that is busy it may have been late before
  proxy.set_away(true);
  driver.until([&] { return !driver.lost.empty(); });
  EXPECT_EQ(driver.lost.at(0), claim.key);
  proxy.set_away(false);
  driver.until([&] { return driver.available; });
  // Nobody took it, so what came of it still counts, and it is claimed again.
  EXPECT_TRUE(driver.finish(
      verdict_of(claim, Outcome::Kind::stopped, TaskState::scheduled, loop.clock().now())));
  driver.until([&] { return !driver.claimed.empty(); });
  EXPECT_EQ(driver.claimed.at(0).key, (AttemptKey{id, 2}));
  EXPECT_EQ(driver.claimed.at(0).uncounted, 1);
}

}  // namespace
}  // namespace cofounder::test
