// SPDX-License-Identifier: Apache-2.0
#include "core/base/ids.hpp"
#include "core/host/services/service.hpp"
#include "core/scheduler/task_json.hpp"

#include <cofounder/services/task.h>

#include <algorithm>

namespace cofounder::host {
namespace {

constexpr std::size_t checkpoint_bytes_max = 1u << 20;

std::string submitter_of(const Instance& instance) { return "plugin:" + instance.id(); }

// Its own operations, and those of others that the manifest lists.
bool may_submit(const Instance& instance, std::string_view op) {
  const std::string_view plugin = op.substr(0, op.find('.'));
  if (plugin == instance.id()) return true;
  const auto& granted = instance.manifest().permissions.tasks;
  return std::find(granted.begin(), granted.end(), op) != granted.end();
}

bool is_op(std::string_view text) noexcept {
  const auto dot = text.find('.');
  return dot != std::string_view::npos && is_plugin_id(text.substr(0, dot)) &&
         dot + 1 < text.size();
}

constexpr std::int64_t latest_ms = run_at_max.time_since_epoch().count();

std::int32_t take_request(const cof_task_request* given, NewTask& task) {
  cof_task_request request;
  if (const auto status = take_struct(given, request); status != COF_OK) return status;
  if (request.reserved != 0) return COF_EUNSUPPORTED;
  std::string_view op, args, queue, unique_key;
  if (const auto status =
          first_of({take_text(request.op, op), take_text(request.args, args),
                    take_text(request.queue, queue), take_text(request.unique_key, unique_key)});
      status != COF_OK) {
    return status;
  }
  if (!is_op(op) || request.priority < -100 || request.priority > 100 || request.run_at_ms < 0 ||
      request.run_at_ms > latest_ms || request.timeout_ms < 0 ||
      request.timeout_ms > timeout_max.count() || request.attempts_max < 0) {
    return COF_EINVALID;
  }
  if (!args.empty()) {
    const auto document = json::parse(args);
    if (!document || !document->root().is_object()) return COF_EINVALID;
  }
  task.op = op;
  task.args = args.empty() ? "{}" : args;
  task.queue = queue.empty() ? "default" : queue;
  task.unique_key = unique_key;
  task.run_at = Time{Milliseconds{request.run_at_ms}};
  task.priority = request.priority;
  task.timeout = Milliseconds{request.timeout_ms};
  task.attempts_max = request.attempts_max;
  return COF_OK;
}

int32_t submit(const cof_host* host, uint64_t call_id, const cof_task_request* given,
               uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    NewTask task;
    if (tag == 0) return COF_EINVALID;
    if (const auto status = take_request(given, task); status != COF_OK) return status;
    if (!may_submit(instance, task.op)) return COF_EDENIED;
    task.submitter = submitter_of(instance);
    if (instance.find_call(call_id) == nullptr) return COF_EGONE;
    if (!instance.services().tasks.take(clock_of(instance).mono(),
                                        instance.config()->limits.tasks_per_second_max)) {
      return COF_ELIMIT;
    }
    return start_operation(
        instance, call_id, tag, Ends::as_it_does,
        [task = std::move(task)](Instance& at, const std::shared_ptr<Answer>& answer) mutable {
          at.ports().submit(std::move(task), [answer](Result<Submitted> submitted) {
            if (!submitted) return void(answer->give(Reply::failure(submitted.error())));
            Reply reply;
            reply.body = to_string(submitted->id);
            reply.value = submitted->is_new ? 1 : 0;
            answer->give(std::move(reply));
          });
        });
  });
}

// COF_OK and the call when it is an attempt of a task.
std::int32_t find_attempt(const Instance& instance, std::uint64_t call_id,
                          std::shared_ptr<Call>& call) {
  call = entered_call(instance, call_id);
  if (call == nullptr) return COF_EGONE;
  return call->kind == COF_CALL_OPERATION ? COF_OK : COF_EINVALID;
}

