// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/config.hpp"
#include "core/host/plugin_host.hpp"
#include "core/scheduler/scheduler.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cofounder {

// All that can hold a task back, as it is at one moment.
struct WhyInput {
  const TaskRecord& task;
  Time now;
  Mono mono;
  const Config& config;
  std::vector<Scheduler::Running> running{};  // everything that runs on this node
  std::optional<PluginInfo> plugin{};         // that of the task's op
  bool is_op_known = false;
  int plugin_capacity = 0;  // tasks that it takes at once; 0: none now
  bool is_draining = false;
  std::optional<Error> store_problem{};
};

// {"id", "state", "text": a sentence or more, "facts": [{"kind", ...}]}: what the task waits for,
// how it runs or how it ended.
std::string why_json(const WhyInput& input);

}  // namespace cofounder
