// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <filesystem>

namespace cofounder {

// Holds FILE.lock as long as the descriptor that it returns is open; the kernel lets go of it when
// the process dies.  Code "store_locked" while another process (or this one) holds it.
Result<int> lock_file(const std::filesystem::path& file);
void unlock_file(int descriptor) noexcept;  // -1 is ignored

}  // namespace cofounder
