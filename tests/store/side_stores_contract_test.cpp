// SPDX-License-Identifier: Apache-2.0
#include "tests/store/store_fixture.hpp"

#include <gmock/gmock.h>

namespace cofounder::test {
namespace {

using ::testing::ElementsAre;
using Values = KeyValueStore;

class SideStoresContract : public StoreContract {
 protected:
  Result<bool> put(const Schedule& schedule) {
    return driver.ask<bool>(
        [&](auto done) { driver.stores().schedules.put_schedule(schedule, std::move(done)); });
  }
  std::vector<Schedule> schedules() {
    return driver
        .ask<std::vector<Schedule>>(
            [&](auto done) { driver.stores().schedules.load_schedules(std::move(done)); })
        .value();
  }
  TaskId fire(const std::string& name, Time due, bool skip_if_alive = false,
              NewTask task = new_task()) {
    return driver
        .ask<TaskId>([&](auto done) {
          driver.stores().schedules.fire(name, due, task, skip_if_alive, clock.now(),
                                         std::move(done));
        })
        .value();
  }
  Schedule schedule(std::string name) {
    Schedule made;
    made.name = std::move(name);
    made.op = "hello.greet";
    made.args = "{}";
    made.language = "cron";
    made.text = "0 9 * * *";
    made.timezone = "Europe/Berlin";
    made.missed = Schedule::Missed::all;
    made.overlap = Schedule::Overlap::allow;
    made.queue = "mail";
    made.priority = 3;
    made.timeout = seconds{9};
    made.attempts_max = 2;
    made.created_at = clock.now();
    return made;
  }

  Result<Values::Written> put(std::string key, std::string bytes, std::int64_t expected,
                              Time expires = Time::max(), std::int64_t bytes_max = 1000,
                              std::string space = "oauth") {
    return driver.ask<Values::Written>([&](auto done) {
      driver.stores().values.kv_put(space, key, bytes, expected, expires, clock.now(), bytes_max,
                                    std::move(done));
    });
  }
  std::optional<Values::Value> read(std::string key, std::string space = "oauth") {
    return driver
        .ask<std::optional<Values::Value>>([&](auto done) {
          driver.stores().values.kv_get(space, key, clock.now(), std::move(done));
        })
        .value();
  }
  std::optional<Values::Value> take(std::string key) {
    return driver
        .ask<std::optional<Values::Value>>([&](auto done) {
          driver.stores().values.kv_take("oauth", key, clock.now(), std::move(done));
        })
        .value();
  }
  Values::Written remove(std::string key, std::int64_t expected) {
    return driver
        .ask<Values::Written>([&](auto done) {
          driver.stores().values.kv_remove("oauth", key, expected, clock.now(), std::move(done));
        })
        .value();
  }
  Values::Page scan(std::string prefix, std::string after, int count) {
    return driver
        .ask<Values::Page>([&](auto done) {
          driver.stores().values.kv_scan("oauth", prefix, after, count, clock.now(),
                                         std::move(done));
        })
        .value();
  }
  std::vector<UsageStore::Sum> sums(UsageStore::By by, Time from, Time to) {
    return driver
        .ask<std::vector<UsageStore::Sum>>(
            [&](auto done) { driver.stores().usage.usage_sum(by, from, to, std::move(done)); })
        .value();
  }
};
INSTANTIATE_TEST_SUITE_P(Stores, SideStoresContract, ::testing::Values("memory", "sqlite", "postgres"),
                         store_name);

TEST_P(SideStoresContract, SchedulesSurviveARestart) {
  EXPECT_TRUE(put(schedule("b")).value());
  EXPECT_TRUE(put(schedule("a")).value());
  Schedule changed = schedule("b");
  changed.text = "@daily";
  changed.last_fired = clock.now();
  changed.last_task = 17;
  EXPECT_FALSE(put(changed).value());
  restart();
  const auto all = schedules();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].name, "a");
  EXPECT_FALSE(all[0].last_fired);
  EXPECT_EQ(all[0].timezone, "Europe/Berlin");
  EXPECT_EQ(all[0].missed, Schedule::Missed::all);
  EXPECT_EQ(all[0].overlap, Schedule::Overlap::allow);
  EXPECT_EQ(all[0].queue, "mail");
  EXPECT_EQ(all[0].priority, 3);
  EXPECT_EQ(all[0].timeout, seconds{9});
  EXPECT_EQ(all[0].attempts_max, 2);
  EXPECT_EQ(all[0].created_at, clock.now());
  EXPECT_EQ(all[1].text, "@daily");
  EXPECT_EQ(all[1].last_fired, clock.now());
  EXPECT_EQ(all[1].last_task, 17U);
  const auto remove_b = [&] {
    return driver
        .ask<bool>(
            [&](auto done) { driver.stores().schedules.remove_schedule("b", std::move(done)); })
        .value();
  };
  EXPECT_TRUE(remove_b());
  EXPECT_FALSE(remove_b());
  EXPECT_EQ(schedules().size(), 1U);
}

