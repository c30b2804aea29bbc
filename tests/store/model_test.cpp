// SPDX-License-Identifier: Apache-2.0
// Random operations on the SQLite store and on the one in memory: every answer has to be the same.
#include "tests/store/store_fixture.hpp"

#include <gmock/gmock.h>

#include <random>
#include <sstream>

namespace cofounder::test {
namespace {

std::string text(Time time) { return std::to_string(time.time_since_epoch().count()); }
std::string text(const std::optional<Time>& time) { return time ? text(*time) : "-"; }
std::string text(const std::optional<Error>& error) { return error ? error->code : "-"; }

std::string text(const TaskRecord& task) {
  std::ostringstream out;
  out << task.id << ' ' << to_string(task.state) << ' ' << task.op << ' ' << task.args << ' '
      << task.queue << ' ' << task.priority << ' ' << task.timeout.count() << ' ' << task.attempt
      << '/' << task.attempts_max << " key=" << task.unique_key << ' ' << task.submitter << ' '
      << text(task.submitted_at) << ' ' << text(task.run_at) << ' ' << text(task.started_at) << ' '
      << text(task.ended_at) << ' ' << task.result << ' ' << text(task.error);
  for (const AttemptRecord& attempt : task.attempts) {
    out << " [" << attempt.attempt << ' ' << attempt.node << ' ' << text(attempt.started_at) << ' '
        << text(attempt.ended_at) << ' ' << attempt.outcome << ' ' << text(attempt.error) << ']';
  }
  return out.str();
}

std::string text(const ClaimedTask& task) {
  std::ostringstream out;
  out << task.key.task << '.' << task.key.attempt << '-' << task.uncounted << ' ' << task.op << ' '
      << task.args << ' ' << task.queue << ' ' << task.timeout.count() << ' ' << task.attempts_max
      << task.retry_on_timeout << ' ' << text(task.submitted_at) << ' ' << text(task.run_at) << ' '
      << text(task.started_at) << ' ' << task.checkpoint;
  return out.str();
}

std::string text(const TaskCounts& counts) {
  std::ostringstream out;
  for (const auto& [state, count] : counts.by_state) out << to_string(state) << count << ' ';
  for (const auto& [queue, count] : counts.waiting_by_queue) out << queue << count << ' ';
  for (const auto& ended : counts.ended) {
    out << ended.op << to_string(ended.state) << ended.count << '/' << ended.seconds << ' ';
  }
  return out.str();
}

class ModelTest : public ::testing::Test {
 protected:
  ModelTest() {
    policy.jitter = 0;  // the only chance in a store
    model.use(make_memory_store(loop, clock, "local", policy));
    make_sqlite();
    for (StoreDriver* driver : {&model, &sqlite}) driver->open().value();
  }
  void make_sqlite() {
    sqlite.drop();
    SqliteOptions options;
    options.file = folder.path() / "state.db";
    options.synchronous = "OFF";
    options.retry = policy;
    sqlite.use(make_sqlite_store(loop, clock, options));
  }

  int pick(int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); }
  TaskId any_task() {
    return ids.empty() ? 1 : ids[static_cast<std::size_t>(pick(static_cast<int>(ids.size())))];
  }

  // Does it to both, and compares what `tell` says of the answers.
  template <class Do, class Tell>
  auto both(const char* what, Do act, Tell tell) {
    auto expected = act(model);
    const auto answer = act(sqlite);
    EXPECT_EQ(tell(answer), tell(expected)) << what << ", step " << step;
    return expected;
  }
  template <class Do>
  auto both(const char* what, Do act) {
    return both(what, act, [](const auto& value) { return value; });
  }

  NewTask some_task() {
    NewTask task = new_task(std::array{"hello.greet", "hello.part", "other.op"}[random() % 3]);
    task.queue = "q" + std::to_string(pick(3));
    task.priority = pick(5) - 2;
    task.attempts_max = 1 + pick(4);
    task.retry_on_timeout = pick(2) == 0;
    task.args = "{\"n\":" + std::to_string(pick(1000)) + "}";
    task.run_at = clock.now() + seconds{pick(20) - 10};
    if (pick(3) == 0) task.unique_key = "k" + std::to_string(pick(12));
    return task;
  }

  void submit() {
    std::vector<NewTask> tasks;
    for (int i = pick(3); i >= 0; --i) tasks.push_back(some_task());
    const auto done = both(
        "submit", [&](StoreDriver& d) { return d.submit(tasks).value(); },
        [](const std::vector<Submitted>& all) {
          std::string out;
          for (const Submitted& s : all) {
            out += std::to_string(s.id) + (s.is_new ? "+" : "=") + std::string{to_string(s.state)} +
                   text(s.submitted_at) + " ";
          }
          return out;
        });
    for (const Submitted& task : done) ids.push_back(task.id);
  }

