// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/move.hpp"

#include "core/base/log.hpp"
#include "core/daemon/options.hpp"
#include "core/store/store_move.hpp"

#include <cstdio>
#include <cstdlib>

namespace cofounder {

int move_store(const Config& config, const std::string& dsn) {
  log::Options options = log_options(config);
  options.target = log::Options::Target::standard_error;
  log::open(options);
  PostgresOptions to = postgres_options(config);
  to.dsn = dsn;
  Loop loop;
  StoreMove move{loop, sqlite_options(config), std::move(to)};
  int code = EXIT_FAILURE;
  move.run([&](Result<StoreMove::Moved> moved) {
    if (moved) {
      for (const auto& [table, rows] : *moved) {
        std::printf("%s: %lld rows\n", table.c_str(), static_cast<long long>(rows));
      }
      std::puts("All of it is moved.  Now set [store] kind = \"postgres\" and dsn.");
      code = EXIT_SUCCESS;
    } else {
      const Error& error = moved.error();
      log::error("cannot move the store: " + error.message +
                 (error.hint.empty() ? "" : "; " + error.hint));
    }
    loop.stop();
  });
  loop.run();
  log::close();
  return code;
}

}  // namespace cofounder
