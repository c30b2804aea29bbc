// SPDX-License-Identifier: Apache-2.0
// What only PostgreSQL has: nodes, poolers, and its own clock.
#include "tests/store/postgres_fixture.hpp"

#include <gmock/gmock.h>

#include <set>

namespace cofounder::test {
namespace {

using ::testing::HasSubstr;
using std::chrono::milliseconds;

// The wall clock of a machine whose owner does not care.
class WrongClock final : public Clock {
 public:
  WrongClock(Clock& real, Milliseconds off) : real_{real}, off_{off} {}
  Time now() const noexcept override { return real_.now() + off_; }
  Mono mono() const noexcept override { return real_.mono(); }
  TimerId call_at(Mono when, UniqueFunction<void()> action) override {
    return real_.call_at(when, std::move(action));
  }
  void cancel(TimerId timer) noexcept override { real_.cancel(timer); }
  void on_wall_jump(UniqueFunction<void()> action) override {
    real_.on_wall_jump(std::move(action));
  }

 private:
  Clock& real_;
  Milliseconds off_;
};

// ---- requests that cannot be served -----------------------------------------------------------

TEST_F(PostgresStoreTest, OneBadRequestDoesNotSpoilTheOthers) {
  open(first, options);
  std::vector<Result<std::vector<Submitted>>> answers;
  for (const char* const op : {"hello.greet", "hello.\xff", "hello.greet"}) {
    std::vector<NewTask> list{new_task(op)};
    first.tasks().submit(std::move(list), loop.clock().now(),
                         [&](Result<std::vector<Submitted>> done) {
                           answers.push_back(std::move(done));
                         });
  }
  first.until([&] { return answers.size() == 3; });
  EXPECT_TRUE(answers[0]);
  ASSERT_FALSE(answers[1]);
  EXPECT_EQ(answers[1].error().code, "store_refused");
  EXPECT_TRUE(answers[2]);
  NewTask task = new_task();
  task.unique_key = std::string{"a\0b", 3};
  const auto cut = first.submit(std::vector<NewTask>{task});
  ASSERT_FALSE(cut) << "a text is never cut at its NUL";
  EXPECT_EQ(cut.error().code, "store_refused");
  EXPECT_EQ(first.counts().by_state.at(TaskState::ready), 2);
}

TEST_F(PostgresStoreTest, TenThousandOfOneKeyAreOneTask) {
  open(first, options);
  NewTask task = new_task();
  task.unique_key = "k";
  std::size_t is_new = 0;
  std::set<TaskId> ids;
  int answers = 0;
  for (int i = 0; i < 10; ++i) {
    first.tasks().submit(std::vector<NewTask>(1000, task), loop.clock().now(),
                         [&](Result<std::vector<Submitted>> done) {
                           ++answers;
                           for (const Submitted& one : done.value()) {
                             is_new += one.is_new ? 1U : 0U;
                             ids.insert(one.id);
                           }
                         });
  }
  first.until([&] { return answers == 10; });
  EXPECT_EQ(is_new, 1U);
  EXPECT_EQ(ids.size(), 1U);
}

TEST_F(PostgresStoreTest, ATaskWithoutItsArgsFailsAndTheNextOneRuns) {
  open(first, options);
  const TaskId bad = first.submit(new_task()).id;
  const TaskId good = first.submit(new_task()).id;
  hand.run("DELETE FROM " + at("payloads") + " WHERE id = " + std::to_string(bad));
  first.limit(10);
  first.until([&] { return first.claimed.size() == 1; });
  EXPECT_EQ(first.claimed[0].key.task, good);
  first.until([&] { return first.get(bad)->state == TaskState::failed; });
  EXPECT_EQ(first.get(bad)->error.value_or(Error{}).code, "record_unreadable");
}

// ---- several nodes ----------------------------------------------------------------------------

TEST_F(PostgresStoreTest, TwoNodesShareOneQueueAndNoTask) {
  open(first, options);
  options.node = "n2";
  open(second, options);
  first.tasks().set_limits(limits(10));
  second.tasks().set_limits(limits(10));
  std::set<TaskId> submitted;
  const auto answer = first.submit(std::vector<NewTask>(500, new_task()));
  for (const Submitted& one : answer.value()) submitted.insert(one.id);
  std::set<TaskId> seen;
  int by_second = 0;
  const auto work = [&](StoreDriver& driver, int& count) {
    for (const ClaimedTask& task : driver.take_claimed()) {
      EXPECT_TRUE(seen.insert(task.key.task).second) << "given out twice";
      ++count;
      std::vector<Verdict> verdicts{verdict_of(task, Outcome::Kind::succeeded,
                                               TaskState::succeeded, loop.clock().now())};
      driver.tasks().finish(std::move(verdicts), [](Result<std::vector<bool>> done) {
        EXPECT_TRUE(done.value().at(0));
      });
    }
  };
  int by_first = 0;
  first.until([&] {
    work(first, by_first);
    work(second, by_second);
    return seen == submitted;
  });
  EXPECT_GT(by_first, 0);
  EXPECT_GT(by_second, 0);
}

// NOTIFY, for the poll would take an hour.
TEST_F(PostgresStoreTest, ANodeHearsOfWorkThatAnotherCannotDo) {
  options.poll_every = options.poll_listening_every = milliseconds{3'600'000};
  open(first, options);
  options.node = "n2";
  open(second, options);
  second.limit(10);
  first.until([&] {
    return hand.run("SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN \"cofounder_" +
                    schema.name() + "\"'") == "2";
  });
  const TaskId task = first.submit(new_task()).id;
  second.until([&] { return !second.claimed.empty(); });
  EXPECT_EQ(second.claimed[0].key.task, task);
}

TEST_F(PostgresStoreTest, WithoutNotificationsANodePolls) {
  options.poll_every = options.poll_listening_every = milliseconds{100};
  open(first, options);
  options.node = "n2";
  open(second, options);
  second.limit(10);
  // As through a pooler: nobody hears.
  hand.run("INSERT INTO " + at("tasks") +
           " VALUES (77, 1, 0, 0, 0, 0, 3, 1000, false, 0, NULL, NULL, 'hello.greet', 'hello',"
           " 'default', NULL, NULL, 'sql', NULL)");
  hand.run("INSERT INTO " + at("payloads") + " VALUES (77, '{}')");
  second.until([&] { return !second.claimed.empty(); });
  EXPECT_EQ(second.claimed[0].key.task, 77U);
}

// PgBouncer in transaction mode: each transaction may have another session.
TEST_F(PostgresStoreTest, APoolerOfTransactionsIsNoticed) {
  options.dsn = postgres_dsn(postgres_socket() + "/pool");
  options.poll_every = milliseconds{100};
  open(first, options);
  options.node = "n2";
  open(second, options);
  first.tasks().set_limits(limits(5));
  second.tasks().set_limits(limits(5));
  constexpr int tasks = 60;
  std::set<TaskId> seen;
  int ended = 0;
  const auto work = [&](StoreDriver& driver) {
    for (const ClaimedTask& task : driver.take_claimed()) {
      EXPECT_TRUE(seen.insert(task.key.task).second) << "given out twice";
      std::vector<Verdict> verdicts{verdict_of(task, Outcome::Kind::succeeded,
                                               TaskState::succeeded, loop.clock().now())};
      driver.tasks().finish(std::move(verdicts), [&](Result<std::vector<bool>> done) {
        EXPECT_TRUE(done.value().at(0));
        ++ended;
      });
    }
  };
  for (int i = 0; i < tasks; ++i) {
    EXPECT_TRUE((i % 2 == 0 ? first : second).submit(new_task()).is_new);
    EXPECT_TRUE(first.list({}).tasks.size() > 0);
    work(first);
    work(second);
  }
  first.until([&] {
    work(first);
    work(second);
    return ended == tasks;
  });
  // Names would be found in the sessions that the pooler keeps.
  PostgresHand pooled{options.dsn};
  EXPECT_EQ(pooled.run("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%" +
                       schema.name() + "%'"),
            "0");
}

// Who insists on names behind such a pooler gets along all the same.
TEST_F(PostgresStoreTest, NamesThatDoNotLastAreGivenUp) {
  options.dsn = postgres_dsn(postgres_socket() + "/pool");
  options.prepare = PostgresPrepare::on;
  open(first, options);
  options.node = "n2";
  open(second, options);
  for (int i = 0; i < 30; ++i) {
    EXPECT_TRUE(first.submit(new_task()).is_new);
    EXPECT_TRUE(second.submit(new_task()).is_new);
    hand.run("SELECT 1");
  }
  EXPECT_EQ(first.counts().by_state.at(TaskState::ready), 60);
}

TEST_F(PostgresStoreTest, NodesThatOpenAtOnceMakeOneSchema) {
  std::vector<std::unique_ptr<StoreDriver>> nodes;
  int opened = 0;
  for (int i = 0; i < 8; ++i) {
    options.node = "n" + std::to_string(i);
    nodes.push_back(std::make_unique<StoreDriver>(loop, loop.clock()));
    nodes.back()->use(make_postgres_store(loop, loop.clock(), options));
    TaskStore::Listener listener;
    listener.on_claimed = [](const std::vector<ClaimedTask>&) {};
    listener.on_next_due = [](Time) {};
    listener.on_availability = [](bool, const Error&) {};
    nodes.back()->tasks().open(std::move(listener), [&](Result<TaskStore::Opened> result) {
      EXPECT_TRUE(result) << result.error().message << result.error().hint;
      ++opened;
    });
  }
  nodes[0]->until([&] { return opened == 8; });
  EXPECT_EQ(hand.run("SELECT count(DISTINCT number) FROM " + at("nodes")), "8");
  std::set<TaskId> ids;
  for (const auto& node : nodes) ids.insert(node->submit(new_task()).id);
  EXPECT_EQ(ids.size(), 8U);
}

// An hour off, and nobody notices: the database's clock decides.
TEST_F(PostgresStoreTest, TheDatabasesClockDecides) {
  for (const std::int64_t hours : {-1, 1}) {
    WrongClock wrong{loop.clock(), hours * std::chrono::hours{1}};
    StoreDriver driver{loop, wrong};
    options.node = "wrong" + std::to_string(hours);
    driver.use(make_postgres_store(loop, wrong, options));
    driver.open().value();
    const Time before = loop.clock().now();
    const TaskId at_once = driver.submit(new_task()).id;
    NewTask soon = new_task();
    soon.run_at = wrong.now() + milliseconds{300};
    const TaskId later = driver.submit(soon).id;
    driver.limit(10);
    driver.until([&] { return driver.claimed.size() == 1; });
    EXPECT_EQ(driver.claimed[0].key.task, at_once);
    const auto record = driver.get(at_once);
    EXPECT_GE(record->submitted_at, before - seconds{1});
    EXPECT_LE(record->submitted_at, loop.clock().now() + seconds{1});
    // The word of when to look again is one of the node's own clock.
    EXPECT_LT(driver.next_due, wrong.now() + seconds{5});
    EXPECT_GT(driver.next_due, wrong.now() - seconds{5});
    driver.until([&] {
      if (driver.claimed.size() < 2) driver.claim_due();
      return driver.claimed.size() == 2;
    });
    EXPECT_EQ(driver.claimed[1].key.task, later);
    EXPECT_GE(driver.get(later)->started_at.value(), before + milliseconds{250});
    driver.close();
    hand.run("DELETE FROM " + at("tasks"));
  }
}

}  // namespace
}  // namespace cofounder::test
