// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/function.hpp"
#include "core/base/loop.hpp"
#include "core/store/postgres_connection.hpp"

#include <string>

namespace cofounder {

// Where the server is: a connection string taken apart, with what we set by default.  The string
// itself never stands in an error, for somebody may have put a password into it.
// Codes "store_unusable": it cannot be read, or names a service file (libpq would look its host up
// by itself, and block).
Result<PostgresConnection::Settings> read_postgres_dsn(const std::string& dsn,
                                                       const std::string& password,
                                                       const std::string& application_name);

// Gives each host that is a name its addresses ("hostaddr"), so that libpq asks no resolver.
// Anew before each connecting: addresses change.
void resolve_postgres_hosts(Loop& loop, PostgresConnection::Settings settings,
                            UniqueFunction<void(Result<PostgresConnection::Settings>)> done);

}  // namespace cofounder