  void finish() {
    if (running.empty()) return;
    std::vector<Verdict> verdicts;
    for (int i = pick(3); i >= 0; --i) {
      const std::size_t which = static_cast<std::size_t>(pick(static_cast<int>(running.size())));
      const ClaimedTask task = running[which];
      Outcome outcome;
      outcome.kind = std::array{Outcome::Kind::succeeded, Outcome::Kind::failed,
                                Outcome::Kind::cancelled, Outcome::Kind::timed_out,
                                Outcome::Kind::deferred,  Outcome::Kind::stopped}[random() % 6];
      if (outcome.kind == Outcome::Kind::succeeded) outcome.result = R"({"ok":true})";
      if (outcome.kind == Outcome::Kind::failed) {
        outcome.error = make_error("e" + std::to_string(pick(3)), "It broke.", pick(2) == 0);
      }
      outcome.run_at = clock.now() + seconds{pick(10)};
      if (pick(2) == 0) outcome.checkpoint = "c" + std::to_string(step);
      verdicts.push_back(
          decide(policy, task, std::move(outcome), clock.now(), Milliseconds{pick(5000)}, 0.5));
      // Some stay, and are finished again: the fence has to notice.
      if (pick(8) != 0) running.erase(running.begin() + static_cast<std::ptrdiff_t>(which));
      if (running.empty()) break;
    }
    both("finish", [&](StoreDriver& d) { return d.finish(verdicts).value(); });
  }

  void change_limits() {
    std::map<std::string, int> queues;
    if (pick(2) == 0) queues["q0"] = pick(4);
    const int most = pick(12);
    const int hello = pick(8);
    both("limits", [&](StoreDriver& d) {
      d.limit(most, {{"hello", hello}, {"other", 3}}, queues);
      return true;
    });
  }

  void read() {
    const TaskId task = any_task();
    both(
        "get", [&](StoreDriver& d) { return d.get(task); },
        [](const std::optional<TaskRecord>& r) { return r ? text(*r) : "none"; });
    TaskQuery query;
    query.limit = 1 + pick(10);
    if (pick(2) == 0) query.after = any_task();
    if (pick(2) == 0) query.state = static_cast<TaskState>(pick(7));
    if (pick(3) == 0) query.op = "hello.part";
    if (pick(3) == 0) query.queue = "q1";
    both(
        "list", [&](StoreDriver& d) { return d.list(query); },
        [](const TaskPage& page) {
          std::string out = std::to_string(page.next);
          for (const TaskRecord& record : page.tasks) out += "\n" + text(record);
          return out;
        });
    const Time since = clock.now() - seconds{pick(60)};
    const auto tell = [](const TaskCounts& counts) { return text(counts); };
    both("counts since", [&](StoreDriver& d) { return d.counts(since); }, tell);
    both("counts", [&](StoreDriver& d) { return d.counts(); }, tell);
  }

  void change_one() {
    const TaskId task = any_task();
    switch (pick(4)) {
      case 0:
        both("cancel", [&](StoreDriver& d) { return d.cancel(task); });
        break;
      case 1:
        both(
            "retry", [&](StoreDriver& d) { return d.retry(task); },
            [](const Result<RetryResult>& r) {
              return r ? std::to_string(static_cast<int>(*r)) : r.error().message;
            });
        break;
      case 2: {
        if (running.empty()) break;
        AttemptKey key = running.front().key;
        key.attempt -= pick(4) == 0 ? 1 : 0;
        const std::string state = pick(4) == 0 ? "" : "state" + std::to_string(step);
        both("checkpoint", [&](StoreDriver& d) { return d.checkpoint(key, state); });
        break;
      }
      default: {
        const Time before = clock.now() - seconds{pick(100)};
        both("purge", [&](StoreDriver& d) { return d.purge(before, 1 + step % 300); });
      }
    }
  }

