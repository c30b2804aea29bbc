// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/attempt_end.hpp"

#include "core/base/text.hpp"

namespace cofounder {

Outcome with_reason(Outcome outcome, std::optional<CancelReason> cancelled, Milliseconds timeout) {
  if (!cancelled) return outcome;
  if (*cancelled == CancelReason::deadline) {
    Outcome late;
    late.kind = Outcome::Kind::timed_out;
    late.error = make_error("timed_out", "did not end within " + to_string(timeout));
    late.error.hint = "give the task a longer timeout, or find out what the plugin waits for";
    return late;
  }
  if (outcome.kind == Outcome::Kind::succeeded || outcome.kind == Outcome::Kind::deferred) {
    return outcome;
  }
  Outcome ended;
  if (*cancelled == CancelReason::requested) {
    ended.kind = Outcome::Kind::cancelled;
    ended.error = make_error("cancelled", "cancelled while it ran");
  } else if (*cancelled == CancelReason::lease_lost) {
    ended.kind = Outcome::Kind::stopped;
    ended.error = make_error(
        "lease_lost", "this node was out of touch with the store, and others may run its tasks", true);
  } else {
    ended.kind = Outcome::Kind::stopped;
    ended.error = make_error("stopped", "the daemon stopped while it ran", true);
  }
  return ended;
}

}  // namespace cofounder