TEST_P(SideStoresContract, ADueTimeFiresOnce) {
  ASSERT_TRUE(put(schedule("s")));
  const Time due = clock.now();
  const TaskId task = fire("s", due);
  EXPECT_NE(task, 0U);
  EXPECT_TRUE(driver.get(task));
  EXPECT_EQ(fire("s", due), 0U);
  EXPECT_EQ(fire("s", due - seconds{1}), 0U);
  EXPECT_EQ(fire("absent", due), 0U);
  restart();
  EXPECT_EQ(fire("s", due), 0U);
  EXPECT_EQ(schedules()[0].last_fired, due);
  EXPECT_EQ(schedules()[0].last_task, task);
  EXPECT_NE(fire("s", due + seconds{1}), 0U);
}

TEST_P(SideStoresContract, ADueTimeIsSkippedWhileItsTaskIsAlive) {
  ASSERT_TRUE(put(schedule("s")));
  const Time due = clock.now();
  const TaskId first = fire("s", due, true);
  ASSERT_NE(first, 0U);
  EXPECT_EQ(fire("s", due + seconds{1}, true), 0U);
  EXPECT_EQ(schedules()[0].last_fired, due + seconds{1});
  EXPECT_EQ(schedules()[0].last_task, first);
  const ClaimedTask claim = claim_one();
  EXPECT_EQ(fire("s", due + seconds{2}, true), 0U);  // running is alive too
  EXPECT_TRUE(succeed(claim));
  EXPECT_EQ(fire("s", due + seconds{2}, true), 0U);  // counts as fired
  EXPECT_NE(fire("s", due + seconds{3}, true), 0U);
}

TEST_P(SideStoresContract, AWriteNeedsTheVersionThatItExpects) {
  const auto first = put("k", "one", 0).value();
  EXPECT_TRUE(first.done);
  EXPECT_GT(first.version, 0);
  const auto refused = put("k", "two", 0).value();
  EXPECT_FALSE(refused.done);
  EXPECT_EQ(refused.version, first.version);
  const auto second = put("k", "two", first.version).value();
  EXPECT_TRUE(second.done);
  EXPECT_GT(second.version, first.version);
  EXPECT_EQ(read("k")->bytes, "two");
  EXPECT_EQ(read("k")->version, second.version);
  EXPECT_FALSE(read("other"));
  EXPECT_FALSE(read("k", "elsewhere"));
  EXPECT_FALSE(remove("k", first.version).done);
  EXPECT_EQ(remove("k", first.version).version, second.version);
  EXPECT_TRUE(remove("k", second.version).done);
  EXPECT_FALSE(remove("k", Values::any_version).done);
  EXPECT_EQ(remove("k", Values::any_version).version, 0);
  const auto gone = put("k", "three", second.version).value();
  EXPECT_FALSE(gone.done);
  EXPECT_EQ(gone.version, 0);
  restart();
  // A version that was seen never comes again.
  EXPECT_GT(put("k", "three", Values::any_version).value().version, second.version);
}

TEST_P(SideStoresContract, AnExpiredValueIsAbsent) {
  const Time expires = clock.now() + seconds{10};
  EXPECT_TRUE(put("k", "v", 0, expires).value().done);
  EXPECT_TRUE(put("t", "v", 0, expires).value().done);
  clock.advance(seconds{9});
  EXPECT_TRUE(read("k"));
  clock.advance(seconds{1});
  EXPECT_FALSE(read("k"));
  EXPECT_FALSE(take("t"));
  EXPECT_TRUE(scan("", "", 10).entries.empty());
  EXPECT_FALSE(remove("k", Values::any_version).done);
  EXPECT_TRUE(put("k", "w", 0).value().done);
  EXPECT_EQ(read("k")->bytes, "w");
}

TEST_P(SideStoresContract, TakeIsOnceOnly) {
  EXPECT_TRUE(put("token", std::string{"a\0b", 3}, 0).value().done);
  const auto taken = take("token");
  ASSERT_TRUE(taken);
  EXPECT_EQ(taken->bytes, (std::string{"a\0b", 3}));
  EXPECT_FALSE(take("token"));
  EXPECT_FALSE(read("token"));
}

