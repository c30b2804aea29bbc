// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/ctl/inspect.hpp"
#include "core/ctl/new_plugin.hpp"
#include "core/ctl/table.hpp"

#include <cstring>
#include <ostream>

namespace cofounder::ctl {
namespace {

int list(Session& session, const Given&) {
  Request request;
  request.target = "/v1/plugins";
  const Answer answer = ask(session, request);
  if (printed_as_json(session, answer)) return exit_code::ok;
  const json::Document document = parse_body(answer);
  const json::View plugins = list_of(document.root(), "plugins");
  if (plugins.size() == 0) session.out << "no plugins\n";
  print_list(session.out, plugins,
             {{"ID", "/id"},
              {"STATE", "/state"},
              {"VERSION", "/version"},
              {"ISOLATION", "/isolation"},
              {"CALLS", "/calls/total"},
              {"FAILED", "/calls/failed"},
              {"IN FLIGHT", "/calls/in_flight"},
              {"P50 MS", "/calls/latency_p50_ms"},
              {"P99 MS", "/calls/latency_p99_ms"},
              {"CPU S", "/cpu_seconds"},
              {"MEMORY", "/memory_bytes"},
              {"RESTARTS", "/restarts"},
              {"LAST ERROR", "/last_error/code"}},
             wall_now());
  return exit_code::ok;
}

int show(Session& session, const Given& given) {
  Request request;
  request.target = "/v1/plugins/" + encode(given.one("ID"));
  const Answer answer = ask(session, request);
  if (!printed_as_json(session, answer)) {
    print_object(session.out, parse_body(answer).root(), wall_now());
  }
  return exit_code::ok;
}

void print_lines(std::ostream& out, std::string_view title, json::View lines) {
  if (lines.size() == 0) return;
  out << title << ":\n";
  for (std::size_t i = 0; i < lines.size(); ++i) out << "  " << printable(lines.at(i).as_string().value_or("")) << '\n';
}

int why(Session& session, const Given& given) {
  Request request;
  request.target = "/v1/plugins/" + encode(given.one("ID")) + "/why";
  const Answer answer = ask(session, request);
  if (printed_as_json(session, answer)) return exit_code::ok;
  const json::Document document = parse_body(answer);
  const json::View root = document.root();
  session.out << printable(root.string_or("text", "the daemon does not say")) << '\n';
  const json::View last = root.find("last");
  if (!last.is_object()) return exit_code::ok;
  session.out << "when    " << printable(cell(last.find("at"), wall_now())) << '\n';
  session.out << "state   " << printable(root.string_or("state", "")) << '\n';
  session.out << "code    " << printable(last.string_or("code", "")) << '\n';
  if (const auto signal = last.integer_or("signal", 0); signal > 0 && signal < 65) {
    const char* const name = ::sigabbrev_np(static_cast<int>(signal));
    session.out << "signal  " << (name == nullptr ? "" : "SIG" + std::string{name} + ", ") << signal
                << '\n';
  }
  print_lines(session.out, "calls in flight", last.find("calls"));
  print_lines(session.out, "backtrace", last.find("backtrace"));
  print_lines(session.out, "last lines of its log", last.find("log"));
  return exit_code::ok;
}

// The daemon answers when it is done: the hooks have deadlines of up to a minute and more.
int act(Session& session, const Given& given, const char* verb) {
  Request request;
  request.method = "POST";
  request.target = "/v1/plugins/" + encode(given.one("ID")) + "/" + verb;
  request.silence_max = Milliseconds{600'000};
  const Answer answer = ask(session, request);
  if (printed_as_json(session, answer)) return exit_code::ok;
  const json::Document document = parse_body(answer);
  session.out << printable(given.one("ID")) << ": "
              << printable(document.root().string_or("state", "done"));
  if (const auto generation = document.root().integer_or("generation", 0); generation > 1) {
    session.out << ", generation " << generation;
  }
  session.out << '\n';
  return exit_code::ok;
}

int start(Session& session, const Given& given) { return act(session, given, "start"); }
int stop(Session& session, const Given& given) { return act(session, given, "stop"); }
int restart(Session& session, const Given& given) { return act(session, given, "restart"); }
int reload(Session& session, const Given& given) { return act(session, given, "reload"); }

}  // namespace

std::vector<Command> plugin_commands() {
  const Argument id{"ID", "the plugin's id"};
  return {
      {"plugin", "look at and steer plugins, and make new ones", {}, {}, "", nullptr},
      {"plugin list", "list all plugins", {}, {}, "Example:\n  cofounderctl plugin list", list},
      {"plugin show",
       "show one plugin",
       {id},
       {},
       "Example:\n  cofounderctl plugin show hello",
       show},
      {"plugin why",
       "say why a plugin failed last, with the calls in flight and its last log lines",
       {id},
       {},
       "Example:\n  cofounderctl plugin why hello",
       why},
      {"plugin start",
       "start a plugin",
       {id},
       {},
       "Example:\n  cofounderctl plugin start hello",
       start},
      {"plugin stop",
       "finish what runs in a plugin and stop it",
       {id},
       {},
       "Example:\n  cofounderctl plugin stop hello",
       stop},
      {"plugin restart",
       "stop and start a plugin",
       {id},
       {},
       "Example:\n  cofounderctl plugin restart hello",
       restart},
      {"plugin reload",
       "replace a plugin by what its file holds now; when that fails the old one stays",
       {id},
       {},
       "Example:\n  cofounderctl plugin reload hello",
       reload},
      {"plugin inspect",
       "show the manifest of a plugin's file without running any of it",
       {{"FILE", "a .so file", true, false, Words::file}},
       {},
       "Example:\n  cofounderctl plugin inspect /usr/lib/cofounderd/plugins/hello.so",
       inspect_plugin},
      {"plugin new",
       "make a folder with a new plugin in it",
       {{"NAME", "its id: small letters, digits and dashes"}},
       {{"directory", "PATH", "the folder to make; NAME when it is not given", false, false,
         Words::folder},
        {"template", "PATH", "copy this folder instead of the SDK's template", false, false,
         Words::folder}},
       "Example:\n  cofounderctl plugin new weather && cd weather && cmake -B build && cmake "
       "--build "
       "build",
       new_plugin},
  };
}

}  // namespace cofounder::ctl
