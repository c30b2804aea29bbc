// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.hpp"
#include "core/scheduler/scheduler.hpp"

// The one place that says which fields a task has outside: for clients, plugins and events.
namespace cofounder {

// A task as GET /v1/tasks/{id} shows it.  `now` tells scheduled from ready; `running` is null when
// nothing is known of a running attempt's progress.
void write_task(json::Writer& out, const TaskRecord& task, Time now,
                const Scheduler::Running* running);
// The same without args, result and attempts: for lists.
void write_task_row(json::Writer& out, const TaskRecord& task, Time now);

// What is known of a new task before it has an id, as the row of a list without its braces; the
// answer to a submission is put together from it and append_submitted().
std::string task_row_rest(const NewTask& task, Time now);
void append_submitted(std::string& out, const Submitted& submitted, Time run_at, Time now,
                      std::string_view rest);

// The JSON of an event of the scheduler, and its type ("task.succeeded").
std::string event_type(const Scheduler::Event& event);
std::string event_json(const Scheduler::Event& event);

// "cloudinary.upload" -> "cloudinary".
std::string_view plugin_of(std::string_view op) noexcept;

}  // namespace cofounder
