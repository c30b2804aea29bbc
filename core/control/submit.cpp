// SPDX-License-Identifier: Apache-2.0
// POST /v1/tasks.
#include "core/control/handlers.hpp"
#include "core/scheduler/task_json.hpp"
#include "core/host/files.hpp"

#include <algorithm>

namespace cofounder {

namespace {

// A submission on its way: through the store, and with ?wait or duplicates through what the store
// says of its tasks afterwards.  Shared by the answers that it waits for.
struct Submission {
  Submission(ControlContext& c, http::Responder r) : context{c}, responder{std::move(r)} {}

  ControlContext& context;
  http::Responder responder;
  bool is_array = false;
  std::optional<Mono> until;
  Time now{};
  struct Item {
    std::string rest;  // what the answer says besides id, state and submitted_at
    Time run_at{};
    std::vector<std::string> uploads;
    std::optional<TaskRecord> record;  // when the store was asked
  };
  std::vector<Item> items;
  std::vector<Submitted> submitted;
  std::size_t awaited = 0;
};

using SubmissionPointer = std::shared_ptr<Submission>;

void answer(Submission& submission) {
  const bool any_new = std::any_of(submission.submitted.begin(), submission.submitted.end(),
                                   [](const Submitted& s) { return s.is_new; });
  std::string body;
  if (submission.is_array) body += '[';
  for (std::size_t i = 0; i < submission.items.size(); ++i) {
    const Submission::Item& item = submission.items[i];
    if (i > 0) body += ',';
    if (!item.record) {
      append_submitted(body, submission.submitted[i], item.run_at, submission.now, item.rest);
      continue;
    }
    const auto running = submission.context.ports.scheduler.find_running(item.record->id);
    json::Writer out;
    write_task(out, *item.record, submission.context.now(), running ? &*running : nullptr);
    body += out.text();
  }
  if (submission.is_array) body += ']';
  send_json(submission.responder, any_new ? 201 : 200, std::move(body));
}

void got_record(const SubmissionPointer& submission, std::size_t index,
                Result<std::optional<TaskRecord>> record) {
  // Without it (the store went away just now) the answer says what is known: it is committed.
  if (record && *record) submission->items[index].record = std::move(**record);
  if (--submission->awaited == 0) answer(*submission);
}

// The tasks are committed.
void got_ids(const SubmissionPointer& submission, std::vector<Submitted> submitted) {
  ControlPorts& ports = submission->context.ports;
  submission->submitted = std::move(submitted);
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < submission->submitted.size(); ++i) {
    const Submitted& one = submission->submitted[i];
    if (one.is_new) {
      for (const auto& upload : submission->items[i].uploads) {
        ports.plugins.files().bind_upload(upload, one.id);
      }
    }
    // Of a duplicate only the store knows what it is.
    if (submission->until || !one.is_new) asked.push_back(i);
  }
  submission->awaited = asked.size();
  if (asked.empty()) return answer(*submission);
  if (submission->responder.is_gone()) return;  // the tasks are committed, and nobody asks
  const TaskWaits waits = forget_when_gone(submission->context, submission->responder);
  for (const std::size_t i : asked) {
    const TaskId id = submission->submitted[i].id;
    auto done = [submission, i](Result<std::optional<TaskRecord>> record) {
      got_record(submission, i, std::move(record));
    };
    if (submission->until) {
      waits->push_back(ports.scheduler.wait(id, *submission->until, std::move(done)));
    } else {
      ports.store.get(id, std::move(done));
    }
  }
}

// Which one of an array was wrong.
Error with_index(Error error, std::size_t index) {
  error.message = "task number " + std::to_string(index) + " (from 0): " + error.message;
  return error;
}

Result<std::vector<NewTask>> check_all(const ControlContext& context, json::View root,
                                       const std::string& submitter, Submission& submission) {
  submission.is_array = root.is_array();
  const std::size_t count = submission.is_array ? root.size() : 1;
  const auto most = static_cast<std::size_t>(context.ports.config.control.tasks_per_request_max);
  if (count > most) {
    return make_error("too_many_tasks",
                      "at most " + std::to_string(most) + " tasks can be submitted at once");
  }
  std::vector<NewTask> tasks;
  tasks.reserve(count);
  submission.items.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    const json::View view = submission.is_array ? root.at(i) : root;
    auto task = parse_task(view, submission.now);
    if (task) {
      task = complete_task(std::move(*task), view.find("args"), context.operations,
                           context.ports.config);
    }
    if (!task) return submission.is_array ? with_index(task.error(), i) : task.error();
    task->submitter = submitter;
    Submission::Item& item = submission.items[i];
    item.rest = task_row_rest(*task, submission.now);
    if (!submission.is_array) {
      item.rest += ",\"args\":" + task->args + ",\"result\":null,\"progress\":null,\"attempts\":[]";
    }
    item.run_at = task->run_at;
    item.uploads = uploads_in(task->args);
    tasks.push_back(std::move(*task));
  }
  return tasks;
}

}  // namespace

void post_tasks(ControlContext& context, RequestCall call) {
  const auto until = read_wait(context, call);
  if (!until) return;
  const auto document = read_json(call);
  if (!document) return;
  auto submission = std::make_shared<Submission>(context, std::move(call.responder));
  submission->until = *until;
  submission->now = context.now();
  auto tasks = check_all(context, document->root(), submitter_of(call.request.peer), *submission);
  if (!tasks) return send_error(submission->responder, tasks.error());
  if (tasks->empty()) return send_json(submission->responder, 200, "[]");
  context.ports.scheduler.submit(std::move(*tasks),
                                 [submission](Result<std::vector<Submitted>> submitted) {
                                   if (!submitted)
                                     return send_error(submission->responder, submitted.error());
                                   got_ids(submission, std::move(*submitted));
                                 });
}

}  // namespace cofounder
