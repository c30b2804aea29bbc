// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/task.hpp"

#include <array>

namespace cofounder {
namespace {

constexpr std::array<std::string_view, 7> state_names{
    "scheduled", "ready", "running", "succeeded", "failed", "cancelled", "timed_out"};
constexpr std::array<std::string_view, 7> kind_names{
    "succeeded", "failed", "cancelled", "timed_out", "lost", "deferred", "stopped"};

}  // namespace

std::string_view to_string(TaskState state) noexcept {
  return state_names[static_cast<std::size_t>(state)];
}

std::optional<TaskState> parse_task_state(std::string_view text) noexcept {
  for (std::size_t i = 0; i < state_names.size(); ++i) {
    if (state_names[i] == text) return static_cast<TaskState>(i);
  }
  return std::nullopt;
}

std::string_view to_string(Outcome::Kind kind) noexcept {
  return kind_names[static_cast<std::size_t>(kind)];
}

}  // namespace cofounder
