// SPDX-License-Identifier: Apache-2.0
// cofounderd: reads the command line and the configuration, and runs the daemon.
#include <sysexits.h>

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "core/base/log.hpp"
#include "core/config/config.hpp"
#include "core/daemon/daemon.hpp"
#include "core/daemon/move.hpp"
#include "core/store/stores.hpp"

namespace {

constexpr std::string_view usage =
    "Usage: cofounderd --config FILE [--check-config | --print-config | --migrate-to DSN]\n"
    "       cofounderd --check-store FILE | --version | --help\n"
    "\n"
    "Runs the plugin-hosting daemon in the foreground; systemd starts it.\n"
    "\n"
    "  --config FILE    configuration, TOML; conf.d/*.toml beside it override it in name order\n"
    "                   (default /etc/cofounderd/cofounderd.toml)\n"
    "  --check-config   say what is wrong with the configuration and end\n"
    "  --print-config   print every option with the value in force and end\n"
    "  --check-store FILE  read all of a store that no daemon uses, or of a backup, and say what is\n"
    "                   wrong with it\n"
    "  --migrate-to DSN move what the SQLite store keeps to PostgreSQL and end\n"
    "  --version        print the version and end\n"
    "\n"
    "Exit codes: 0 ok, 1 failed, 64 wrong usage, 78 wrong configuration.\n";

struct Arguments {
  std::string config = "/etc/cofounderd/cofounderd.toml";
  std::string store;  // to be checked
  bool check = false;
  bool print = false;
  std::string migrate_to;
};

// The exit code when the program is to end now, or -1.
int parse(int argc, char** argv, Arguments& arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help" || word == "-h") {
      std::fwrite(usage.data(), 1, usage.size(), stdout);
      return EX_OK;
    }
    if (word == "--version") {
      std::puts("cofounderd " COFOUNDER_VERSION);
      return EX_OK;
    }
    if (word == "--check-store" && i + 1 < argc) {
      arguments.store = argv[++i];
    } else if (word == "--check-config") {
      arguments.check = true;
    } else if (word == "--print-config") {
      arguments.print = true;
    } else if (word == "--migrate-to" && i + 1 < argc) {
      arguments.migrate_to = argv[++i];
    } else if (word == "--config" && i + 1 < argc) {
      arguments.config = argv[++i];
    } else if (word.starts_with("--config=")) {
      arguments.config = word.substr(std::string_view{"--config="}.size());
    } else {
      std::fprintf(stderr, "cofounderd: do not understand \"%s\"; see cofounderd --help\n",
                   argv[i]);
      return EX_USAGE;
    }
  }
  return -1;
}

int check_store(const std::string& file) {
  const auto problems = cofounder::check_sqlite_file(file);
  if (!problems) {
    std::puts(problems.error().message.c_str());
    return EXIT_FAILURE;
  }
  for (const std::string& problem : *problems) std::printf("%s: %s\n", file.c_str(), problem.c_str());
  if (problems->empty()) std::printf("%s: ok\n", file.c_str());
  return problems->empty() ? EX_OK : EXIT_FAILURE;
}

int run(int argc, char** argv) {
  Arguments arguments;
  if (const int code = parse(argc, argv, arguments); code >= 0) return code;

  if (!arguments.store.empty()) return check_store(arguments.store);

  cofounder::ConfigErrors errors;
  auto config = cofounder::load_config(arguments.config, errors);
  for (const std::string& line : errors.warnings) {
    std::fprintf(stderr, "warning: %s\n", line.c_str());
  }
  for (const std::string& line : errors.lines) std::fprintf(stderr, "%s\n", line.c_str());
  if (!config) return EX_CONFIG;
  if (arguments.print) {
    const std::string text = cofounder::print_config(*config);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return EX_OK;
  }
  if (arguments.check) {
    std::printf("%s: ok\n", arguments.config.c_str());
    return EX_OK;
  }
  if (!arguments.migrate_to.empty()) return cofounder::move_store(*config, arguments.migrate_to);
  return cofounder::Daemon{std::move(*config), arguments.config}.run();
}

}  // namespace

int main(int argc, char** argv) try {
  return run(argc, argv);
} catch (const std::exception& error) {
  cofounder::log::error(std::string{"cofounderd ends: "} + error.what());
  cofounder::log::close();
  return EXIT_FAILURE;
}
