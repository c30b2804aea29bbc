// SPDX-License-Identifier: Apache-2.0
#include "core/control/routes.hpp"

#include "core/control/handlers.hpp"

#include <algorithm>
#include <array>

namespace cofounder {

namespace {

// clang-format off
constexpr std::array routes{
  ControlRoute{"POST", "/v1/files", Access::submit, "Send a file for one task; use its id as \"upload:...\" in the args", "", "application/octet-stream", "File", post_file, 201},
  ControlRoute{"POST", "/v1/tasks", Access::submit, "Submit one task, or an array of them (all or nothing)", "wait", "Submission", "Submitted", post_tasks, 201},
  ControlRoute{"GET", "/v1/tasks", Access::read, "List tasks, newest first", "state op queue limit after", "", "TaskPage", get_tasks},
  ControlRoute{"GET", "/v1/tasks/{id}", Access::read, "Show a task, at once or when it is over", "wait", "", "Task", get_task},
  ControlRoute{"GET", "/v1/tasks/{id}/why", Access::read, "Say what a task waits for", "", "", "Why", get_task_why},
  ControlRoute{"POST", "/v1/tasks/{id}/cancel", Access::operate, "Cancel a task that waits or runs", "wait", "", "Task", cancel_task, 200, "task_over"},
  ControlRoute{"POST", "/v1/tasks/{id}/retry", Access::operate, "Run a finished task again", "wait", "", "Task", retry_task, 200, "task_not_over unique_key_in_use"},
  ControlRoute{"GET", "/v1/schedules", Access::read, "List schedules by name", "", "", "Schedules", get_schedules},
  ControlRoute{"GET", "/v1/schedules/{name}", Access::read, "Show a schedule and its next five times", "", "", "Schedule", get_schedule},
  ControlRoute{"PUT", "/v1/schedules/{name}", Access::operate, "Make or change a schedule", "", "NewSchedule", "Schedule", put_schedule},
  ControlRoute{"DELETE", "/v1/schedules/{name}", Access::operate, "Remove a schedule", "", "", "", delete_schedule, 204},
  ControlRoute{"POST", "/v1/schedules/{name}/run", Access::operate, "Run a schedule now, besides its times", "", "", "Task", run_schedule, 201},
  ControlRoute{"GET", "/v1/nodes", Access::read, "List the daemons that share the store", "", "", "Nodes", get_nodes},
  ControlRoute{"GET", "/v1/plugins", Access::read, "List plugins", "", "", "Plugins", get_plugins},
  ControlRoute{"GET", "/v1/plugins/{id}", Access::read, "Show a plugin", "", "", "Plugin", get_plugin},
  ControlRoute{"GET", "/v1/plugins/{id}/why", Access::operate, "Say why a plugin failed last: the calls in flight, its last log lines", "", "", "PluginWhy", get_plugin_why},
  ControlRoute{"POST", "/v1/plugins/{id}/start", Access::operate, "Start a plugin and wait for the result", "", "", "Plugin", start_plugin},
  ControlRoute{"POST", "/v1/plugins/{id}/stop", Access::operate, "Stop a plugin and wait for the result", "", "", "Plugin", stop_plugin},
  ControlRoute{"POST", "/v1/plugins/{id}/restart", Access::operate, "Stop and start a plugin and wait for the result", "", "", "Plugin", restart_plugin},
  ControlRoute{"POST", "/v1/plugins/{id}/reload", Access::operate, "Stop a plugin and start what its file holds now", "", "", "Plugin", reload_plugin},
  ControlRoute{"GET", "/v1/status", Access::read, "Show the daemon's state", "", "", "Status", get_status},
  ControlRoute{"GET", "/v1/health", Access::read, "200 when the daemon can do its work, else 503 with reasons", "", "", "Health", get_health},
  ControlRoute{"GET", "/v1/events", Access::read, "Follow what happens, as server-sent events", "since task plugin", "", "text/event-stream", get_events},
  ControlRoute{"GET", "/v1/config", Access::admin, "Show the configuration in effect; secrets only by where they come from", "", "", "Config", get_config},
  ControlRoute{"POST", "/v1/config/reload", Access::admin, "Read the configuration again; nothing changes unless every plugin agrees", "", "", "Reloaded", reload_config},
  ControlRoute{"POST", "/v1/drain", Access::operate, "Begin no more tasks; with wait, answer when none runs", "wait", "", "Drain", start_drain},
  ControlRoute{"DELETE", "/v1/drain", Access::operate, "Begin tasks again", "", "", "Drain", end_drain},
  ControlRoute{"GET", "/v1/store/backup", Access::admin, "A copy of the store as it is now, made while tasks run", "", "", "application/vnd.sqlite3", get_store_backup, 200, "busy store_has_own_tools"},
  ControlRoute{"GET", "/v1/store/check", Access::operate, "Read all of the store and say what is wrong with it", "", "", "StoreCheck", get_store_check, 200, "store_has_own_tools"},
  ControlRoute{"GET", "/v1/openapi.json", Access::read, "This description", "", "", "application/json", get_openapi},
};
// clang-format on

}  // namespace

std::span<const ControlRoute> control_routes() noexcept { return routes; }

std::vector<std::string_view> split_path(std::string_view path) {
  std::vector<std::string_view> segments;
  segments.reserve(6);
  if (!path.starts_with('/')) return segments;
  path.remove_prefix(1);
  for (;;) {
    const std::size_t slash = path.find('/');
    segments.push_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return segments;
    path.remove_prefix(slash + 1);
  }
}

PathPattern::PathPattern(std::string_view pattern) {
  for (const std::string_view segment : split_path(pattern)) {
    if (segment.size() > 2 && segment.front() == '{' && segment.back() == '}') {
      names_.emplace_back(segment.substr(1, segment.size() - 2));
      segments_.push_back({names_.back(), true});
    } else {
      segments_.push_back({std::string{segment}, false});
    }
  }
}

bool PathPattern::matches(std::span<const std::string_view> segments) const noexcept {
  if (segments.size() != segments_.size()) return false;
  for (std::size_t i = segments.size(); i-- > 0;) {
    if (segments_[i].is_param ? segments[i].empty() : segments[i] != segments_[i].text) {
      return false;
    }
  }
  return true;
}

std::vector<std::string> PathPattern::params(std::span<const std::string_view> segments) const {
  std::vector<std::string> params;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (segments_[i].is_param) params.emplace_back(segments[i]);
  }
  return params;
}

RouteTable::RouteTable() {
  for (const ControlRoute& route : routes) entries_.push_back({&route, PathPattern{route.pattern}});
}

RouteTable::Match RouteTable::find(std::string_view method, std::string_view path) const {
  Match match;
  if (method == "HEAD") method = "GET";
  const auto segments = split_path(path);
  for (const Entry& entry : entries_) {
    if (!entry.pattern.matches(segments)) continue;
    if (entry.route->method == method) {
      match.route = entry.route;
      match.params = entry.pattern.params(segments);
      return match;
    }
    if (!match.allowed.empty()) match.allowed += ", ";
    match.allowed += entry.route->method;
  }
  return match;
}

}  // namespace cofounder
