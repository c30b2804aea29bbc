// SPDX-License-Identifier: Apache-2.0
// cofounderctl store migrate-to: what a SQLite store keeps is in PostgreSQL afterwards, as it was.
#include "core/store/store_move.hpp"
#include "tests/store/postgres_fixture.hpp"

#include <fstream>

namespace cofounder::test {
namespace {

using ::testing::HasSubstr;

class StoreMoveTest : public PostgresStoreTest {
 protected:
  SqliteOptions sqlite() const {
    SqliteOptions from;
    from.file = folder.path() / "state.db";
    return from;
  }
  void open_sqlite() {
    first.use(make_sqlite_store(loop, loop.clock(), sqlite()));
    first.open().value();
  }
  Result<StoreMove::Moved> move(const PostgresOptions& to) {
    StoreMove mover{loop, sqlite(), to};
    return first.ask<StoreMove::Moved>([&](auto done) { mover.run(std::move(done)); });
  }
  template <class T, class Start>
  T ask(StoreDriver& driver, Start start) {
    return driver.ask<T>(std::move(start)).value();
  }

  // Tasks of every kind; their ids.
  std::vector<TaskId> fill() {
    first.limit(100);
    NewTask failing = new_task();
    failing.queue = "bad";
    std::vector<TaskId> ids;
    for (int i = 0; i < 1'200; ++i) ids.push_back(0);
    const auto many = first.submit(std::vector<NewTask>(1'200, new_task())).value();
    for (std::size_t i = 0; i < many.size(); ++i) ids[i] = many[i].id;
    ids.push_back(first.submit(failing).id);
    std::size_t ended = 0;
    first.until([&] {
      for (const ClaimedTask& task : first.take_claimed()) {
        const bool bad = task.queue == "bad";
        EXPECT_TRUE(first.finish(verdict_of(
            task, bad ? Outcome::Kind::failed : Outcome::Kind::succeeded,
            bad ? TaskState::failed : TaskState::succeeded, loop.clock().now())));
        ++ended;
      }
      return ended == ids.size();
    });
    // One that was tried and goes on later from where it was.
    const TaskId deferred = first.submit(new_task()).id;
    first.until([&] { return first.claimed.size() == 1; });
    Verdict later = verdict_of(first.take_claimed().front(), Outcome::Kind::deferred,
                               TaskState::scheduled, loop.clock().now());
    later.run_at = later.outcome.run_at = loop.clock().now() + std::chrono::hours{1};
    later.outcome.checkpoint = std::string{"at\0 5", 5};
    EXPECT_TRUE(first.finish(later));
    ids.push_back(deferred);
    first.limit(0);
    NewTask waiting = new_task();
    waiting.unique_key = "k";
    waiting.schedule = "nightly";
    waiting.priority = 7;
    ids.push_back(first.submit(waiting).id);
    return ids;
  }
  void fill_sides() {
    Schedule schedule;
    schedule.name = "nightly";
    schedule.op = "hello.greet";
    schedule.args = "{}";
    schedule.language = "cron";
    schedule.text = "0 3 * * *";
    schedule.created_at = loop.clock().now();
    ask<bool>(first, [&](auto done) {
      first.stores().schedules.put_schedule(schedule, std::move(done));
    });
    ask<KeyValueStore::Written>(first, [&](auto done) {
      first.stores().values.kv_put("oauth", "key", std::string{"\0\xff", 2}, -1, Time::max(),
                                   loop.clock().now(), 1'000, std::move(done));
    });
    UsageStore::Record record;
    record.plugin = record.provider = "p";
    record.model = "m";
    record.operation = "o";
    record.cost_micros = 42;
    record.at = loop.clock().now();
    ask<bool>(first, [&](auto done) {
      first.stores().usage.usage_record(record, std::move(done));
    });
  }
  static std::string shown(const TaskRecord& task) {
    std::string text = to_string(task.id) + std::string{to_string(task.state)} + task.op +
                       task.args + task.queue + std::to_string(task.priority) + task.unique_key +
                       task.schedule + task.submitter + task.result +
                       std::to_string(task.attempt) + "/" + std::to_string(task.attempts_max);
    for (const Time time : {task.submitted_at, task.run_at, task.started_at.value_or(Time{}),
                            task.ended_at.value_or(Time{})}) {
      text += " " + std::to_string(time.time_since_epoch().count());
    }
    if (task.error) text += task.error->code;
    for (const AttemptRecord& attempt : task.attempts) {
      text += " " + std::to_string(attempt.attempt) + attempt.node + attempt.outcome;
    }
    return text;
  }

  TemporaryFolder folder;
};

TEST_F(StoreMoveTest, AllThatWasThereIsThere) {
  open_sqlite();
  const auto ids = fill();
  fill_sides();
  std::vector<std::string> before;
  for (const TaskId id : ids) before.push_back(shown(*first.get(id)));
  const TaskCounts counted = first.counts();
  first.close();
  first.drop();

  const auto moved = move(options);
  ASSERT_TRUE(moved) << moved.error().message;
  EXPECT_EQ(moved->at(0), (std::pair<std::string, std::int64_t>{"tasks", 2}));
  EXPECT_EQ(moved->at(1).second, 1'201);
  EXPECT_FALSE(std::filesystem::exists(sqlite().file));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "state.db.moved"));

  open(second, options);
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto record = second.get(ids[i]);
    ASSERT_TRUE(record) << to_string(ids[i]) << " is lost";
    EXPECT_EQ(shown(*record), before[i]);
  }
  EXPECT_EQ(second.counts().by_state, counted.by_state);
  EXPECT_EQ(second.nodes().size(), 1U);
  const auto schedules = ask<std::vector<Schedule>>(
      second, [&](auto done) { second.stores().schedules.load_schedules(std::move(done)); });
  ASSERT_EQ(schedules.size(), 1U);
  EXPECT_EQ(schedules[0].text, "0 3 * * *");
  EXPECT_FALSE(schedules[0].last_fired);
  const auto value = ask<std::optional<KeyValueStore::Value>>(second, [&](auto done) {
    second.stores().values.kv_get("oauth", "key", loop.clock().now(), std::move(done));
  });
  ASSERT_TRUE(value);
  EXPECT_EQ(value->bytes, (std::string{"\0\xff", 2}));
  const auto written = ask<KeyValueStore::Written>(second, [&](auto done) {
    second.stores().values.kv_put("oauth", "key", "x", value->version, Time::max(),
                                  loop.clock().now(), 1'000, std::move(done));
  });
  EXPECT_TRUE(written.done);
  EXPECT_GT(written.version, value->version);
  const auto sums = ask<std::vector<UsageStore::Sum>>(second, [&](auto done) {
    second.stores().usage.usage_sum(UsageStore::By::model, Time{}, Time::max(), std::move(done));
  });
  ASSERT_EQ(sums.size(), 1U);
  EXPECT_EQ(sums[0].cost_micros, 42);

  // It goes on: the key still holds, what waits runs, and new ids are newer.
  NewTask same = new_task();
  same.unique_key = "k";
  EXPECT_FALSE(second.submit(same).is_new);
  EXPECT_GT(second.submit(new_task()).id, ids.back());
  second.limit(1);
  second.until([&] { return !second.claimed.empty(); });
  EXPECT_EQ(second.claimed[0].key, (AttemptKey{ids.back(), 1}));
  hand.run("UPDATE " + at("tasks") + " SET run_at = 0 WHERE attempt = 1 AND state = 0");
  second.limit(5);
  second.claim_due();
  second.until([&] { return second.claimed.size() == 3; });
  EXPECT_EQ(std::count_if(second.claimed.begin(), second.claimed.end(),
                          [](const ClaimedTask& task) {
                            return task.checkpoint == std::string{"at\0 5", 5} &&
                                   task.uncounted == 1;
                          }),
            1);
}

TEST_F(StoreMoveTest, NothingIsMovedByHalves) {
  EXPECT_THAT(move(options).error().message, HasSubstr("no store at"));
  open_sqlite();
  first.limit(0);
  const TaskId id = first.submit(new_task()).id;
  EXPECT_EQ(move(options).error().code, "store_locked") << "a daemon uses it";
  first.close();
  first.drop();

  PostgresOptions with_password = options;
  with_password.dsn += " password=horse";
  const Error plain = move(with_password).error();
  EXPECT_THAT(plain.message, HasSubstr("command line"));
  EXPECT_THAT(plain.message + plain.hint, ::testing::Not(HasSubstr("horse")));

  open(second, options);
  second.submit(new_task());
  second.close();
  EXPECT_THAT(move(options).error().message, HasSubstr("holds something already"));
  EXPECT_EQ(hand.run("SELECT count(*) FROM " + at("tasks")), "1");

  // Half way: a row that PostgreSQL does not take.
  hand.run("DELETE FROM " + at("tasks"));
  hand.run("DELETE FROM " + at("payloads"));
  hand.run("ALTER TABLE " + at("payloads") + " ADD CHECK (id = 0)");
  EXPECT_EQ(move(options).error().code, "store_refused");
  EXPECT_EQ(hand.run("SELECT count(*) FROM " + at("tasks")), "0");
  hand.run("ALTER TABLE " + at("payloads") + " DROP CONSTRAINT payloads_id_check");
  ASSERT_TRUE(std::filesystem::exists(sqlite().file));
  const auto moved = move(options);
  ASSERT_TRUE(moved) << moved.error().message;
  open(second, options);
  EXPECT_TRUE(second.get(id));
}

TEST_F(StoreMoveTest, WhatACrashLeftIsForTheDaemonToEnd) {
  open_sqlite();
  first.limit(1);
  first.submit(new_task());
  first.until([&] { return first.claimed.size() == 1; });
  first.close();  // without its end
  first.drop();
  const Error error = move(options).error();
  EXPECT_THAT(error.message, HasSubstr("crash"));
  EXPECT_THAT(error.hint, HasSubstr("Start cofounderd"));
}

}  // namespace
}  // namespace cofounder::test
