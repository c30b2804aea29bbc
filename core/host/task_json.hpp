// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/task.hpp"

#include <string>

namespace cofounder {

// A task as GET /v1/tasks/{id} shows it.  `now` tells scheduled from ready.
std::string task_json(const TaskRecord& task, Time now);

}  // namespace cofounder
