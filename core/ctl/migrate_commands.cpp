// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/daemon_program.hpp"

namespace cofounder::ctl {
namespace {

int migrate_to(Session& session, const Given& given) {
  return run_daemon(session, {"--config", given.one("config", default_config), "--migrate-to",
                              given.one("DSN")});
}

}  // namespace

std::vector<Command> migrate_commands() {
  return {
      {"store", "move what the daemon keeps", {}, {}, "", nullptr},
      {"store migrate-to",
       "move the SQLite store to PostgreSQL, while no daemon runs",
       {{"DSN", "a connection string without a password"}},
       {{"config", "FILE", "the daemon's configuration", false, false, Words::file}},
       "All or nothing; the file is renamed, so that no daemon runs its tasks again.\n"
       "Example:\n"
       "  cofounderctl store migrate-to 'host=/run/postgresql dbname=cofounderd'",
       migrate_to},
  };
}

}  // namespace cofounder::ctl
