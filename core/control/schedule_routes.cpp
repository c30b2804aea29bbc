// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/control/handlers.hpp"
#include "core/control/schedule_json.hpp"
#include "core/scheduler/task_json.hpp"

namespace cofounder {

namespace {

Error unknown_schedule(std::string_view name) {
  return make_error("unknown_schedule", "there is no schedule \"" + std::string{name} + "\"");
}

void send_schedule(const ControlContext& context, http::Responder& responder, int status,
                   std::string_view name) {
  const Schedule* schedule = context.ports.schedules.find(name);
  if (schedule == nullptr) return send_error(responder, unknown_schedule(name));
  json::Writer out;
  write_schedule(out, *schedule, context.ports.schedules.next_times(name, 5));
  send_json(responder, status, out.take());
}

// A schedule that says the same times as before keeps what it knows of its past.
void keep_past(const Schedule* former, Schedule& fresh, Time now) {
  fresh.created_at = now;
  if (former == nullptr || former->language != fresh.language || former->text != fresh.text ||
      former->timezone != fresh.timezone) {
    return;
  }
  fresh.created_at = former->created_at;
  fresh.last_fired = former->last_fired;
  fresh.last_task = former->last_task;
}

}  // namespace

void get_schedules(ControlContext& context, RequestCall call) {
  json::Writer out;
  out.begin_object().key("schedules").begin_array();
  for (const Schedule* schedule : context.ports.schedules.list()) {
    write_schedule(out, *schedule, context.ports.schedules.next_times(schedule->name, 5));
  }
  out.end_array().end_object();
  send_json(call.responder, 200, out.take());
}

void get_schedule(ControlContext& context, RequestCall call) {
  send_schedule(context, call.responder, 200, call.params[0]);
}

void put_schedule(ControlContext& context, RequestCall call) {
  const auto document = read_json(call);
  if (!document) return;
  auto schedule = parse_schedule(call.params[0], document->root());
  if (!schedule) return send_error(call.responder, schedule.error());
  const Time now = context.now();
  keep_past(context.ports.schedules.find(schedule->name), *schedule, now);
  // Op and args are checked now, although they are checked again each time that it fires.
  NewTask task;
  task.op = schedule->op;
  task.args = schedule->args;
  if (auto complete = complete_task(std::move(task), context.operations, context.ports.config);
      !complete) {
    return send_error(call.responder, complete.error());
  }
  std::string name = schedule->name;
  context.ports.schedules.put(std::move(*schedule),
                              [&context, name = std::move(name),
                               responder = std::move(call.responder)](Result<bool> is_new) mutable {
                                if (!is_new) return send_error(responder, is_new.error());
                                send_schedule(context, responder, *is_new ? 201 : 200, name);
                              });
}

void delete_schedule(ControlContext& context, RequestCall call) {
  const std::string name = call.params[0];
  context.ports.schedules.remove(
      name, [name, responder = std::move(call.responder)](Result<bool> removed) mutable {
        if (!removed) return send_error(responder, removed.error());
        if (!*removed) return send_error(responder, unknown_schedule(name));
        send_json(responder, 204, {});
      });
}

void run_schedule(ControlContext& context, RequestCall call) {
  const std::string name = call.params[0];
  if (context.ports.schedules.find(name) == nullptr) {
    return send_error(call.responder, unknown_schedule(name));
  }
  context.ports.schedules.run_now(
      name, [&context, responder = std::move(call.responder)](Result<TaskId> task) mutable {
        if (!task) return send_error(responder, task.error());
        if (*task == 0) {
          return send_error(
              responder,
              make_error("schedule_skipped", "its last task is not over, and overlap is skip"));
        }
        context.ports.store.get(*task, [&context, id = *task, responder = std::move(responder)](
                                           Result<std::optional<TaskRecord>> record) mutable {
          json::Writer out;
          if (record && *record) {
            write_task(out, **record, context.now(), nullptr);
          } else {  // it is committed all the same
            out.begin_object().member("id", to_string(id)).end_object();
          }
          send_json(responder, 201, out.take());
        });
      });
}

}  // namespace cofounder
