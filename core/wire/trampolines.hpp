// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/wire/frame.hpp"
#include "core/wire/table.hpp"

#include <optional>
#include <string>
#include <string_view>

// The daemon's side of the table: what a request frame means, made for every slot.
namespace cofounder::wire {

struct Handler {
  const char* iid;
  Way way;
  // Whether these are arguments of the function.
  Broken (*check)(std::string_view arguments);
  // Calls the function of `table` (of that interface) with the arguments; the answer's bytes.
  // False, and nothing was called, when check() would say so.
  bool (*serve)(const void* table, const cof_host* host, std::string_view arguments,
                std::string& answer);
};

// Null when there is no such interface or slot.
const Handler* find_handler(std::uint8_t interface, std::uint8_t slot) noexcept;
bool is_interface(std::uint8_t interface) noexcept;
std::size_t slot_count(std::uint8_t interface) noexcept;
// "cof.http/1" -> its number.
std::optional<std::uint8_t> interface_number(std::string_view iid) noexcept;

}  // namespace cofounder::wire
