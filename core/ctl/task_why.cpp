// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/task_why.hpp"

#include "core/base/text.hpp"
#include "core/ctl/table.hpp"
#include "core/ctl/wait.hpp"

namespace cofounder::ctl {
namespace {

std::string when(json::View task, std::string_view member) {
  const json::View value = task.find(member);
  return value.as_string() ? cell(value, wall_now()) : std::string{"a time that is not known"};
}

std::string last_error(json::View task) {
  const json::View error = task.find("error");
  if (!error.is_object()) return {};
  return error.string_or("message", "") + " (" + error.string_or("code", "") + ")";
}

std::string attempt_of(json::View task) {
  return "attempt " + std::to_string(task.integer_or("attempt", 0)) + " of " +
         std::to_string(task.integer_or("attempts_max", 0));
}

// What of the plugin holds the task back; empty: nothing.
std::string plugin_reason(Session& session, const std::string& op) {
  const std::string id = op.substr(0, op.find('.'));
  Request request;
  request.target = "/v1/plugins/" + encode(id);
  const Result<Answer> answer = session.http.call(request);
  if (!answer) return {};
  if (answer->status == 404) return "the plugin " + id + " is not loaded";
  if (!answer->is_success()) return {};
  const json::Document document = parse_body(*answer);
  const std::string state = document.root().string_or("state", "ready");
  if (state == "ready") return {};
  std::string text = "the plugin " + id + " is " + state;
  const json::View error = document.root().find("last_error");
  if (error.is_object()) text += ": " + error.string_or("message", "");
  return text;
}

std::vector<std::string> why_ready(Session& session, json::View task) {
  std::vector<std::string> lines = {"it is due since " + when(task, "run_at")};
  const std::string reason = plugin_reason(session, task.string_or("op", ""));
  if (!reason.empty()) lines.push_back(reason);
  Request request;
  request.target = "/v1/status";
  const Result<Answer> answer = session.http.call(request);
  if (answer && answer->is_success()) {
    const json::Document status = parse_body(*answer);
    if (status.root().bool_or("draining", false)) {
      lines.emplace_back("the daemon drains: it takes nothing new");
    }
  }
  if (lines.size() == 1) {
    lines.push_back("it waits for a free place: tasks before it in the queue " +
                    task.string_or("queue", "default") + " or the limits on running tasks");
  }
  return lines;
}

}  // namespace

std::vector<std::string> why_task(Session& session, json::View task) {
  const json::View said = task.find("why");
  if (said.as_string()) return {std::string{*said.as_string()}};
  if (said.is_array()) {
    std::vector<std::string> lines;
    for (std::size_t i = 0; i < said.size(); ++i) lines.push_back(cell(said.at(i), wall_now()));
    return lines;
  }

  const std::string state = task.string_or("state", "");
  if (is_over(state)) {
    std::vector<std::string> lines = {"it is over: " + state + " at " + when(task, "ended_at")};
    if (!last_error(task).empty()) lines.push_back(last_error(task));
    return lines;
  }
  if (state == "running") {
    return {"it runs since " + when(task, "started_at") + ", " + attempt_of(task)};
  }
  if (state == "ready") return why_ready(session, task);
  if (!last_error(task).empty()) {
    return {attempt_of(task) + " failed: " + last_error(task),
            "it is tried again at " + when(task, "run_at")};
  }
  return {"it is not due yet: " + when(task, "run_at")};
}

}  // namespace cofounder::ctl
