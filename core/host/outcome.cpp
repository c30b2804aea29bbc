// SPDX-License-Identifier: Apache-2.0
#include "core/host/outcome.hpp"

#include "core/host/border.hpp"

#include <utility>

namespace cofounder::host {

std::string name_of(const Call& call) {
  switch (call.kind) {
    case COF_CALL_OPERATION:
      return "operation \"" + call.name + "\"";
    case COF_CALL_ROUTE:
      return "route \"" + call.name + "\"";
    case COF_CALL_EVENT:
      return "event \"" + call.name + "\"";
    default:
      return call.name;
  }
}

Error error_of(const Call& call, const CallEnd& end, const std::string& plugin) {
  Error error;
  error.plugin = plugin;
  if (call.cancel_reason == COF_CANCEL_DEADLINE) {
    error.code = "timed_out";
    error.message = "the " + name_of(call) + " of plugin \"" + plugin +
                    "\" did not end before its deadline";
    error.retryable = true;
    return error;
  }
  error.code = end.code.empty() ? code_of_status(end.status) : end.code;
  error.message = end.message;
  if (error.message.empty()) {
    error.message = "the " + name_of(call) + " of plugin \"" + plugin + "\" failed: " + error.code;
  }
  error.retryable = end.retryable == 0 ? is_retryable(end.status) : end.retryable == 1;
  error.retry_after = end.retry_after;
  return error;
}

Outcome outcome_of(Call& call, CallEnd end, const std::string& plugin) {
  Outcome outcome;
  const auto fail_as = [&](Outcome::Kind kind) {
    outcome.kind = kind;
    outcome.error = error_of(call, end, plugin);
    return std::move(outcome);
  };
  const std::int32_t reason = call.cancel_reason;
  if (reason == COF_CANCEL_DEADLINE) return fail_as(Outcome::Kind::timed_out);
  if (end.status == COF_OK) {
    outcome.kind = Outcome::Kind::succeeded;
    outcome.result = std::move(end.result);
    return outcome;
  }
  if (reason == COF_CANCEL_REQUESTED) return fail_as(Outcome::Kind::cancelled);
  if (end.status == COF_DEFERRED) {
    const std::lock_guard lock{call.mutex};
    outcome.kind = Outcome::Kind::deferred;
    outcome.run_at = call.deferral->run_at;
    outcome.checkpoint = std::move(call.deferral->checkpoint);
    return outcome;
  }
  if (reason == COF_CANCEL_STOPPING) return fail_as(Outcome::Kind::stopped);
  return fail_as(Outcome::Kind::failed);
}

int http_status_of(std::int32_t status) noexcept {
  switch (status) {
    case COF_EINVALID:
      return 400;
    case COF_EDENIED:
      return 403;
    case COF_ENOTFOUND:
      return 404;
    case COF_EEXISTS:
    case COF_ECONFLICT:
      return 409;
    case COF_ETOOBIG:
      return 413;
    case COF_ELIMIT:
      return 429;
    case COF_EUNAVAILABLE:
      return 503;
    case COF_ETIMEDOUT:
      return 504;
    default:
      return 500;
  }
}

}  // namespace cofounder::host
