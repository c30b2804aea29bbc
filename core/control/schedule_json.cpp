// SPDX-License-Identifier: Apache-2.0
#include "core/control/schedule_json.hpp"

#include "core/base/text.hpp"
#include "core/control/task_check.hpp"

#include <array>

namespace cofounder {

namespace {

std::string_view to_string(Schedule::Missed missed) noexcept {
  switch (missed) {
    case Schedule::Missed::skip:
      return "skip";
    case Schedule::Missed::once:
      return "once";
    case Schedule::Missed::all:
      return "all";
  }
  return "";
}

Error invalid(std::string_view field, std::string_view wanted) {
  return make_error("invalid_schedule", std::string{field} + " " + std::string{wanted});
}

bool is_language(std::string_view key) noexcept {
  return key == "cron" || key == "calendar" || key == "every";
}

// What a schedule says of its times and its own rules.
std::optional<Error> read_own(std::string_view key, json::View value, Schedule& schedule) {
  const auto text = value.as_string();
  if (!text || text->size() > 1024) return invalid(key, "must be a string");
  if (is_language(key)) {
    if (!schedule.language.empty()) {
      return invalid(key, "cannot be given together with " + schedule.language);
    }
    schedule.language = key;
    schedule.text = *text;
  } else if (key == "timezone") {
    schedule.timezone = *text;
  } else if (key == "missed") {
    if (*text == "skip") {
      schedule.missed = Schedule::Missed::skip;
    } else if (*text == "once") {
      schedule.missed = Schedule::Missed::once;
    } else if (*text == "all") {
      schedule.missed = Schedule::Missed::all;
    } else {
      return invalid(key, "must be \"skip\", \"once\" or \"all\"");
    }
  } else {  // overlap
    if (*text != "allow" && *text != "skip") return invalid(key, "must be \"allow\" or \"skip\"");
    schedule.overlap = *text == "allow" ? Schedule::Overlap::allow : Schedule::Overlap::skip;
  }
  return std::nullopt;
}

// The fields that every task of it will have; read as those of a task.
std::optional<Error> read_task_fields(json::View body, Schedule& schedule) {
  json::Writer task;
  task.begin_object();
  for (const std::string_view key : {"op", "queue", "priority", "timeout", "attempts_max"}) {
    if (const json::View value = body.find(key)) task.member_raw(key, value.text());
  }
  task.end_object();
  const auto document = json::parse(task.text());
  if (!document) return document.error();
  auto fields = parse_task(document->root(), Time{});
  if (!fields) {
    Error error = fields.error();
    error.code = "invalid_schedule";
    return error;
  }
  schedule.op = std::move(fields->op);
  schedule.queue = std::move(fields->queue);
  schedule.priority = fields->priority;
  schedule.timeout = fields->timeout;
  schedule.attempts_max = fields->attempts_max;
  return std::nullopt;
}

}  // namespace

void write_schedule(json::Writer& out, const Schedule& schedule, const std::vector<Time>& next) {
  out.begin_object().member("name", schedule.name).member("op", schedule.op);
  out.member_raw("args", schedule.args.empty() ? "{}" : schedule.args);
  out.member(schedule.language, schedule.text);
  out.member("timezone", schedule.timezone.empty() ? std::string{"UTC"} : schedule.timezone);
  out.member("missed", to_string(schedule.missed));
  out.member("overlap", schedule.overlap == Schedule::Overlap::allow ? "allow" : "skip");
  out.member("queue", schedule.queue).member("priority", schedule.priority);
  if (schedule.timeout.count() > 0) out.member("timeout", to_string(schedule.timeout));
  if (schedule.attempts_max > 0) out.member("attempts_max", schedule.attempts_max);
  out.member("created_at", to_rfc3339(schedule.created_at));
  out.key("last_fired");
  if (schedule.last_fired) {
    out.string(to_rfc3339(*schedule.last_fired));
  } else {
    out.null();
  }
  out.key("last_task");
  if (schedule.last_task != 0) {
    out.string(to_string(schedule.last_task));
  } else {
    out.null();
  }
  out.key("next").begin_array();
  for (const Time time : next) out.string(to_rfc3339(time));
  out.end_array().end_object();
}

Result<Schedule> parse_schedule(std::string_view name, json::View body) {
  if (!is_name(name)) {
    return invalid("the name", "must be 1 to 64 lower-case letters, digits, '.', '_' and '-'");
  }
  if (!body.is_object()) return invalid("a schedule", "must be an object");
  Schedule schedule;
  schedule.name = name;
  for (std::size_t i = 0; i < body.size(); ++i) {
    const std::string_view key = body.key_at(i);
    const json::View value = body.at(i);
    if (is_language(key) || key == "timezone" || key == "missed" || key == "overlap") {
      if (auto error = read_own(key, value, schedule)) return *std::move(error);
    } else if (key == "args") {
      if (!value.is_object()) return invalid("args", "must be an object");
      schedule.args = value.text();
    } else if (key != "op" && key != "queue" && key != "priority" && key != "timeout" &&
               key != "attempts_max") {
      return invalid(key, "is not a field of a schedule");
    }
  }
  if (schedule.args.empty()) schedule.args = "{}";
  if (schedule.language.empty()) return invalid("cron, calendar or every", "is missing");
  if (auto error = read_task_fields(body, schedule)) return *std::move(error);
  return schedule;
}

}  // namespace cofounder
