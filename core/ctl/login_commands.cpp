// SPDX-License-Identifier: Apache-2.0
// Logging in from a terminal (RFC 8628), and what needs somebody who is logged in.
#include "core/base/text.hpp"
#include "core/ctl/login_file.hpp"
#include "core/ctl/table.hpp"
#include "core/ctl/task_args.hpp"

#include <algorithm>
#include <ostream>

namespace cofounder::ctl {
namespace {

using std::chrono::seconds;

// The daemon says how often it wants to be asked; what is out of these bounds is a mistake.
constexpr std::int64_t interval_min_s = 1;
constexpr std::int64_t interval_max_s = 300;
constexpr std::int64_t life_max_s = 3600;

// The only provider that there is, or the one that was named.
std::string provider_of(Session& session, const Given& given) {
  if (given.has("PROVIDER")) return given.one("PROVIDER");
  Request request;
  request.target = "/oauth/providers";
  const Result<Answer> answer = session.http.call(request);
  if (!answer) throw Failure{exit_code_of(answer.error()), answer.error(), {}};
  if (answer->status == 404) {
    fail(exit_code::not_found, "no_logins", "this daemon has no plugin for logins",
         "[plugin.oauth] in its configuration names the providers");
  }
  if (!answer->is_success()) throw failure_of(*answer);
  const json::Document body = parse_body(*answer);
  const json::View names = body.root().find("providers");
  std::string all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    all += (i == 0 ? "" : ", ") + std::string{names.at(i).as_string().value_or("?")};
  }
  if (names.size() == 0) {
    fail(exit_code::not_found, "no_logins", "this daemon has no provider to log in with",
         "[plugin.oauth.NAME] in its configuration is one");
  }
  if (names.size() > 1) {
    fail(exit_code::usage, "usage", "log in with which of these? " + all,
         "cofounderctl login PROVIDER");
  }
  return all;
}

// What the daemon gave to begin with.
struct Begun {
  std::string device_code;
  std::int64_t interval_s = 5;
  std::int64_t life_s = 0;
};

void say_where(Session& session, json::View device) {
  const std::string whole = device.string_or("verification_uri_complete", "");
  session.err << "Open this page in a browser:  "
              << printable(device.string_or("verification_uri", "")) << '\n'
              << "and enter this code:          " << printable(device.string_or("user_code", ""))
              << '\n';
  if (!whole.empty()) session.err << "or open this one:             " << printable(whole) << '\n';
  session.err << "The code is good for " << to_string(seconds{device.integer_or("expires_in", 0)})
              << "; waiting ..." << std::endl;  // before the first pause
}

Begun begin(Session& session, const std::string& target) {
  Request request;
  request.method = "POST";
  request.target = target;
  const Answer answer = ask(session, request);
  const json::Document body = parse_body(answer);
  const json::View device = body.root();
  Begun begun;
  begun.device_code = device.string_or("device_code", "");
  begun.interval_s = std::clamp(device.integer_or("interval", 5), interval_min_s, interval_max_s);
  begun.life_s = std::clamp<std::int64_t>(device.integer_or("expires_in", 0), 0, life_max_s);
  if (begun.device_code.empty() || begun.life_s == 0 ||
      device.string_or("verification_uri", "").empty() ||
      device.string_or("user_code", "").empty()) {
    fail(exit_code::failed, "bad_answer", "the daemon's answer is no beginning of a login");
  }
  say_where(session, device);
  return begun;
}

// Who asks while the provider or the daemon is in trouble has to ask more seldom, not to give up.
bool is_trouble(const Result<Answer>& answer) {
  if (!answer) return answer.error().code == "unreachable" || answer.error().code == "no_answer";
  return answer->status == 429 || answer->status >= 500;
}

// Asks until somebody has typed the code, or refused, or it is too old.
Answer wait_for_login(Session& session, const std::string& target, const Begun& begun) {
  json::Writer out;
  out.begin_object().member("device_code", begun.device_code).end_object();
  Request request;
  request.method = "POST";
  request.target = target;
  request.body = out.take();
  std::int64_t interval = begun.interval_s;
  for (std::int64_t waited = 0; waited < begun.life_s;) {
    session.pause(seconds{interval});
    waited += interval;
    Result<Answer> answer = session.http.call(request);
    if (is_trouble(answer)) {
      const Error error = answer ? failure_of(*answer).error : answer.error();
      session.err << "still waiting: " << printable(error.message) << std::endl;
      interval = std::min(interval * 2, interval_max_s);
      continue;
    }
    if (!answer) throw Failure{exit_code_of(answer.error()), answer.error(), {}};
    if (answer->status == 202) {  // pending; slow_down comes as a longer interval
      const json::Document body = parse_body(*answer);
      interval =
          std::clamp(body.root().integer_or("interval", interval), interval_min_s, interval_max_s);
      continue;
    }
    if (answer->is_success()) return std::move(*answer);
    Failure failure = failure_of(*answer);
    if (failure.error.code == "expired_token") failure.exit = exit_code::timed_out;
    throw failure;
  }
  fail(exit_code::timed_out, "expired_token", "nobody entered the code in time",
       "begin again: cofounderctl login");
}

int login(Session& session, const Given& given) {
  if (!given.has("print")) login_file();  // better said before somebody types a code
  const std::string target = "/oauth/" + encode(provider_of(session, given)) + "/device";
  const Begun begun = begin(session, target);
  const Answer answer = wait_for_login(session, target, begun);
  const json::Document body = parse_body(answer);
  const json::View user = body.root().find("user");
  const std::string token = body.root().string_or("token", "");
  if (given.has("print")) {
    if (printed_as_json(session, answer)) return exit_code::ok;
    session.out << printable(token) << '\n';
    return exit_code::ok;
  }
  keep_login(session, {"", token, user.string_or("subject", "")});
  if (session.json) {  // not the token: nobody asked for it
    session.out << user.text() << '\n';
    return exit_code::ok;
  }
  session.out << "logged in as " << printable(user.string_or("subject", "?"));
  const std::string name = user.string_or("login", "");
  if (!name.empty()) session.out << " (" << printable(name) << ")";
  const auto until = parse_rfc3339(body.root().string_or("expires_at", ""));
  if (until) session.out << ", ends " << distance_text(*until, wall_now());
  session.out << "\nkept in " << printable(login_file().native()) << '\n';
  return exit_code::ok;
}

// Only the daemon knows whether a session is still good.
int whoami(Session& session, const Given&) {
  const auto known = find_login(session);
  if (!known) {
    fail(exit_code::denied, "login_required", "you are not logged in here", "cofounderctl login");
  }
  Request request;
  request.target = "/oauth/me";
  request.bearer = known->token;
  const Answer answer = ask(session, request);
  if (!printed_as_json(session, answer)) {
    print_object(session.out, parse_body(answer).root(), wall_now());
  }
  return exit_code::ok;
}

// The file stays until the daemon has ended the session: else nobody could end it any more.
int logout(Session& session, const Given&) {
  const auto known = find_login(session);
  if (!known) {
    session.err << "you are not logged in here\n";
    return exit_code::ok;
  }
  Request request;
  request.method = "POST";
  request.target = "/oauth/logout";
  request.bearer = known->token;
  const Answer answer = ask(session, request);
  forget_login();
  if (printed_as_json(session, answer)) return exit_code::ok;
  const json::Document body = parse_body(answer);
  if (!body.root().bool_or("logged_out", false)) {
    session.out << "the session was over already\n";
    return exit_code::ok;
  }
  session.out << "logged out"
              << (body.root().bool_or("revoked_at_provider", false) ? ", at the provider, too" : "")
              << '\n';
  return exit_code::ok;
}

// Whatever could be read as a second line or a second request is no path.
bool is_path(std::string_view text) noexcept {
  if (!text.starts_with('/')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7f'; });
}

std::string printable_lines(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    result += printable(line);
    if (line.size() < text.size()) result += '\n';
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return result;
}

int call(Session& session, const Given& given) {
  Request request;
  request.method = given.one("METHOD");
  request.target = given.one("PATH");
  if (!is_path(request.target)) {
    fail(exit_code::usage, "usage", "PATH begins with a slash and has no spaces in it",
         "other characters are written as %20");
  }
  if (given.has("body")) request.body = text_of(session, given.one("body"));
  const Answer answer = ask(session, request);
  const bool is_for_people = session.out_is_terminal && !session.json;
  session.out << (is_for_people ? printable_lines(answer.body) : answer.body);
  if (session.out_is_terminal && !answer.body.ends_with('\n')) session.out << '\n';
  return exit_code::ok;
}

}  // namespace

std::vector<Command> login_commands() {
  return {
      {"login",
       "log in with a browser elsewhere, and keep the session",
       {{"PROVIDER", "the name of the provider, when there are several", false}},
       {{"print", "", "print the session instead of keeping it"}},
       "Prints a page and a code, and waits until the code was entered there.\n"
       "Other commands then send the session where a route wants a login.\n"
       "Examples:\n  cofounderctl login github\n"
       "  curl -H \"Authorization: Bearer $(cofounderctl login --print)\" "
       "https://example.org/members",
       login},
      {"logout",
       "end the session, also at the provider",
       {},
       {},
       "Example:\n  cofounderctl logout",
       logout},
      {"whoami",
       "show who is logged in",
       {},
       {},
       "The exit code is 4 when nobody is.\nExample:\n  cofounderctl whoami",
       whoami},
      {"call",
       "send a request to any route, such as those of plugins",
       {{"METHOD", "GET, POST, PUT or DELETE", true, false, Words::choice,
         {"GET", "POST", "PUT", "DELETE"}},
        {"PATH", "the path, with its query"}},
       {{"body", "JSON", "what is sent; @FILE reads a file, - standard input"}},
       "Prints the answer's body.  Sends the session when the route wants a login.\n"
       "Example:\n  cofounderctl call GET /v1/status",
       call},
  };
}

}  // namespace cofounder::ctl
