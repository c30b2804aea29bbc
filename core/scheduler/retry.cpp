// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/retry.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace cofounder {

Milliseconds backoff(const RetryPolicy& policy, int attempt, double random,
                     Milliseconds asked) noexcept {
  // Beyond 2^60 every wait is the longest one; the bound keeps pow() finite.
  const double exponent = std::min(attempt - 1, 60);
  double wait = static_cast<double>(policy.first.count()) * std::pow(policy.factor, exponent);
  wait = std::min(wait, static_cast<double>(policy.most.count()));
  wait *= 1.0 + policy.jitter * (2.0 * random - 1.0);
  return std::max(Milliseconds{static_cast<std::int64_t>(wait)}, asked);
}

namespace {

TaskState end_of(Outcome::Kind kind) noexcept {
  switch (kind) {
    case Outcome::Kind::succeeded:
      return TaskState::succeeded;
    case Outcome::Kind::cancelled:
      return TaskState::cancelled;
    case Outcome::Kind::timed_out:
      return TaskState::timed_out;
    default:
      return TaskState::failed;
  }
}

bool may_be_tried_again(const ClaimedTask& task, const Outcome& outcome) noexcept {
  if (task.counted_attempt() >= task.attempts_max) return false;
  switch (outcome.kind) {
    case Outcome::Kind::failed:
      return outcome.error.retryable;
    case Outcome::Kind::timed_out:
      return task.retry_on_timeout;
    case Outcome::Kind::lost:
      return true;
    default:
      return false;
  }
}

}  // namespace

Verdict decide(const RetryPolicy& policy, const ClaimedTask& task, Outcome outcome, Time now,
               Milliseconds took, double random) {
  Verdict verdict;
  verdict.key = task.key;
  verdict.ended_at = now;
  verdict.took = took;
  if (outcome.kind == Outcome::Kind::deferred || outcome.kind == Outcome::Kind::stopped) {
    verdict.state = TaskState::scheduled;
    verdict.run_at = outcome.kind == Outcome::Kind::deferred ? outcome.run_at : now;
    verdict.counts = false;
  } else if (may_be_tried_again(task, outcome)) {
    verdict.state = TaskState::scheduled;
    verdict.run_at =
        now + backoff(policy, task.counted_attempt(), random, outcome.error.retry_after);
  } else {
    verdict.state = end_of(outcome.kind);
    if (outcome.kind == Outcome::Kind::lost) {
      outcome.error = make_error(
          "crashed_host", "the daemon died during each of the " +
                              std::to_string(task.counted_attempt()) + " attempts of this task");
    }
  }
  verdict.outcome = std::move(outcome);
  return verdict;
}

}  // namespace cofounder
