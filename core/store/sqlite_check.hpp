// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/sqlite_connection.hpp"

#include <string>
#include <vector>

namespace cofounder {

// Reads the whole file: first what SQLite knows of its pages and indexes, then what we know of the
// rows, such as that no living task is without its args.  What is wrong, at most a hundred sentences.
// Throws SqliteError when that cannot be found out.
std::vector<std::string> check_sqlite(SqliteConnection& connection);

}  // namespace cofounder
