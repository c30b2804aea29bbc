// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.hpp"
#include "core/scheduler/schedule.hpp"

#include <string_view>
#include <vector>

namespace cofounder {

void write_schedule(json::Writer& out, const Schedule& schedule, const std::vector<Time>& next);

// The body of PUT /v1/schedules/{name}; expression, op and args are checked elsewhere.  Code
// "invalid_schedule", the message names the field.
Result<Schedule> parse_schedule(std::string_view name, json::View body);

}  // namespace cofounder
