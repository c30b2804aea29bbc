// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/function.hpp"
#include "core/scheduler/task.hpp"

#include <map>
#include <string>

namespace cofounder {

enum class CancelReason { requested, deadline, stopping, lease_lost };

// What executes attempts.  The plugin host implements it; tests script it.  On the loop only.
class Runner {
 public:
  virtual ~Runner() = default;

  // Begins the attempt.  `done` is called exactly once, on the loop, never before start() returned,
  // with a kind other than lost.
  virtual void start(ClaimedTask task, Mono deadline, UniqueFunction<void(Outcome)> done) = 0;

  // Asks the attempt to end.  Its `done` follows within the runner's grace time whatever the plugin
  // does: a plugin that does not end is killed or quarantined.  Unknown attempts are ignored.
  virtual void cancel(AttemptKey attempt, CancelReason reason) = 0;

  // How many attempts each plugin that can work now takes at once.
  virtual std::map<std::string, int> capacity() const = 0;
};

}  // namespace cofounder
