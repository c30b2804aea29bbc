// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/scheduler/runner.hpp"

namespace cofounder::test {

// A runner whose attempts end when the test says so.
class ScriptedRunner : public Runner {
 public:
  struct Running {
    ClaimedTask task;
    Mono deadline;
    UniqueFunction<void(Outcome)> done;
  };

  void start(ClaimedTask task, Mono deadline, UniqueFunction<void(Outcome)> done) override {
    started.push_back(task);
    const TaskId id = task.key.task;
    running[id] = Running{std::move(task), deadline, std::move(done)};
  }
  void cancel(AttemptKey attempt, CancelReason reason) override {
    cancelled.emplace_back(attempt, reason);
  }
  std::map<std::string, int> capacity() const override { return plugins; }

  void end(TaskId task, Outcome outcome) {
    auto node = running.extract(task);
    node.mapped().done(std::move(outcome));
  }
  void succeed(TaskId task, std::string result = "{}") {
    Outcome outcome;
    outcome.kind = Outcome::Kind::succeeded;
    outcome.result = std::move(result);
    end(task, std::move(outcome));
  }
  void fail(TaskId task, bool retryable, Milliseconds retry_after = Milliseconds{0}) {
    Outcome outcome;
    outcome.error = make_error("broken", "it broke", retryable);
    outcome.error.retry_after = retry_after;
    end(task, std::move(outcome));
  }

  std::map<std::string, int> plugins{{"hello", 100}};
  std::vector<ClaimedTask> started;
  std::map<TaskId, Running> running;
  std::vector<std::pair<AttemptKey, CancelReason>> cancelled;
};

}  // namespace cofounder::test
