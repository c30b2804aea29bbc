// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/table.hpp"
#include "core/ctl/task_args.hpp"

#include <ostream>

namespace cofounder::ctl {
namespace {

Request request_for(std::string method, const std::string& name, std::string_view rest = {}) {
  Request request;
  request.method = std::move(method);
  request.target = "/v1/schedules/" + encode(name) + std::string{rest};
  return request;
}

int put(Session& session, const Given& given) {
  json::Writer out;
  out.begin_object().member("op", given.one("OP"));
  int rules = 0;
  for (const char* language : {"cron", "calendar", "every"}) {
    if (!given.has(language)) continue;
    out.member(language, given.one(language));
    ++rules;
  }
  if (rules != 1) {
    fail(exit_code::usage, "usage", "one of --cron, --calendar and --every has to say when");
  }
  if (given.has("every")) checked_duration(given, "every");
  for (const char* member : {"timezone", "missed", "overlap"}) {
    if (given.has(member)) out.member(member, given.one(member));
  }
  write_task_options(given, out);
  out.member_raw("args", make_args(session, given));
  out.end_object();

  Request request = request_for("PUT", given.one("NAME"));
  request.body = out.take();
  const Answer answer = ask(session, request);
  if (!printed_as_json(session, answer)) {
    print_object(session.out, parse_body(answer).root(), wall_now());
  }
  return exit_code::ok;
}

int show(Session& session, const Given& given) {
  const Answer answer = ask(session, request_for("GET", given.one("NAME")));
  if (!printed_as_json(session, answer)) {
    print_object(session.out, parse_body(answer).root(), wall_now());
  }
  return exit_code::ok;
}

int list(Session& session, const Given&) {
  Request request;
  request.target = "/v1/schedules";
  const Answer answer = ask(session, request);
  if (printed_as_json(session, answer)) return exit_code::ok;
  const json::Document document = parse_body(answer);
  const json::View schedules = list_of(document.root(), "schedules");
  if (schedules.size() == 0) session.out << "no schedules\n";
  print_list(session.out, schedules,
             {{"NAME", "/name"},
              {"OP", "/op"},
              {"CRON", "/cron"},
              {"CALENDAR", "/calendar"},
              {"EVERY", "/every"},
              {"TIMEZONE", "/timezone"},
              {"NEXT", "/next/0"}},
             wall_now());
  return exit_code::ok;
}

int remove(Session& session, const Given& given) {
  const Answer answer = ask(session, request_for("DELETE", given.one("NAME")));
  if (!printed_as_json(session, answer)) {
    session.out << printable(given.one("NAME")) << " is removed\n";
  }
  return exit_code::ok;
}

int run(Session& session, const Given& given) {
  const Answer answer = ask(session, request_for("POST", given.one("NAME"), "/run"));
  if (printed_as_json(session, answer)) return exit_code::ok;
  const json::Document document = parse_body(answer);
  session.out << printable(document.root().string_or("id", document.root().string_or("task", "")))
              << '\n';
  return exit_code::ok;
}

std::vector<Option> put_options() {
  std::vector<Option> options = {
      {"cron", "EXPRESSION", "\"0 3 * * *\", with six fields the first is seconds; \"@daily\""},
      {"calendar", "EXPRESSION", "as systemd's OnCalendar: \"Mon..Fri 9:00\""},
      {"every", "DURATION", "an interval"},
      {"timezone", "ZONE", "such as Europe/Vienna; UTC when it is not given"},
      {"missed",
       "POLICY",
       "what becomes of times that passed while no daemon ran",
       false,
       false,
       Words::choice,
       {"skip", "once", "all"}},
      {"overlap",
       "POLICY",
       "what happens while the last task is still alive",
       false,
       false,
       Words::choice,
       {"allow", "skip"}}};
  for (const Option& option : argument_options(/*with_files=*/false)) options.push_back(option);
  for (const Option& option : task_options()) options.push_back(option);
  return options;
}

}  // namespace

std::vector<Command> schedule_commands() {
  const Argument name{"NAME", "the schedule's name"};
  return {
      {"schedule", "rules that create tasks at times", {}, {}, "", nullptr},
      {"schedule put",
       "make a schedule, or change it",
       {name, {"OP", "the operation, PLUGIN.OPERATION"}},
       put_options(),
       "Examples:\n"
       "  cofounderctl schedule put nightly hello.greet --cron '0 3 * * *' --timezone "
       "Europe/Vienna \\\n    --arg name=World\n"
       "  cofounderctl schedule put often hello.greet --every 15min --overlap skip --arg name=Y",
       put},
      {"schedule show",
       "show a schedule and its next times",
       {name},
       {},
       "Example:\n  cofounderctl schedule show nightly",
       show},
      {"schedule list",
       "list all schedules",
       {},
       {},
       "Example:\n  cofounderctl schedule list",
       list},
      {"schedule remove",
       "remove a schedule; its tasks stay",
       {name},
       {},
       "Example:\n  cofounderctl schedule remove nightly",
       remove},
      {"schedule run",
       "create its task now, and print the task's id",
       {name},
       {},
       "Example:\n  cofounderctl schedule run nightly",
       run},
  };
}

}  // namespace cofounder::ctl
