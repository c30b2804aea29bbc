// SPDX-License-Identifier: Apache-2.0
#include "core/control/handlers.hpp"
#include "core/scheduler/task_json.hpp"
#include "core/control/why.hpp"

#include <charconv>

namespace cofounder {

namespace {

Error unknown_task(std::string_view id) {
  return make_error("unknown_task", "there is no task \"" + std::string{id} + "\"");
}

std::optional<TaskId> read_task_id(RequestCall& call) {
  const auto id = parse_task_id(call.params.at(0));
  if (!id) send_error(call.responder, unknown_task(call.params[0]));
  return id;
}

using RecordDone = TaskStore::Done<std::optional<TaskRecord>>;

// Answers with the task as the store has it.
RecordDone answer_with_task(ControlContext& context, http::Responder responder, int status,
                            TaskId id) {
  return [&context, responder = std::move(responder), status,
          id](Result<std::optional<TaskRecord>> record) mutable {
    if (!record) return send_error(responder, record.error());
    if (!*record) return send_error(responder, unknown_task(to_string(id)));
    const auto running = context.ports.scheduler.find_running(id);
    json::Writer out;
    write_task(out, **record, context.now(), running ? &*running : nullptr);
    send_json(responder, status, out.take());
  };
}

void send_task(ControlContext& context, http::Responder responder, int status, TaskId id,
               std::optional<Mono> until) {
  if (!until) {
    return context.ports.store.get(id, answer_with_task(context, std::move(responder), status, id));
  }
  if (responder.is_gone()) return;
  const TaskWaits waits = forget_when_gone(context, responder);
  waits->push_back(context.ports.scheduler.wait(
      id, *until, answer_with_task(context, std::move(responder), status, id)));
}

std::optional<Error> read_query(const http::ServerRequest& request, TaskQuery& query) {
  for (const auto& [name, value] : request.query) {
    if (name == "state") {
      query.state = parse_task_state(value);
      if (!query.state) {
        return make_error("invalid_request",
                          "state must be scheduled, ready, running, succeeded, failed, cancelled "
                          "or timed_out");
      }
    } else if (name == "op") {
      query.op = value;
    } else if (name == "queue") {
      query.queue = value;
    } else if (name == "limit") {
      const char* const end = value.data() + value.size();
      const auto parsed = std::from_chars(value.data(), end, query.limit);
      if (parsed.ec != std::errc{} || parsed.ptr != end || query.limit < 1 || query.limit > 1000) {
        return make_error("invalid_request", "limit must be a number between 1 and 1000");
      }
    } else if (name == "after") {
      const auto id = parse_task_id(value);
      if (!id) return make_error("invalid_request", "after must be what \"next\" said");
      query.after = *id;
    } else {
      return make_error("invalid_request", "there is no query parameter \"" + name + "\"");
    }
  }
  return std::nullopt;
}

}  // namespace

void get_task(ControlContext& context, RequestCall call) {
  const auto id = read_task_id(call);
  if (!id) return;
  const auto until = read_wait(context, call);
  if (until) send_task(context, std::move(call.responder), 200, *id, *until);
}

void get_tasks(ControlContext& context, RequestCall call) {
  TaskQuery query;
  if (auto error = read_query(call.request, query)) {
    return send_error(call.responder, std::move(*error));
  }
  context.ports.store.list(std::move(query), [&context, responder = std::move(call.responder)](
                                                 Result<TaskPage> page) mutable {
    if (!page) return send_error(responder, page.error());
    json::Writer out;
    out.begin_object().key("tasks").begin_array();
    for (const TaskRecord& task : page->tasks) write_task_row(out, task, context.now());
    out.end_array().key("next");
    if (page->next == 0) {
      out.null();
    } else {
      out.string(to_string(page->next));
    }
    out.end_object();
    send_json(responder, 200, out.take());
  });
}

void cancel_task(ControlContext& context, RequestCall call) {
  const auto id = read_task_id(call);
  if (!id) return;
  const auto until = read_wait(context, call);
  if (!until) return;
  context.ports.scheduler.cancel(
      *id, [&context, id = *id, until = *until,
            responder = std::move(call.responder)](Result<CancelResult> result) mutable {
        if (!result) return send_error(responder, result.error());
        switch (*result) {
          case CancelResult::cancelled:
            return send_task(context, std::move(responder), 200, id, std::nullopt);
          case CancelResult::running:  // it ends within its plugin's grace time
            return send_task(context, std::move(responder), until ? 200 : 202, id, until);
          case CancelResult::over:
            return send_error(responder, make_error("task_over", "the task is over already"));
          case CancelResult::not_found:
            return send_error(responder, unknown_task(to_string(id)));
        }
      });
}

void retry_task(ControlContext& context, RequestCall call) {
  const auto id = read_task_id(call);
  if (!id) return;
  const auto until = read_wait(context, call);
  if (!until) return;
  context.ports.scheduler.retry(
      *id, [&context, id = *id, until = *until,
            responder = std::move(call.responder)](Result<RetryResult> result) mutable {
        if (!result) return send_error(responder, result.error());
        switch (*result) {
          case RetryResult::scheduled:
            return send_task(context, std::move(responder), 200, id, until);
          case RetryResult::not_over:
            return send_error(responder,
                              make_error("task_not_over", "only a finished task can be run again"));
          case RetryResult::not_found:
            return send_error(responder, unknown_task(to_string(id)));
        }
      });
}

void get_task_why(ControlContext& context, RequestCall call) {
  const auto id = read_task_id(call);
  if (!id) return;
  context.ports.store.get(*id, [&context, id = *id, responder = std::move(call.responder)](
                                   Result<std::optional<TaskRecord>> record) mutable {
    if (!record) return send_error(responder, record.error());
    if (!*record) return send_error(responder, unknown_task(to_string(id)));
    const ControlPorts& ports = context.ports;
    WhyInput input{**record, context.now(), ports.loop.clock().mono(), ports.config};
    input.running = ports.scheduler.running();
    const std::string plugin{plugin_of((*record)->op)};
    input.plugin = ports.plugins.find(plugin);
    input.is_op_known = ports.plugins.find_operation((*record)->op) != nullptr;
    const auto capacity = ports.plugins.capacity();
    if (const auto found = capacity.find(plugin); found != capacity.end()) {
      input.plugin_capacity = found->second;
    }
    input.is_draining = ports.scheduler.is_draining();
    input.store_problem = ports.store_problem();
    send_json(responder, 200, why_json(input));
  });
}

}  // namespace cofounder
