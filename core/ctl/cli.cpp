// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/ctl/command.hpp"
#include "core/ctl/table.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <ostream>

// The only file that knows CLI11: it turns the table of commands into a parser.
namespace cofounder::ctl {
namespace {

constexpr const char* about =
    "cofounderctl talks to the cofounderd daemon.\n"
    "Exit codes: 0 ok, 1 failed, 2 wrong usage, 3 not found, 4 denied, 5 daemon unreachable, "
    "6 timed out.";

constexpr const char* examples =
    "Examples:\n"
    "  cofounderctl status\n"
    "  cofounderctl task submit hello.greet --arg name=World --wait\n"
    "  cofounderctl task list --state failed\n"
    "  cofounderctl --json plugin list";

struct Parsed {
  const Command* command = nullptr;
  CLI::App* app = nullptr;
};

// The values stay texts, and are read from the parser when it is done.
CLI::Option* add_text(CLI::App& app, std::string name, std::string_view help) {
  const CLI::callback_t take = [](const CLI::results_t&) { return true; };
  return app.add_option(std::move(name), take, std::string{help});
}

void add_argument(CLI::App& app, const Argument& argument) {
  CLI::Option* option = add_text(app, std::string{argument.name}, argument.help);
  option->type_name("")->required(argument.is_required);
  // At least one also for what may be left out: a minimum of none takes none.
  option->expected(1, argument.may_repeat ? 1000 : 1);
  if (argument.may_repeat) {
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)->allow_extra_args(true);
  }
  if (!argument.choices.empty()) {
    option->check(
        CLI::IsMember(std::vector<std::string>{argument.choices.begin(), argument.choices.end()}));
  }
}

void add_option(CLI::App& app, const Option& from) {
  const std::string name = "--" + std::string{from.name};
  if (from.value.empty()) {
    app.add_flag(name)->description(std::string{from.help});
    return;
  }
  CLI::Option* option = add_text(app, name, from.help);
  option->type_name(std::string{from.value})->expected(1);
  // Each value needs its own --NAME, so that positional arguments may follow.
  option->multi_option_policy(from.may_repeat ? CLI::MultiOptionPolicy::TakeAll
                                              : CLI::MultiOptionPolicy::Throw);
  if (from.may_repeat) option->allow_extra_args(false);
  if (!from.choices.empty()) {
    option->check(
        CLI::IsMember(std::vector<std::string>{from.choices.begin(), from.choices.end()}));
  }
}

// "--wait" takes the next word only when that is a duration; "--wait=" stands for one without.
std::vector<std::string> with_optional_values(const std::vector<std::string>& words) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const bool is_optional = words[i] == "--wait";
    if (words[i] == "--") {
      result.insert(result.end(), words.begin() + static_cast<std::ptrdiff_t>(i), words.end());
      break;
    }
    if (!is_optional) {
      result.push_back(words[i]);
    } else if (i + 1 < words.size() && parse_duration(words[i + 1])) {
      result.push_back("--wait=" + words[++i]);
    } else {
      result.emplace_back("--wait=for-ever");
    }
  }
  return result;
}

std::unique_ptr<CLI::App> make_app(std::vector<Parsed>& parsed) {
  auto app = std::make_unique<CLI::App>(about, "cofounderctl");
  app->footer(examples);
  app->require_subcommand(1);
  add_text(*app, "--socket", "the daemon's socket (or COFOUNDERD_SOCKET)")->type_name("PATH");
  app->add_flag("--json")->description("print the daemon's answer as it is");
  app->set_version_flag("--version", "cofounderctl " COFOUNDER_VERSION);
  for (const Command& command : commands()) {
    const auto space = command.path.find(' ');
    CLI::App* parent = app.get();
    if (space != std::string_view::npos) {
      parent = app->get_subcommand(std::string{command.path.substr(0, space)});
    }
    CLI::App* sub = parent->add_subcommand(
        std::string{space == std::string_view::npos ? command.path
                                                    : command.path.substr(space + 1)},
        std::string{command.summary});
    sub->fallthrough();  // --json and --socket may stand anywhere
    if (!command.more.empty()) sub->footer(std::string{command.more});
    if (command.run == nullptr) sub->require_subcommand(1);
    for (const Argument& argument : command.arguments) add_argument(*sub, argument);
    for (const Option& option : command.options) add_option(*sub, option);
    parsed.push_back({&command, sub});
  }
  return app;
}

Given given_of(const Command& command, const CLI::App& app) {
  Given given;
  for (const Argument& argument : command.arguments) {
    const CLI::Option* option = app.get_option(std::string{argument.name});
    if (option->count() > 0) given.values[std::string{argument.name}] = option->results();
  }
  for (const Option& from : command.options) {
    const CLI::Option* option = app.get_option("--" + std::string{from.name});
    if (option->count() > 0) given.values[std::string{from.name}] = option->results();
  }
  return given;
}

void show(Session& session, const Failure& failure) {
  if (session.json) {
    session.err << (failure.body.empty() ? "{\"error\":" + json::to_json(failure.error) + "}"
                                         : failure.body)
                << '\n';
    return;
  }
  session.err << "cofounderctl: " << printable(failure.error.message);
  if (!failure.error.code.empty()) session.err << " (" << printable(failure.error.code) << ")";
  session.err << '\n';
  if (!failure.error.plugin.empty()) {
    session.err << "plugin: " << printable(failure.error.plugin) << '\n';
  }
  if (!failure.error.hint.empty()) {
    session.err << "hint: " << printable(failure.error.hint) << '\n';
  }
}

std::filesystem::path socket_of(const CLI::App& app) {
  const CLI::Option* option = app.get_option("--socket");
  if (option->count() > 0) return option->results().back();
  const char* variable = std::getenv("COFOUNDERD_SOCKET");
  if (variable != nullptr && *variable != '\0') return variable;
  return "/run/cofounderd/control.sock";
}

}  // namespace

int run_ctl(const std::vector<std::string>& arguments, Session& session) {
  std::vector<Parsed> parsed;
  const std::unique_ptr<CLI::App> app = make_app(parsed);
  std::vector<std::string> words = with_optional_values(arguments);
  try {
    std::reverse(words.begin(), words.end());  // as CLI11 wants them
    app->parse(std::move(words));
  } catch (const CLI::ParseError& error) {
    const int code = app->exit(error, session.out, session.err);
    return code == 0 ? exit_code::ok : exit_code::usage;
  }

  session.http = UnixHttp{socket_of(*app)};
  session.json = app->get_option("--json")->count() > 0;
  // The longest path that was parsed is the command: "metrics summary", not "metrics".
  const Parsed* chosen = nullptr;
  for (const Parsed& one : parsed) {
    if (one.app->parsed() && one.command->run != nullptr &&
        (chosen == nullptr || one.command->path.size() > chosen->command->path.size())) {
      chosen = &one;
    }
  }
  try {
    const int code = chosen->command->run(session, given_of(*chosen->command, *chosen->app));
    session.out.flush();
    return code;
  } catch (const Failure& failure) {
    session.out.flush();
    show(session, failure);
    return failure.exit;
  }
}

}  // namespace cofounder::ctl
