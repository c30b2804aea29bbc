// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "core/scheduler/runner.hpp"
#include "core/scheduler/task.hpp"

namespace cofounder {

// What an attempt's outcome is once the reason for which it was cancelled is taken into account (the
// rule that abi.h promises plugins at cof_outcome):
//  deadline   timed_out, whatever came
//  requested  succeeded when it did, else cancelled
//  stopping   succeeded when it did, else it is run again and does not count
Outcome with_reason(Outcome outcome, std::optional<CancelReason> cancelled, Milliseconds timeout);

}  // namespace cofounder
