// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cofounder::host {

// "cof.http/1.2": revision 1, minor 2 or later.  Without a minor: 0.
struct Interface {
  std::string name;
  int revision = 0;
  int minor = 0;
  std::string iid() const { return name + "/" + std::to_string(revision); }
  std::string text() const { return iid() + "." + std::to_string(minor); }
};
std::optional<Interface> parse_interface(std::string_view text);

}  // namespace cofounder::host