  void values() {
    const std::string key = "key" + std::to_string(pick(6));
    const Time expires = pick(2) == 0 ? Time::max() : clock.now() + seconds{pick(20)};
    const std::int64_t expected = pick(2) == 0 ? -1 : pick(step / 10 + 1);
    const std::string bytes(static_cast<std::size_t>(pick(60)), 'b');
    const auto written = [](const Result<KeyValueStore::Written>& r) {
      return r ? std::to_string(r->done) + std::to_string(r->version) : r.error().code;
    };
    const auto value = [](const std::optional<KeyValueStore::Value>& v) {
      return v ? v->bytes + std::to_string(v->version) : "none";
    };
    using Value = std::optional<KeyValueStore::Value>;
    const Time now = clock.now();
    both(
        "put",
        [&](StoreDriver& d) {
          return d.ask<KeyValueStore::Written>([&](auto done) {
            d.stores().values.kv_put("s", key, bytes, expected, expires, now, 150, std::move(done));
          });
        },
        written);
    const std::string other = "key" + std::to_string(pick(6));
    if (pick(4) == 0) {
      both(
          "take",
          [&](StoreDriver& d) {
            return d
                .ask<Value>(
                    [&](auto done) { d.stores().values.kv_take("s", other, now, std::move(done)); })
                .value();
          },
          value);
    } else if (pick(3) == 0) {
      both(
          "remove",
          [&](StoreDriver& d) {
            return d.ask<KeyValueStore::Written>([&](auto done) {
              d.stores().values.kv_remove("s", other, expected, now, std::move(done));
            });
          },
          written);
    }
    const std::string after = pick(2) == 0 ? "" : key;
    both(
        "scan",
        [&](StoreDriver& d) {
          return d
              .ask<KeyValueStore::Page>([&](auto done) {
                d.stores().values.kv_scan("s", "key", after, 3, now, std::move(done));
              })
              .value();
        },
        [](const KeyValueStore::Page& page) {
          std::string out = std::to_string(page.more);
          for (const auto& entry : page.entries) out += entry.key + entry.value.bytes;
          return out;
        });
  }

  void schedules() {
    Schedule schedule;
    schedule.name = "s" + std::to_string(pick(3));
    schedule.op = "hello.greet";
    if (pick(10) == 0) {
      both("put schedule", [&](StoreDriver& d) {
        return d
            .ask<bool>(
                [&](auto done) { d.stores().schedules.put_schedule(schedule, std::move(done)); })
            .value();
      });
    }
    const Time due = clock.now() - seconds{pick(5)};
    const bool skip = pick(2) == 0;
    const NewTask task = some_task();
    const TaskId fired = both("fire", [&](StoreDriver& d) {
      return d
          .ask<TaskId>([&](auto done) {
            d.stores().schedules.fire(schedule.name, due, task, skip, clock.now(), std::move(done));
          })
          .value();
    });
    if (fired != 0) ids.push_back(fired);
  }

  void restart() {
    both("restart", [&](StoreDriver& d) {
      d.close();
      if (&d == &sqlite) make_sqlite();
      const auto opened = d.open().value();
      return std::pair{opened.recovered, opened.waiting};
    });
    running.clear();
    change_limits();
  }

  // Whatever was claimed meanwhile has to be the same, in the same order.
  void compare_claims() {
    for (StoreDriver* driver : {&model, &sqlite}) driver->settle();
    std::string expected;
    std::string answer;
    auto claims = model.take_claimed();
    for (const ClaimedTask& task : claims) expected += text(task) + "\n";
    for (const ClaimedTask& task : sqlite.take_claimed()) answer += text(task) + "\n";
    ASSERT_EQ(answer, expected) << "claims, step " << step;
    ASSERT_EQ(text(sqlite.next_due), text(model.next_due)) << "next due, step " << step;
    for (ClaimedTask& task : claims) running.push_back(std::move(task));
  }

  RetryPolicy policy;
  Loop loop;
  FakeClock clock;
  TemporaryFolder folder;
  StoreDriver model{loop, clock};
  StoreDriver sqlite{loop, clock};
  std::mt19937 random{20261123};
  int step = 0;
  std::vector<TaskId> ids;
  std::vector<ClaimedTask> running;
};

TEST_F(ModelTest, SqliteAgreesWithTheModel) {
  change_limits();
  for (step = 0; step < 20'000; ++step) {
    const int what = pick(100);
    if (what < 25)
      submit();
    else if (what < 50)
      finish();
    else if (what < 55)
      change_limits();
    else if (what < 65)
      read();
    else if (what < 78)
      change_one();
    else if (what < 85)
      values();
    else if (what < 90)
      schedules();
    else if (what < 91 && pick(4) == 0)
      restart();
    else {
      clock.advance(Milliseconds{pick(3000)});
      both("due", [&](StoreDriver& d) {
        d.claim_due();
        return true;
      });
    }
    compare_claims();
    if (HasFailure()) break;
    if (ids.size() > 400) ids.erase(ids.begin(), ids.begin() + 200);
  }
}

}  // namespace
}  // namespace cofounder::test
