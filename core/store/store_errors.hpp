// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/ids.hpp"
#include "core/scheduler/task.hpp"

#include <string>
#include <string_view>

// What all stores say alike.
namespace cofounder {

inline Error store_closed() {
  return make_error("store_unavailable", "The store is closed.", true);
}

inline Error unique_key_in_use(TaskId other) {
  return make_error("unique_key_in_use",
                    "Task " + to_string(other) + " has the same unique_key and is not over.");
}

inline Error space_is_full(std::string_view space, std::int64_t bytes_max) {
  return make_error("limit_reached",
                    "The values of " + std::string{space} + " would hold more than " +
                        std::to_string(bytes_max) + " bytes.",
                    true);
}

// Only the clock decides between the two states of a task that waits.
inline TaskState waiting_state(TaskState state, Time run_at, Time now) noexcept {
  if (state >= TaskState::running) return state;
  return run_at <= now ? TaskState::ready : TaskState::scheduled;
}

}  // namespace cofounder
