// SPDX-License-Identifier: Apache-2.0
#include "core/host/task_json.hpp"

#include "core/base/ids.hpp"
#include "core/base/json.hpp"
#include "core/base/text.hpp"

namespace cofounder {
namespace {

void write_time(json::Writer& out, std::string_view key, const std::optional<Time>& time) {
  if (time) out.member(key, to_rfc3339(*time));
}

void write_attempt(json::Writer& out, const AttemptRecord& attempt) {
  out.begin_object()
      .member("attempt", std::int64_t{attempt.attempt})
      .member("node", attempt.node)
      .member("outcome", attempt.outcome)
      .member("started_at", to_rfc3339(attempt.started_at));
  write_time(out, "ended_at", attempt.ended_at);
  if (attempt.error) out.member_raw("error", json::to_json(*attempt.error));
  out.end_object();
}

TaskState state_at(const TaskRecord& task, Time now) {
  if (task.state != TaskState::scheduled && task.state != TaskState::ready) return task.state;
  return task.run_at > now ? TaskState::scheduled : TaskState::ready;
}

}  // namespace

std::string task_json(const TaskRecord& task, Time now) {
  json::Writer out;
  out.begin_object()
      .member("id", to_string(task.id))
      .member("op", task.op)
      .member("state", to_string(state_at(task, now)))
      .member("queue", task.queue)
      .member("priority", task.priority)
      .member("timeout", to_string(task.timeout))
      .member("attempt", task.attempt)
      .member("attempts_max", task.attempts_max);
  if (!task.unique_key.empty()) out.member("unique_key", task.unique_key);
  if (!task.schedule.empty()) out.member("schedule", task.schedule);
  out.member("submitter", task.submitter);
  write_time(out, "submitted_at", task.submitted_at);
  write_time(out, "run_at", task.run_at);
  write_time(out, "started_at", task.started_at);
  write_time(out, "ended_at", task.ended_at);
  out.member_raw("args", task.args.empty() ? "{}" : task.args);
  if (!task.result.empty()) out.member_raw("result", task.result);
  if (task.error) out.member_raw("error", json::to_json(*task.error));
  out.key("attempts").begin_array();
  for (const auto& attempt : task.attempts) write_attempt(out, attempt);
  return out.end_array().end_object().take();
}

}  // namespace cofounder
