// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include "core/base/loop.hpp"
#include "core/scheduler/scheduler.hpp"
#include "core/store/stores.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/scripted_runner.hpp"

namespace cofounder {

using namespace std::chrono_literals;

// A whole small world: fake time, the memory store, a runner that does what the test says.
class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() { options.retry.jitter = 0; }

  void start() {
    scheduler.set_options(options);
    scheduler.observe([this](const Scheduler::Event& event) {
      kinds.push_back(event.kind);
      if (event.op.empty()) without_op.push_back(event.kind);
    });
    scheduler.start([](auto opened) { ASSERT_TRUE(opened); });
    settle();
  }

  void settle() {
    clock.advance(0ns, [this] {
      while (loop.poll()) {
      }
    });
  }
  void advance(Nanoseconds by) {
    clock.advance(by, [this] {
      while (loop.poll()) {
      }
    });
  }

  static NewTask task(Milliseconds timeout = 60s) {
    NewTask task;
    task.op = "hello.greet";
    task.args = "{}";
    task.timeout = timeout;
    task.attempts_max = 3;
    task.submitter = "test";
    return task;
  }

  TaskId submit(NewTask task) {
    TaskId id = 0;
    std::vector<NewTask> tasks;
    tasks.push_back(std::move(task));
    scheduler.submit(std::move(tasks), [&id](auto answer) { id = answer.value()[0].id; });
    settle();
    return id;
  }

  TaskRecord record(TaskId id) {
    std::optional<TaskRecord> found;
    stores.tasks.get(id, [&found](auto answer) { found = std::move(answer.value()); });
    settle();
    return found.value();
  }

  Loop loop;
  test::FakeClock clock;
  Stores stores = make_memory_store(loop, clock);
  test::ScriptedRunner runner;
  Scheduler::Options options;
  Scheduler scheduler{stores.tasks, runner, clock, options};
  std::vector<Scheduler::Event::Kind> kinds;
  std::vector<Scheduler::Event::Kind> without_op;  // of those: who listens would not know whose it is
};

}  // namespace cofounder
