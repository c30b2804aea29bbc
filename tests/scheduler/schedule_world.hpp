// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/text.hpp"
#include "core/scheduler/schedule.hpp"
#include "tests/support/fake_clock.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <utility>

// A small world for tests of ScheduleEngine: a store in memory and a clock that stands still.
namespace cofounder::test {

using Strings = std::vector<std::string>;

inline Time at(std::string_view text) { return parse_rfc3339(text).value(); }

// Keeps the promises of ScheduleStore in memory; handlers run in settle().
class FakeStore : public ScheduleStore {
 public:
  void put_schedule(Schedule schedule, Done<bool> done) override {
    ask([this, schedule = std::move(schedule), done = std::move(done)]() mutable {
      if (!available) return done(away());
      const std::string name = schedule.name;
      done(kept.insert_or_assign(name, std::move(schedule)).second);
    });
  }
  void remove_schedule(std::string name, Done<bool> done) override {
    ask([this, name, done = std::move(done)]() mutable {
      if (!available) return done(away());
      done(kept.erase(name) > 0);
    });
  }
  void load_schedules(Done<std::vector<Schedule>> done) override {
    ask([this, done = std::move(done)]() mutable {
      if (!available) return done(away());
      std::vector<Schedule> all;
      for (const auto& [name, schedule] : kept) all.push_back(schedule);
      done(std::move(all));
    });
  }
  void fire(std::string name, Time due, NewTask task, bool skip_if_alive, Time,
            Done<TaskId> done) override {
    ask([this, name, due, task = std::move(task), skip_if_alive, done = std::move(done)]() mutable {
      ++asked;
      if (!available) return done(away());
      const auto found = kept.find(name);
      if (found == kept.end()) return done(TaskId{0});
      Schedule& schedule = found->second;
      if (schedule.last_fired && *schedule.last_fired >= due) return done(TaskId{0});
      schedule.last_fired = due;
      if (skip_if_alive && is_alive) {
        skipped.push_back(to_rfc3339(due));
        return done(TaskId{0});
      }
      fired.push_back(to_rfc3339(due));
      tasks.push_back(std::move(task));
      schedule.last_task = fired.size();
      done(schedule.last_task);
    });
  }

  bool is_shared() const noexcept override { return shared; }

  // Runs the handlers that wait, also those that these ask for.
  void settle() {
    while (!waiting.empty()) {
      auto next = std::move(waiting.front());
      waiting.pop_front();
      next();
    }
  }
  Strings take_fired() { return std::exchange(fired, {}); }

  std::map<std::string, Schedule> kept;
  Strings fired;
  Strings skipped;
  std::vector<NewTask> tasks;
  std::deque<UniqueFunction<void()>> waiting;
  int asked = 0;
  bool available = true;
  bool is_alive = false;
  bool shared = false;  // other nodes write here: the test plays them

 private:
  void ask(UniqueFunction<void()> action) { waiting.push_back(std::move(action)); }
  static Error away() { return make_error("store_unavailable", "the store is away", true); }
};

class ScheduleEngineTest : public ::testing::Test {
 protected:
  ScheduleEngineTest() { clock.set_wall(at("2026-01-01T00:00:00Z")); }

  // A new daemon on the same store.
  std::string begin() {
    engine = std::make_unique<ScheduleEngine>(store, clock, [this](const Schedule& schedule) {
      if (!make_error_code.empty())
        return Result<NewTask>{make_error(make_error_code, "no such op")};
      NewTask task;
      task.op = schedule.op;
      task.args = schedule.args;
      return Result<NewTask>{task};
    });
    std::string answer = "none";
    engine->start([&](Result<std::size_t> result) {
      answer = result ? std::to_string(*result) : result.error().code;
    });
    store.settle();
    return answer;
  }
  void advance(Nanoseconds by) {
    clock.advance(by, [this] { store.settle(); });
  }
  // "new", "changed" or the code of the error.
  std::string put(Schedule schedule) {
    std::string answer = "none";
    engine->put(std::move(schedule), [&](Result<bool> result) {
      answer = !result ? result.error().code : *result ? "new" : "changed";
    });
    store.settle();
    return answer;
  }
  std::string run_now(const std::string& name) {
    std::string answer = "none";
    engine->run_now(name, [&](Result<TaskId> result) {
      answer = result ? std::to_string(*result) : result.error().code;
    });
    store.settle();
    return answer;
  }
  static Schedule hourly(Schedule::Missed missed = Schedule::Missed::once) {
    Schedule schedule;
    schedule.name = "hourly";
    schedule.op = "hello.greet";
    schedule.args = "{}";
    schedule.language = "cron";
    schedule.text = "0 * * * *";
    schedule.missed = missed;
    return schedule;
  }
  static Schedule made(std::string language, std::string text) {
    Schedule schedule = hourly();
    schedule.language = std::move(language);
    schedule.text = std::move(text);
    return schedule;
  }

  FakeClock clock;
  FakeStore store;
  std::string make_error_code;
  std::unique_ptr<ScheduleEngine> engine;
};

}  // namespace cofounder::test
