// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/files.hpp"
#include "core/host/safe_open.hpp"

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

namespace cofounder::host {

class Instance;

// What stands behind a handle of cof.file/1.  A transfer that uses it keeps it, so that it stays
// open when the handle is released.
struct OpenFile {
  std::uint64_t call_id = 0;
  std::string name;        // the last part, for display
  std::uint64_t size = 0;  // when it was opened
  bool in_scratch = false;

  Descriptor input;        // for reading; constant

  std::mutex mutex;        // for the two below: a plugin's threads may share a handle
  std::unique_ptr<Files::Output> output;
  bool committed = false;

  bool is_output() const noexcept { return !input; }

  // The statuses of cof.file/1 write().
  std::int32_t append(Instance& instance, std::string_view piece);
  std::int32_t clear();
};

}  // namespace cofounder::host
