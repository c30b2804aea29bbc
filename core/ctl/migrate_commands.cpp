// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/command.hpp"
#include "core/ctl/daemon_program.hpp"

#include <ostream>

namespace cofounder::ctl {
namespace {

int migrate_to(Session& session, const Given& given) {
  session.out.flush();
  const int code =
      run_daemon_program({"--config", given.one("config", "/etc/cofounderd/cofounderd.toml"),
                          "--migrate-to", given.one("DSN")});
  return code == 0 ? exit_code::ok : exit_code::failed;
}

}  // namespace

std::vector<Command> migrate_commands() {
  return {
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
