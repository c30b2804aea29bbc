// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/config.hpp"

#include <string>

namespace cofounder {

// `cofounderd --migrate-to DSN`: moves what the configured SQLite store keeps to PostgreSQL, says what
// it was, and ends.  The exit code.
int move_store(const Config& config, const std::string& dsn);

}  // namespace cofounder
