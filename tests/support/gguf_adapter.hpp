// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

namespace cofounder::test {

// The smallest adapter in GGUF that there is, with one tensor of that name.
inline std::string gguf_adapter(const std::string& name = "w") {
  const auto number = [](std::uint64_t value, int bytes) {
    std::string out;
    for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
    return out;
  };
  const auto text = [&](const std::string& value) { return number(value.size(), 8) + value; };
  return "GGUF" + number(3, 4) + number(1, 8) + number(1, 8) + text("general.type") + number(8, 4) +
         text("adapter") + text(name) + number(1, 4) + number(1, 8) + number(0, 4) + number(0, 8) +
         std::string(32, '\0');
}

}  // namespace cofounder::test
