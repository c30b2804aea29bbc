// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/ctl/completion.hpp"
#include "core/ctl/daemon_program.hpp"
#include "core/ctl/event_stream.hpp"
#include "core/ctl/table.hpp"
#include "core/ctl/task_args.hpp"
#include "core/ctl/wait.hpp"

#include <ostream>
#include <utility>

namespace cofounder::ctl {
namespace {

int show_answer(Session& session, const Request& request) {
  const Answer answer = ask(session, request);
  if (!printed_as_json(session, answer)) {
    print_object(session.out, parse_body(answer).root(), wall_now());
  }
  return exit_code::ok;
}

int get(Session& session, const char* target) {
  Request request;
  request.target = target;
  return show_answer(session, request);
}

int status(Session& session, const Given&) { return get(session, "/v1/status"); }

// 503 is an answer too: it says what is wrong.
int health(Session& session, const Given&) {
  Request request;
  request.target = "/v1/health";
  const Result<Answer> answer = session.http.call(request);
  if (!answer) throw Failure{exit_code_of(answer.error()), answer.error(), {}};
  if (!answer->is_success() && answer->status != 503) throw failure_of(*answer);
  if (!printed_as_json(session, *answer)) {
    const json::Document document = parse_body(*answer);
    if (document.root().find("error")) throw failure_of(*answer);
    print_object(session.out, document.root(), wall_now());
  }
  return answer->is_success() ? exit_code::ok : exit_code::failed;
}

int events(Session& session, const Given& given) {
  std::string target = "/v1/events";
  char separator = '?';
  for (const char* name : {"since", "task", "plugin"}) {
    if (!given.has(name)) continue;
    target += separator + std::string{name} + "=" + encode(given.one(name));
    separator = '&';
  }
  std::int64_t left = given.has("count") ? checked_integer(given, "count") : -1;
  if (given.has("count") && left < 1) fail(exit_code::usage, "usage", "--count is at least 1");
  read_events(
      session, target, Milliseconds{60'000},
      [&](const http::SseEvent& event) {
        print_event(session, event);
        return left < 0 || --left > 0;
      },
      [] { return true; });
  return exit_code::ok;
}

int metrics(Session& session, const Given& given) {
  Request request;
  request.target = "/metrics";
  request.accept = given.has("openmetrics") ? "application/openmetrics-text; version=1.0.0"
                                            : "text/plain; version=0.0.4";
  session.out << ask(session, request).body;
  return exit_code::ok;
}

int metrics_summary(Session& session, const Given&) { return get(session, "/v1/metrics/summary"); }
int config_show(Session& session, const Given&) { return get(session, "/v1/config"); }

int post(Session& session, const char* target, const char* said) {
  Request request;
  request.method = "POST";
  request.target = target;
  request.silence_max = Milliseconds{600'000};
  const Answer answer = ask(session, request);
  if (printed_as_json(session, answer)) return exit_code::ok;
  session.out << said << '\n';
  return exit_code::ok;
}

int config_reload(Session& session, const Given&) {
  return post(session, "/v1/config/reload", "the configuration is reloaded");
}

// The daemon answers 200 when nothing runs any more, 202 while something does.
int drain(Session& session, const Given& given) {
  const Patience patience{given, "wait"};
  Request request;
  request.method = given.has("end") ? "DELETE" : "POST";
  for (;;) {
    const Milliseconds slice =
        given.has("wait") ? patience.slice(Milliseconds{30'000}) : Milliseconds{0};
    request.target = "/v1/drain";
    if (slice.count() > 0) request.target += "?wait=" + encode(to_string(slice));
    request.silence_max = Milliseconds{60'000} + slice;
    const Answer answer = ask(session, request);
    const bool waits_on = given.has("wait") && answer.status == 202;
    if (waits_on && !patience.is_over()) continue;
    if (!printed_as_json(session, answer)) {
      print_object(session.out, parse_body(answer).root(), wall_now());
    }
    return waits_on ? exit_code::timed_out : exit_code::ok;
  }
}

// The daemon itself knows what a configuration may say.
int config_check(Session& session, const Given& given) {
  session.out.flush();
  const int code = run_daemon_program(
      {"--config", given.one("FILE", "/etc/cofounderd/cofounderd.toml"), "--check-config"});
  return code == 0 ? exit_code::ok : exit_code::failed;
}

int version(Session& session, const Given&) {
  Request request;
  request.target = "/v1/status";
  const Result<Answer> answer = session.http.call(request);
  std::string daemon;
  if (answer && answer->is_success()) {
    const json::Document document = parse_body(*answer);
    daemon = document.root().string_or("version", "");
  }
  if (session.json) {
    json::Writer out;
    out.begin_object().member("cofounderctl", COFOUNDER_VERSION).key("cofounderd");
    daemon.empty() ? out.null() : out.string(daemon);
    session.out << out.end_object().text() << '\n';
  } else {
    session.out << "cofounderctl " COFOUNDER_VERSION "\ncofounderd   "
                << (daemon.empty() ? "not reachable" : printable(daemon)) << '\n';
  }
  return exit_code::ok;
}

int completion(Session& session, const Given& given) {
  session.out << (given.one("SHELL") == "bash" ? bash_completion() : zsh_completion());
  return exit_code::ok;
}

std::vector<Command> running_commands() {
  return {
      {"status",
       "show the daemon, its store, queues and plugins",
       {},
       {},
       "Example:\n  cofounderctl status",
       status},
      {"health",
       "say whether the daemon is well, and why not",
       {},
       {},
       "The exit code is 1 when it is not.\nExample:\n  cofounderctl health",
       health},
      {"events",
       "show what happens, as it happens",
       {},
       {{"since", "ID", "begin after this event"},
        {"task", "ID", "only those of this task"},
        {"plugin", "ID", "only those of this plugin"},
        {"count", "N", "end after so many"}},
       "Example:\n  cofounderctl events --plugin hello",
       events},
      {"metrics",
       "print all metrics in the text format of Prometheus",
       {},
       {{"openmetrics", "", "in OpenMetrics format"}},
       "Example:\n  cofounderctl metrics",
       metrics},
      {"metrics summary",
       "show how many tasks succeeded, failed and wait",
       {},
       {},
       "Example:\n  cofounderctl metrics summary",
       metrics_summary},
      {"drain",
       "begin no more tasks and finish what runs",
       {},
       {{"wait", "DURATION", "wait until nothing runs, at most so long", false, true},
        {"end", "", "begin tasks again"}},
       "With --wait the exit code is 6 when the time was over first.\n"
       "Examples:\n  cofounderctl drain --wait=5min\n  cofounderctl drain --end",
       drain},
  };
}

std::vector<Command> config_commands() {
  return {
      {"config", "look at, check and reload the configuration", {}, {}, "", nullptr},
      {"config show",
       "show the configuration that is in use, without secrets",
       {},
       {},
       "Example:\n  cofounderctl config show",
       config_show},
      {"config check",
       "check configuration files without using them",
       {{"FILE", "the main file, /etc/cofounderd/cofounderd.toml when it is not given", false,
         false, Words::file}},
       {},
       "Example:\n  cofounderctl config check ./cofounderd.toml",
       config_check},
      {"config reload",
       "read the configuration again",
       {},
       {},
       "Nothing changes when something is wrong in it.\nExample:\n  cofounderctl config reload",
       config_reload},
  };
}

std::vector<Command> program_commands() {
  return {
      {"version",
       "show the versions of this program and of the daemon",
       {},
       {},
       "Example:\n  cofounderctl version",
       version},
      {"completion",
       "print a script that completes words in a shell",
       {{"SHELL", "bash or zsh", true, false, Words::choice, {"bash", "zsh"}}},
       {},
       "Example:\n  cofounderctl completion bash > /etc/bash_completion.d/cofounderctl",
       completion},
  };
}

}  // namespace

std::vector<Command> daemon_commands() {
  std::vector<Command> all = running_commands();
  for (auto* group : {config_commands, program_commands}) {
    for (Command& command : group()) all.push_back(std::move(command));
  }
  return all;
}

}  // namespace cofounder::ctl
