// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/scheduler/task.hpp"

namespace cofounder {

struct RetryPolicy {
  Milliseconds first{1'000};    // wait after the first failed attempt
  double factor = 2.0;          // each further wait is so much longer
  Milliseconds most{600'000};   // but never longer than this
  double jitter = 0.2;          // a random part of the wait is added or taken: +-20 %
};

// The wait after attempt number `attempt` (from 1) failed.  `random` in [0, 1).  At least
// `asked` (a Retry-After), when the other side asked for it.
Milliseconds backoff(const RetryPolicy& policy, int attempt, double random,
                     Milliseconds asked = Milliseconds{0}) noexcept;

// Decides what becomes of a task after an attempt: the whole retry rule in one place.
//  succeeded  -> succeeded
//  cancelled  -> cancelled
//  timed_out  -> tried again when retry_on_timeout and attempts are left, else timed_out
//  failed     -> tried again when error.retryable and attempts are left, else failed
//  lost       -> (its daemon died) tried again when attempts are left, else failed, "crashed_host"
//  deferred   -> waits until outcome.run_at; does not count
//  stopped    -> waits again at once; does not count
Verdict decide(const RetryPolicy& policy, const ClaimedTask& task, Outcome outcome, Time now,
               Milliseconds took, double random);

}  // namespace cofounder
