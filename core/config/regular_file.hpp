// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <sys/types.h>

#include <cstddef>
#include <filesystem>
#include <string>

namespace cofounder::config {

struct FileText {
  std::string text;
  mode_t mode = 0;
};

// Reads a whole file; refuses what is no regular file (a FIFO would wait for ever) or is larger.
// Codes "missing" and "unreadable"; the message names the path.
Result<FileText> read_regular_file(const std::filesystem::path& file, std::size_t bytes_max);

}  // namespace cofounder::config
