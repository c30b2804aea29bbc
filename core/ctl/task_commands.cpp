// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/ctl/event_stream.hpp"
#include "core/ctl/table.hpp"
#include "core/ctl/task_args.hpp"
#include "core/ctl/wait.hpp"

#include <ostream>

namespace cofounder::ctl {
namespace {

const std::vector<std::string_view> states = {"scheduled", "ready",     "running",  "succeeded",
                                              "failed",    "cancelled", "timed_out"};

std::string path_of(const std::string& id) { return "/v1/tasks/" + encode(id); }

Answer get_task(Session& session, const std::string& id) {
  Request request;
  request.target = path_of(id);
  return ask(session, request);
}

std::string submit_body(Session& session, const Given& given) {
  json::Writer out;
  out.begin_object().member("op", given.one("OP"));
  if (given.has("at")) {
    if (!parse_rfc3339(given.one("at"))) {
      fail(exit_code::usage, "usage",
           "--at " + given.one("at") + " is not a time such as 2026-11-23T17:00:00Z");
    }
    out.member("run_at", given.one("at"));
  }
  if (given.has("delay")) out.member("delay", checked_duration(given, "delay"));
  if (given.has("key")) out.member("unique_key", given.one("key"));
  write_task_options(given, out);
  // Last, for this may send files.
  out.member_raw("args", make_args(session, given));
  out.end_object();
  return out.take();
}

int submit(Session& session, const Given& given) {
  if (given.has("at") && given.has("delay")) {
    fail(exit_code::usage, "usage", "--at and --delay exclude each other");
  }
  const bool waits = given.has("wait");
  const Patience patience{given, "wait"};
  Request request;
  request.method = "POST";
  request.target = "/v1/tasks";
  request.body = submit_body(session, given);
  if (waits) {
    const Milliseconds slice = patience.slice(wait_slice(session));
    request.target += "?wait=" + encode(to_string(slice));
    request.silence_max += slice;
  }
  Answer answer = ask(session, request);
  if (waits) return wait_for_task(session, std::move(answer), patience);
  if (printed_as_json(session, answer)) return exit_code::ok;
  const json::Document document = parse_body(answer);
  session.out << printable(document.root().string_or("id", "")) << '\n';
  return exit_code::ok;
}

int show(Session& session, const Given& given) {
  const Answer answer = get_task(session, given.one("ID"));
  if (printed_as_json(session, answer)) return exit_code::ok;
  print_object(session.out, parse_body(answer).root(), wall_now());
  return exit_code::ok;
}

int list(Session& session, const Given& given) {
  Request request;
  request.target = "/v1/tasks";
  char separator = '?';
  for (const char* name : {"state", "op", "queue", "limit", "after"}) {
    if (!given.has(name)) continue;
    if (std::string_view{name} == "limit") checked_integer(given, name);
    request.target += separator + std::string{name} + "=" + encode(given.one(name));
    separator = '&';
  }
  const Answer answer = ask(session, request);
  if (printed_as_json(session, answer)) return exit_code::ok;
  const json::Document document = parse_body(answer);
  const json::View tasks = list_of(document.root(), "tasks");
  if (tasks.size() == 0) session.out << "no tasks\n";
  print_list(session.out, tasks,
             {{"ID", "/id"},
              {"STATE", "/state"},
              {"OP", "/op"},
              {"QUEUE", "/queue"},
              {"ATTEMPT", "/attempt"},
              {"SUBMITTED", "/submitted_at"},
              {"ERROR", "/error/code"}},
             wall_now());
  const std::string next = document.root().string_or("next", "");
  if (!next.empty()) session.err << "more: --after " << printable(next) << '\n';
  return exit_code::ok;
}

// The same for each of the ids: the exit code is the first that is not ok.
int for_each_id(Session& session, const Given& given, const char* verb, const char* said) {
  int code = exit_code::ok;
  for (const std::string& id : given.all("ID")) {
    Request request;
    request.method = "POST";
    request.target = path_of(id) + "/" + verb;
    try {
      const Answer answer = ask(session, request);
      if (!printed_as_json(session, answer)) {
        const json::Document document = parse_body(answer);
        session.out << printable(id) << ": " << printable(document.root().string_or("state", said))
                    << '\n';
      }
    } catch (const Failure& failure) {
      if (given.all("ID").size() == 1) throw;
      session.err << "cofounderctl: " << printable(id) << ": " << printable(failure.error.message)
                  << " (" << printable(failure.error.code) << ")\n";
      if (code == exit_code::ok) code = failure.exit;
    }
  }
  return code;
}

int cancel(Session& session, const Given& given) {
  return for_each_id(session, given, "cancel", "cancelled");
}

int retry(Session& session, const Given& given) {
  return for_each_id(session, given, "retry", "scheduled");
}

int wait(Session& session, const Given& given) {
  const Patience patience{given, "timeout"};
  return wait_for_task(session, get_task(session, given.one("ID")), patience);
}

int why(Session& session, const Given& given) {
  Request request;
  request.target = path_of(given.one("ID")) + "/why";
  const Answer answer = ask(session, request);
  if (printed_as_json(session, answer)) return exit_code::ok;
  const json::Document document = parse_body(answer);
  session.out << printable(document.root().string_or("text", "the daemon does not say")) << '\n';
  return exit_code::ok;
}

int watch(Session& session, const Given& given) {
  const std::string id = given.one("ID");
  return watch_task(session, id, [&] { return get_task(session, id); });
}

std::vector<Option> submit_options() {
  std::vector<Option> options = argument_options(/*with_files=*/true);
  for (const Option& option : std::initializer_list<Option>{
           {"delay", "DURATION", "run it so much later"},
           {"at", "TIME", "run it then, for instance 2026-11-23T17:00:00Z"},
           {"key", "KEY", "a unique key: while a task with it is alive there is no second one"},
           {"wait", "DURATION", "wait until it is over, at most so long", false, true}}) {
    options.push_back(option);
  }
  for (const Option& option : task_options()) options.push_back(option);
  return options;
}

}  // namespace

std::vector<Command> task_commands() {
  const Argument id{"ID", "the task's id"};
  const Argument ids{"ID", "the tasks' ids", true, true};
  return {
      {"task", "submit, look at and steer tasks", {}, {}, "", nullptr},
      {"task submit",
       "submit a task and print its id",
       {{"OP", "the operation, PLUGIN.OPERATION"}},
       submit_options(),
       "With --wait the exit code is 0 when the task succeeded, 1 when it did not, and 6 when the\n"
       "time was over first.\n"
       "Examples:\n"
       "  cofounderctl task submit hello.greet --arg name=World --wait\n"
       "  cofounderctl task submit cloudinary.upload --file file=cat.png --arg overwrite:=true\n"
       "  cofounderctl task submit hello.greet --args '{\"name\": \"World\"}' --delay 10min",
       submit},
      {"task show", "show one task", {id}, {}, "Example:\n  cofounderctl task show ID", show},
      {"task list",
       "list tasks, the newest first",
       {},
       {{"state", "STATE", "only those in this state", false, false, Words::choice, states},
        {"op", "OP", "only those of this operation"},
        {"queue", "NAME", "only those of this queue"},
        {"limit", "N", "so many at most, up to 1000"},
        {"after", "CURSOR", "go on after the end of an earlier list"}},
       "Examples:\n  cofounderctl task list --state failed --limit 20",
       list},
      {"task cancel", "cancel tasks", {ids}, {}, "Example:\n  cofounderctl task cancel ID", cancel},
      {"task retry",
       "try finished tasks again, with all their attempts ahead",
       {ids},
       {},
       "Example:\n  cofounderctl task retry ID",
       retry},
      {"task wait",
       "wait until a task is over",
       {id},
       {{"timeout", "DURATION", "at most so long; then the exit code is 6"}},
       "The exit code is 0 when the task succeeded and 1 when it did not.\n"
       "Example:\n  cofounderctl task wait ID --timeout 5min",
       wait},
      {"task why",
       "say what a task waits for",
       {id},
       {},
       "Example:\n  cofounderctl task why ID",
       why},
      {"task watch",
       "show what happens to a task until it is over",
       {id},
       {},
       "Example:\n  cofounderctl task watch ID",
       watch},
  };
}

}  // namespace cofounder::ctl
