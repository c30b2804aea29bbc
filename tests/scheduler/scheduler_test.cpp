// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <map>

#include "tests/scheduler/scheduler_fixture.hpp"

namespace cofounder {
namespace {

using namespace std::chrono_literals;

TEST_F(SchedulerTest, RunsATaskAndKeepsItsResult) {
  start();
  const TaskId id = submit(task());
  ASSERT_EQ(runner.started.size(), 1u);

  runner.succeed(id, R"({"greeting":"hi"})");
  settle();

  const TaskRecord ended = record(id);
  EXPECT_EQ(ended.state, TaskState::succeeded);
  EXPECT_EQ(ended.result, R"({"greeting":"hi"})");
  EXPECT_EQ(kinds, (std::vector{Scheduler::Event::Kind::submitted, Scheduler::Event::Kind::started,
                                Scheduler::Event::Kind::ended}));
}

TEST_F(SchedulerTest, WaitsUntilATaskIsDueAndNoLonger) {
  start();
  NewTask later = task();
  later.run_at = clock.now() + 30s;
  submit(std::move(later));

  advance(29'999ms);
  EXPECT_TRUE(runner.started.empty()) << "ran before it was due";
  advance(1ms);
  EXPECT_EQ(runner.started.size(), 1u);
}

// More nanoseconds than 64 bits hold; and it waits without looking all the time.
TEST_F(SchedulerTest, WaitsForTheYear9999) {
  start();
  const std::size_t at_start = clock.set();
  advance(240h);
  const std::size_t others = clock.set() - at_start;
  NewTask later = task();
  later.run_at = run_at_max;
  submit(std::move(later));

  const std::size_t before = clock.set();
  advance(240h);
  EXPECT_TRUE(runner.started.empty());
  EXPECT_LE(clock.set() - before, others + 20) << "it looks about once a day";
  clock.set_wall(run_at_max);
  settle();
  EXPECT_EQ(runner.started.size(), 1u);
}

TEST_F(SchedulerTest, SurvivesAJumpOfTheWallClock) {
  start();
  NewTask later = task();
  later.run_at = clock.now() + 1h;
  submit(std::move(later));

  clock.set_wall(clock.now() + 2h);
  settle();
  EXPECT_EQ(runner.started.size(), 1u) << "due by the new wall clock";
}

TEST_F(SchedulerTest, RetriesAFailedTaskAfterItsBackoff) {
  start();
  const TaskId id = submit(task());
  runner.fail(id, /*retryable=*/true);
  settle();
  advance(999ms);
  EXPECT_EQ(runner.started.size(), 1u) << "ran before its backoff was over";
  advance(1ms);
  ASSERT_EQ(runner.started.size(), 2u);
  EXPECT_EQ(runner.started[1].counted_attempt(), 2);
}

TEST_F(SchedulerTest, WaitsAsLongAsTheOtherSideAsked) {
  start();
  const TaskId id = submit(task());
  runner.fail(id, true, 90s);
  settle();
  advance(89s);
  EXPECT_EQ(runner.started.size(), 1u);
  advance(1s);
  EXPECT_EQ(runner.started.size(), 2u);
}

TEST_F(SchedulerTest, GivesUpWhenTheAttemptsAreUsedUp) {
  start();
  const TaskId id = submit(task());
  for (int i = 0; i < 3; ++i) {
    runner.fail(id, true);
    settle();
    advance(5s);
  }
  EXPECT_EQ(runner.started.size(), 3u);
  EXPECT_EQ(record(id).state, TaskState::failed);
  EXPECT_EQ(record(id).error->code, "broken");
  EXPECT_EQ(record(id).attempts.size(), 3u);
}

TEST_F(SchedulerTest, DoesNotRetryWhatIsNotRetryable) {
  start();
  const TaskId id = submit(task());
  runner.fail(id, false);
  settle();
  EXPECT_EQ(record(id).state, TaskState::failed);
}

TEST_F(SchedulerTest, EndsAnAttemptAtItsDeadlineWhateverComes) {
  start();
  const TaskId id = submit(task(5s));
  advance(4'999ms);
  EXPECT_TRUE(runner.cancelled.empty());
  advance(1ms);
  ASSERT_EQ(runner.cancelled.size(), 1u);
  EXPECT_EQ(runner.cancelled[0].second, CancelReason::deadline);

  runner.succeed(id);
  settle();
  EXPECT_EQ(record(id).state, TaskState::timed_out);
  EXPECT_EQ(record(id).error->code, "timed_out");
  EXPECT_EQ(record(id).error->message, "did not end within 5s");
}

TEST_F(SchedulerTest, RetriesATimeoutOnlyWhenTheOperationSaysSo) {
  start();
  NewTask again = task(5s);
  again.retry_on_timeout = true;
  const TaskId id = submit(std::move(again));
  advance(5s);
  runner.fail(id, false);
  settle();
  EXPECT_EQ(record(id).state, TaskState::scheduled);
}

TEST_F(SchedulerTest, CancelsAWaitingAndARunningTask) {
  start();
  NewTask later = task();
  later.run_at = clock.now() + 1h;
  const TaskId waiting = submit(std::move(later));
  const TaskId running = submit(task());
  std::map<TaskId, CancelResult> answers;
  for (const TaskId id : {waiting, running}) {
    scheduler.cancel(id, [&answers, id](auto answer) { answers[id] = answer.value(); });
  }
  settle();
  EXPECT_EQ(answers, (std::map<TaskId, CancelResult>{{waiting, CancelResult::cancelled},
                                                     {running, CancelResult::running}}));
  EXPECT_EQ(record(waiting).state, TaskState::cancelled);
  EXPECT_EQ(kinds.back(), Scheduler::Event::Kind::ended);
  EXPECT_TRUE(without_op.empty());

  runner.fail(running, true);
  settle();
  EXPECT_EQ(record(running).state, TaskState::cancelled);
}

TEST_F(SchedulerTest, ASuccessBeforeTheCancelIsFollowedCounts) {
  start();
  const TaskId id = submit(task());
  scheduler.cancel(id, [](auto) {});
  settle();
  runner.succeed(id);
  settle();
  EXPECT_EQ(record(id).state, TaskState::succeeded);
}

TEST_F(SchedulerTest, ADeferredAttemptDoesNotCountAndKeepsItsCheckpoint) {
  start();
  const TaskId id = submit(task());
  for (int i = 0; i < 5; ++i) {
    Outcome outcome;
    outcome.kind = Outcome::Kind::deferred;
    outcome.run_at = clock.now() + 10s;
    outcome.checkpoint = "poll " + std::to_string(i);
    runner.end(id, std::move(outcome));
    settle();
    advance(10s);
  }
  ASSERT_EQ(runner.started.size(), 6u);
  EXPECT_EQ(runner.started[5].counted_attempt(), 1);
  EXPECT_EQ(runner.started[5].checkpoint, "poll 4");
}

TEST_F(SchedulerTest, StopGivesRunningTasksBackWithoutUsingUpAnAttempt) {
  start();
  const TaskId id = submit(task());
  bool stopped = false;
  scheduler.stop([&] { stopped = true; });
  settle();
  ASSERT_EQ(runner.cancelled.size(), 1u);
  EXPECT_EQ(runner.cancelled[0].second, CancelReason::stopping);
  EXPECT_FALSE(stopped);
  runner.fail(id, false);
  settle();
  EXPECT_TRUE(stopped);
}

TEST_F(SchedulerTest, DrainTakesNothingNewAndEndsWhenNothingRuns) {
  start();
  const TaskId id = submit(task());
  bool drained = false;
  scheduler.drain([&] { drained = true; });
  submit(task());
  EXPECT_EQ(runner.started.size(), 1u);
  EXPECT_FALSE(drained);
  runner.succeed(id);
  settle();
  EXPECT_TRUE(drained);

  scheduler.resume();
  settle();
  EXPECT_EQ(runner.started.size(), 2u);
}

TEST_F(SchedulerTest, WaitAnswersWhenTheTaskIsOver) {
  start();
  const TaskId id = submit(task());
  std::vector<TaskState> seen;
  const auto note = [&](auto record) { seen.push_back(record.value()->state); };
  scheduler.wait(id, clock.mono() + 30s, note);
  scheduler.wait(id, clock.mono() + 5s, note);
  settle();
  EXPECT_TRUE(seen.empty());
  advance(5s);
  EXPECT_EQ(seen, (std::vector{TaskState::running}));
  runner.succeed(id);
  settle();
  EXPECT_EQ(seen, (std::vector{TaskState::running, TaskState::succeeded}));
  scheduler.wait(id, clock.mono() + 30s, note);
  settle();
  EXPECT_EQ(seen.size(), 3u) << "a task that is over is answered at once";
}

TEST_F(SchedulerTest, RunsNoMoreAtOnceThanItsLimitsSay) {
  options.running_max = 3;
  options.queue_max = {{"slow", 1}};
  start();
  NewTask slow = task();
  slow.queue = "slow";
  std::vector<TaskId> ids;
  for (int i = 0; i < 2; ++i) ids.push_back(submit(slow));
  for (int i = 0; i < 4; ++i) ids.push_back(submit(task()));
  EXPECT_EQ(runner.started.size(), 3u);
  runner.succeed(ids[0]);
  settle();
  EXPECT_EQ(runner.started.size(), 4u);
  EXPECT_EQ(runner.started[3].key.task, ids[1]) << "the oldest that may run";
}

TEST_F(SchedulerTest, DoesNotClaimForAPluginThatCannotWork) {
  runner.plugins.clear();
  start();
  submit(task());
  EXPECT_TRUE(runner.started.empty());
  runner.plugins = {{"hello", 1}};
  scheduler.capacity_changed();
  settle();
  EXPECT_EQ(runner.started.size(), 1u);
}

TEST_F(SchedulerTest, ForgetsFinishedTasksAfterTheRetention) {
  options.retention = 1h;
  start();
  const TaskId id = submit(task());
  runner.succeed(id);
  settle();
  advance(50min);
  EXPECT_EQ(record(id).state, TaskState::succeeded);
  advance(15min);
  std::optional<TaskRecord> found;
  stores.tasks.get(id, [&](auto answer) { found = std::move(answer.value()); });
  settle();
  EXPECT_FALSE(found);
}

}  // namespace
}  // namespace cofounder
