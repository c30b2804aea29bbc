// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/retry.hpp"

#include <gtest/gtest.h>

namespace cofounder {
namespace {

using namespace std::chrono_literals;

constexpr Time now{Milliseconds{1'790'000'000'000}};

ClaimedTask task(int attempt, int uncounted = 0) {
  ClaimedTask task;
  task.key = {7, attempt};
  task.uncounted = uncounted;
  task.attempts_max = 3;
  return task;
}

Outcome outcome(Outcome::Kind kind, bool retryable = false) {
  Outcome outcome;
  outcome.kind = kind;
  outcome.error.retryable = retryable;
  return outcome;
}

TEST(Backoff, DoublesUpToItsLimit) {
  const RetryPolicy policy;
  EXPECT_EQ(backoff(policy, 1, 0.5), 1s);
  EXPECT_EQ(backoff(policy, 2, 0.5), 2s);
  EXPECT_EQ(backoff(policy, 5, 0.5), 16s);
  EXPECT_EQ(backoff(policy, 11, 0.5), 600s);
  EXPECT_EQ(backoff(policy, 1'000'000, 0.5), 600s);
}

TEST(Backoff, SpreadsByItsJitter) {
  const RetryPolicy policy;
  EXPECT_EQ(backoff(policy, 1, 0.0), 800ms);
  EXPECT_LE(backoff(policy, 1, 0.9999), 1200ms);
  EXPECT_GE(backoff(policy, 1, 0.9999), 1199ms);
}

TEST(Backoff, IsNotShorterThanTheOtherSideAsked) {
  EXPECT_EQ(backoff({}, 1, 0.5, 90s), 90s);
  EXPECT_EQ(backoff({}, 8, 0.5, 5s), 128s);
}

TEST(Decide, AnAttemptThatIsLostIsTriedAgainUntilTheyAreUsedUp) {
  const Verdict again = decide({}, task(2), outcome(Outcome::Kind::lost), now, 1s, 0.5);
  EXPECT_EQ(again.state, TaskState::scheduled);
  EXPECT_EQ(again.run_at, now + 2s);
  const Verdict over = decide({}, task(3), outcome(Outcome::Kind::lost), now, 1s, 0.5);
  EXPECT_EQ(over.state, TaskState::failed);
  EXPECT_EQ(over.outcome.error.code, "crashed_host");
}

TEST(Decide, UncountedAttemptsDoNotUseUpTheOthers) {
  const Verdict verdict = decide({}, task(5, 3), outcome(Outcome::Kind::failed, true), now, 1s, 0.5);
  EXPECT_EQ(verdict.state, TaskState::scheduled);
  EXPECT_EQ(verdict.run_at, now + 2s) << "the backoff of the second counted attempt";
  EXPECT_TRUE(verdict.counts);
}

TEST(Decide, StoppedWaitsAtOnceAndDoesNotCount) {
  const Verdict verdict = decide({}, task(3), outcome(Outcome::Kind::stopped), now, 1s, 0.5);
  EXPECT_EQ(verdict.state, TaskState::scheduled);
  EXPECT_EQ(verdict.run_at, now);
  EXPECT_FALSE(verdict.counts);
}

TEST(Decide, EndsAreWhatTheyAre) {
  EXPECT_EQ(decide({}, task(1), outcome(Outcome::Kind::succeeded), now, 1s, 0.5).state,
            TaskState::succeeded);
  EXPECT_EQ(decide({}, task(1), outcome(Outcome::Kind::cancelled), now, 1s, 0.5).state,
            TaskState::cancelled);
  EXPECT_EQ(decide({}, task(1), outcome(Outcome::Kind::timed_out), now, 1s, 0.5).state,
            TaskState::timed_out);
}

}  // namespace
}  // namespace cofounder
