// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace cofounder {

// A time-ordered 63-bit number: 41 bits of milliseconds since 2024-01-01 UTC, 9 bits of node, 13
// bits of sequence.  Never 0.  New ones append to a B-tree, and retention is a range of ids.
using TaskId = std::uint64_t;

// Makes TaskIds that rise strictly, also when the wall clock steps back or more than 8,192 are
// made in a millisecond (they then run ahead of the clock).  Use it from one thread.
class IdSource {
 public:
  explicit IdSource(std::uint32_t node = 0) noexcept : node_{node & 0x1ffU} {}

  TaskId next(Time now) noexcept;
  // Ids made from now on are greater than `id`: for what the store already holds.
  void after(TaskId id) noexcept;

 private:
  std::uint64_t node_;
  std::uint64_t last_ = 0;  // milliseconds << 13 | sequence
};

// 13 characters of Crockford base 32, lower case; text and number sort alike.
std::string to_string(TaskId id);
std::optional<TaskId> parse_task_id(std::string_view text) noexcept;

// The first id that could be made at `time`.
TaskId first_task_id(Time time) noexcept;

// `bytes` random bytes of the kernel, in lower-case hexadecimal: for tokens.
std::string random_hex(std::size_t bytes);

}  // namespace cofounder
