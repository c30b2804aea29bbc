// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/task_json.hpp"

#include "core/base/text.hpp"

namespace cofounder {

namespace {

TaskState shown_state(TaskState state, Time run_at, Time now) noexcept {
  if (state != TaskState::scheduled && state != TaskState::ready) return state;
  return run_at <= now ? TaskState::ready : TaskState::scheduled;
}

void member_time(json::Writer& out, std::string_view key, const std::optional<Time>& time) {
  out.key(key);
  if (time) {
    out.string(to_rfc3339(*time));
  } else {
    out.null();
  }
}

void member_error(json::Writer& out, const std::optional<Error>& error) {
  out.key("error");
  if (error) {
    out.raw(json::to_json(*error));
  } else {
    out.null();
  }
}

// Everything that lists show.
void write_common(json::Writer& out, const TaskRecord& task, Time now) {
  out.member("id", to_string(task.id));
  out.member("state", to_string(shown_state(task.state, task.run_at, now)));
  out.member("op", task.op).member("queue", task.queue).member("priority", task.priority);
  out.member("attempt", task.attempt).member("attempts_max", task.attempts_max);
  out.member("timeout", to_string(task.timeout));
  if (!task.unique_key.empty()) out.member("unique_key", task.unique_key);
  if (!task.schedule.empty()) out.member("schedule", task.schedule);
  out.member("submitter", task.submitter);
  out.member("submitted_at", to_rfc3339(task.submitted_at));
  out.member("run_at", to_rfc3339(task.run_at));
  member_time(out, "started_at", task.started_at);
  member_time(out, "ended_at", task.ended_at);
  member_error(out, task.error);
}

void write_attempt(json::Writer& out, const AttemptRecord& attempt) {
  out.begin_object().member("attempt", std::int64_t{attempt.attempt});
  out.member("outcome", attempt.outcome).member("node", attempt.node);
  out.member("started_at", to_rfc3339(attempt.started_at));
  member_time(out, "ended_at", attempt.ended_at);
  member_error(out, attempt.error);
  out.end_object();
}

void write_progress(json::Writer& out, const Scheduler::Running* running) {
  out.key("progress");
  if (running == nullptr || (running->fraction < 0 && running->progress.empty())) {
    out.null();
    return;
  }
  out.begin_object().key("fraction");
  if (running->fraction < 0) {
    out.null();
  } else {
    out.number(running->fraction);
  }
  out.member("text", running->progress).end_object();
}

}  // namespace

std::string_view plugin_of(std::string_view op) noexcept { return op.substr(0, op.find('.')); }

void write_task(json::Writer& out, const TaskRecord& task, Time now,
                const Scheduler::Running* running) {
  out.begin_object();
  write_common(out, task, now);
  out.member_raw("args", task.args.empty() ? "{}" : task.args);
  out.member_raw("result", task.result.empty() ? "null" : task.result);
  write_progress(out, task.state == TaskState::running ? running : nullptr);
  out.key("attempts").begin_array();
  for (const AttemptRecord& attempt : task.attempts) write_attempt(out, attempt);
  out.end_array().end_object();
}

void write_task_row(json::Writer& out, const TaskRecord& task, Time now) {
  out.begin_object();
  write_common(out, task, now);
  out.end_object();
}

std::string task_row_rest(const NewTask& task, Time now) {
  json::Writer out;
  out.begin_object();
  out.member("op", task.op).member("queue", task.queue).member("priority", task.priority);
  out.member("attempt", 0).member("attempts_max", task.attempts_max);
  out.member("timeout", to_string(task.timeout));
  if (!task.unique_key.empty()) out.member("unique_key", task.unique_key);
  out.member("submitter", task.submitter);
  out.member("run_at", to_rfc3339(std::max(task.run_at, now)));
  out.key("started_at").null().key("ended_at").null().key("error").null();
  out.end_object();
  std::string text = out.take();
  return text.substr(1, text.size() - 2);
}

void append_submitted(std::string& out, const Submitted& submitted, Time run_at, Time now,
                      std::string_view rest) {
  out += "{\"id\":\"";
  out += to_string(submitted.id);
  out += "\",\"state\":\"";
  out += to_string(shown_state(submitted.state, run_at, now));
  out += "\",\"submitted_at\":\"";
  out += to_rfc3339(submitted.submitted_at);
  out += "\",";
  out += rest;
  out += '}';
}

std::string event_type(const Scheduler::Event& event) {
  using Kind = Scheduler::Event::Kind;
  switch (event.kind) {
    case Kind::submitted:
      return "task.submitted";
    case Kind::started:
      return "task.started";
    case Kind::progress:
      return "task.progress";
    case Kind::output:
      return "task.output";
    case Kind::retrying:
      return "task.retrying";
    case Kind::ended:
      return "task." + std::string{to_string(event.state)};
  }
  return "task";
}

std::string event_json(const Scheduler::Event& event) {
  json::Writer out;
  out.begin_object().member("task", to_string(event.task)).member("op", event.op);
  out.member("state", to_string(event.state));
  if (event.attempt > 0) out.member("attempt", event.attempt);
  if (event.kind == Scheduler::Event::Kind::progress && event.fraction >= 0) {
    out.member("fraction", event.fraction);
  }
  if (!event.text.empty()) out.member("text", event.text);
  if (event.verdict != nullptr) {
    const Verdict& verdict = *event.verdict;
    out.member("took_ms", std::int64_t{verdict.took.count()});
    if (verdict.outcome.kind != Outcome::Kind::succeeded && !verdict.outcome.error.code.empty()) {
      out.member_raw("error", json::to_json(verdict.outcome.error));
    }
    if (!is_over(verdict.state)) out.member("run_at", to_rfc3339(verdict.run_at));
  }
  out.end_object();
  return out.take();
}

}  // namespace cofounder