int32_t checkpoint(const cof_host* host, uint64_t call_id, cof_bytes given, uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view state;
    std::shared_ptr<Call> call;
    if (tag == 0) return COF_EINVALID;
    if (const auto status = first_of({take_bytes(given, state, checkpoint_bytes_max),
                                      find_attempt(instance, call_id, call)});
        status != COF_OK) {
      return status;
    }
    return start_operation(
        instance, call_id, tag, Ends::as_it_does,
        [state = std::string{state}, key = call->attempt](
            Instance& at, const std::shared_ptr<Answer>& answer) mutable {
          at.ports().tasks.checkpoint(key, std::move(state), [answer](Result<bool> ours) {
            if (!ours) return void(answer->give(Reply::failure(ours.error())));
            answer->give(*ours ? Reply{} : Reply::failure(COF_EGONE));
          });
        });
  });
}

bool is_ours(const Instance& instance, const TaskRecord& task) {
  return task.submitter == submitter_of(instance);
}
bool runs_here(const Instance& instance, const TaskRecord& task) {
  return task.op.starts_with(instance.id() + ".");
}

// Gives the record of a task that `may_see` lets this plugin see, or answers COF_ENOTFOUND.
template <class May, class Then>
void look_up(Instance& instance, const std::shared_ptr<Answer>& answer, std::string_view id,
             May may_see, Then then) {
  const auto task = parse_task_id(id);
  if (!task) return void(answer->give(Reply::failure(COF_ENOTFOUND)));
  instance.ports().tasks.get(
      *task, [&instance, answer, may_see, then](Result<std::optional<TaskRecord>> record) {
        if (!record) return void(answer->give(Reply::failure(record.error())));
        if (!*record || !may_see(instance, **record)) {
          return void(answer->give(Reply::failure(COF_ENOTFOUND)));
        }
        then(**record);
      });
}

int32_t get(const cof_host* host, uint64_t call_id, cof_str task_id, uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view id;
    if (tag == 0) return COF_EINVALID;
    if (const auto status = take_text(task_id, id); status != COF_OK) return status;
    return start_operation(
        instance, call_id, tag, Ends::with_cancel,
        [id = std::string{id}](Instance& at, const std::shared_ptr<Answer>& answer) {
          const auto may_see = [](const Instance& to, const TaskRecord& task) {
            return is_ours(to, task) || runs_here(to, task);
          };
          look_up(at, answer, id, may_see, [&at, answer](const TaskRecord& task) {
            Reply reply;
            json::Writer out;
            write_task(out, task, clock_of(at).now(), nullptr);
            reply.body = out.take();
            answer->give(std::move(reply));
          });
        });
  });
}

int32_t cancel(const cof_host* host, uint64_t call_id, cof_str task_id, uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view id;
    if (tag == 0) return COF_EINVALID;
    if (const auto status = take_text(task_id, id); status != COF_OK) return status;
    return start_operation(
        instance, call_id, tag, Ends::as_it_does,
        [id = std::string{id}](Instance& at, const std::shared_ptr<Answer>& answer) {
          look_up(at, answer, id, is_ours, [&at, answer](const TaskRecord& task) {
            at.ports().cancel(task.id, [answer](Result<CancelResult> result) {
              if (!result) return void(answer->give(Reply::failure(result.error())));
              answer->give(*result == CancelResult::not_found ? Reply::failure(COF_ENOTFOUND)
                                                              : Reply{});
            });
          });
        });
  });
}

int32_t defer(const cof_host* host, uint64_t call_id, int64_t run_at_ms, cof_bytes given) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view state;
    std::shared_ptr<Call> call;
    if (run_at_ms < 0 || run_at_ms > latest_ms) return COF_EINVALID;
    if (const auto status = first_of({take_bytes(given, state, checkpoint_bytes_max),
                                      find_attempt(instance, call_id, call)});
        status != COF_OK) {
      return status;
    }
    const std::lock_guard guard{call->mutex};
    call->deferral = Call::Deferral{.run_at = Time{Milliseconds{run_at_ms}},
                                    .checkpoint = std::string{state}};
    return COF_OK;
  });
}

}  // namespace

const void* task_table() noexcept {
  static const cof_task_service table{
      sizeof(cof_task_service), 0, submit, checkpoint, get, cancel, defer};
  return &table;
}

}  // namespace cofounder::host