TEST_P(SideStoresContract, ScansInBytewiseOrder) {
  for (const char* key : {"a", "user/1", "user/10", "user/2", "user/\xc3\xa4", "v"}) {
    ASSERT_TRUE(put(key, std::string{"="} + key, 0).value().done);
  }
  ASSERT_TRUE(put("user/3", "", 0, Time::max(), 1000, "other").value().done);
  const auto keys = [](const Values::Page& page) {
    std::vector<std::string> list;
    for (const auto& entry : page.entries) {
      EXPECT_EQ(entry.value.bytes, "=" + entry.key);
      EXPECT_GT(entry.value.version, 0);
      list.push_back(entry.key);
    }
    return list;
  };
  const auto first = scan("user/", "", 2);
  EXPECT_THAT(keys(first), ElementsAre("user/1", "user/10"));
  EXPECT_TRUE(first.more);
  const auto rest = scan("user/", "user/10", 2);
  EXPECT_THAT(keys(rest), ElementsAre("user/2", "user/\xc3\xa4"));
  EXPECT_FALSE(rest.more);
  EXPECT_EQ(scan("", "", 100).entries.size(), 6U);
  EXPECT_TRUE(scan("user/", "v", 100).entries.empty());
  EXPECT_THAT(keys(scan("user/", "a", 1)), ElementsAre("user/1"));
}

TEST_P(SideStoresContract, ASpaceHasALimit) {
  EXPECT_TRUE(put("k1", "12345678", 0, Time::max(), 20).value().done);
  EXPECT_TRUE(put("k2", "12345678", 0, clock.now() + seconds{5}, 20).value().done);
  const auto full = put("k3", "", 0, Time::max(), 20);
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().code, "limit_reached");
  // Replacing counts the difference only, another space not at all.
  EXPECT_TRUE(put("k1", "87654321", Values::any_version, Time::max(), 20).value().done);
  EXPECT_FALSE(put("k1", "876543219", Values::any_version, Time::max(), 20));
  EXPECT_TRUE(put("k3", "", 0, Time::max(), 20, "other").value().done);
  // What expired makes room, what is removed or taken too.
  clock.advance(seconds{5});
  EXPECT_TRUE(put("k3", "12345678", 0, Time::max(), 20).value().done);
  EXPECT_FALSE(put("k4", "1", 0, Time::max(), 20));
  EXPECT_TRUE(remove("k3", Values::any_version).done);
  EXPECT_TRUE(put("k4", "12345678", 0, Time::max(), 20).value().done);
  EXPECT_TRUE(take("k4"));
  restart();
  EXPECT_TRUE(put("k5", "12345678", 0, Time::max(), 20).value().done);
  EXPECT_FALSE(put("k6", "1", 0, Time::max(), 20));
}

TEST_P(SideStoresContract, UsageIsSummed) {
  UsageStore::Record record;
  record.plugin = "hf";
  record.provider = "hub";
  record.model = "org/big";
  record.operation = "chat";
  record.input_tokens = 100;
  record.output_tokens = 20;
  record.cost_micros = 55;
  record.at = Time{std::chrono::sys_days{std::chrono::year{2026} / 2 / 28}} + seconds{86'399};
  const auto add = [&] {
    EXPECT_TRUE(driver.ask<bool>(
        [&](auto done) { driver.stores().usage.usage_record(record, std::move(done)); }));
  };
  add();
  record.at += seconds{1};
  record.model = "org/small";
  record.succeeded = false;
  record.cost_micros.reset();
  record.output_tokens.reset();
  add();
  add();
  const Time from = record.at - seconds{1};
  const auto models = sums(UsageStore::By::model, from, Time::max());
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0].key, "org/big");
  EXPECT_EQ(models[0].calls, 1);
  EXPECT_EQ(models[0].failed, 0);
  EXPECT_EQ(models[0].cost_micros, 55);
  EXPECT_EQ(models[0].unpriced, 0);
  EXPECT_EQ(models[1].key, "org/small");
  EXPECT_EQ(models[1].calls, 2);
  EXPECT_EQ(models[1].failed, 2);
  EXPECT_EQ(models[1].input_tokens, 200);
  EXPECT_EQ(models[1].output_tokens, 0);
  EXPECT_EQ(models[1].unpriced, 2);
  const auto days = sums(UsageStore::By::day, from, Time::max());
  ASSERT_EQ(days.size(), 2U);
  EXPECT_EQ(days[0].key, "2026-02-28");
  EXPECT_EQ(days[1].key, "2026-03-01");
  EXPECT_EQ(sums(UsageStore::By::op, from, Time::max()).at(0).key, "hf.chat");
  EXPECT_EQ(sums(UsageStore::By::provider, from, Time::max()).at(0).calls, 3);
  EXPECT_EQ(sums(UsageStore::By::provider, from, record.at).at(0).calls, 1);  // `to` is excluded
  EXPECT_TRUE(sums(UsageStore::By::provider, record.at + seconds{1}, Time::max()).empty());
}

}  // namespace
}  // namespace cofounder::test
