// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.hpp"
#include "core/ctl/http_unix.hpp"

#include <functional>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The commands of cofounderctl as one table: parsing, --help, completion and the manual page's test
// all go through it.
namespace cofounder::ctl {

namespace exit_code {
inline constexpr int ok = 0;
inline constexpr int failed = 1;
inline constexpr int usage = 2;
inline constexpr int not_found = 3;
inline constexpr int denied = 4;
inline constexpr int unreachable = 5;
inline constexpr int timed_out = 6;
}  // namespace exit_code

// What a word may be, for completion.
enum class Words { any, file, folder, choice };

struct Option {
  std::string_view name;   // without the dashes
  std::string_view value;  // its name in the help; empty: a flag
  std::string_view help;
  bool may_repeat = false;
  bool value_is_optional = false;  // --wait or --wait=30s
  Words words = Words::any;
  std::vector<std::string_view> choices = {};
};

struct Argument {
  std::string_view name;
  std::string_view help;
  bool is_required = true;
  bool may_repeat = false;
  Words words = Words::any;
  std::vector<std::string_view> choices = {};
};

// What the user gave.
struct Given {
  std::map<std::string, std::vector<std::string>, std::less<>> values;  // arguments and options

  bool has(std::string_view name) const noexcept { return values.find(name) != values.end(); }
  std::string one(std::string_view name, std::string_view otherwise = {}) const;
  std::vector<std::string> all(std::string_view name) const;
};

// This thread does nothing for so long.
void pause_for(Milliseconds time);

// What commands work with.
struct Session {
  UnixHttp http;
  bool json = false;
  std::ostream& out;
  std::ostream& err;
  std::istream& in;
  bool out_is_terminal = false;
  bool err_is_terminal = false;
  std::function<void(Milliseconds)> pause = &pause_for;  // between two questions
};

struct Command {
  std::string_view path;  // "task submit"
  std::string_view summary;
  std::vector<Argument> arguments;
  std::vector<Option> options;
  std::string_view more;  // after the help: notes and examples
  int (*run)(Session& session, const Given& given) = nullptr;
};

// In the order of the help.  Groups come as paths of one word without `run`.
const std::vector<Command>& commands();

std::vector<Command> daemon_commands();
std::vector<Command> login_commands();
std::vector<Command> task_commands();
std::vector<Command> schedule_commands();
std::vector<Command> plugin_commands();
std::vector<Command> store_commands();
std::vector<Command> node_commands();
std::vector<Command> migrate_commands();

// Ends a command; run_ctl() shows the error.
struct Failure {
  int exit;
  Error error;
  std::string body;  // the daemon's own answer, when there is one
};

[[noreturn]] void fail(int exit, std::string code, std::string message, std::string hint = {});

// The daemon's answer when it is a success, else a Failure with the fitting exit code.  The session of
// `cofounderctl login` is sent when the daemon asks for a login, and not before.
Answer ask(Session& session, const Request& request);
Failure failure_of(const Answer& answer);
int exit_code_of(const Error& error) noexcept;  // of UnixHttp

// The answer as it is (with --json), and whether that was done.
bool printed_as_json(Session& session, const Answer& answer);
// Its body; a Failure when that is no JSON.
json::Document parse_body(const Answer& answer);

// The whole program.  `arguments` without its name.
int run_ctl(const std::vector<std::string>& arguments, Session& session);

}  // namespace cofounder::ctl
