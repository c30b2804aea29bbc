// SPDX-License-Identifier: Apache-2.0
#include "core/host/interface.hpp"

#include <algorithm>
#include <charconv>

namespace cofounder::host {

namespace {

bool read_number(std::string_view text, int& number) noexcept {
  if (text.empty() || text.size() > 4) return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() && number >= 0;
}

}  // namespace

std::optional<Interface> parse_interface(std::string_view text) {
  const std::size_t slash = text.rfind('/');
  if (slash == std::string_view::npos || slash == 0 || text.size() > 128) return std::nullopt;
  Interface interface;
  interface.name = text.substr(0, slash);
  const bool good = std::all_of(interface.name.begin(), interface.name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' || c == '_';
  });
  std::string_view numbers = text.substr(slash + 1);
  const std::size_t dot = numbers.find('.');
  if (dot != std::string_view::npos) {
    if (!read_number(numbers.substr(dot + 1), interface.minor)) return std::nullopt;
    numbers = numbers.substr(0, dot);
  }
  if (!good || !read_number(numbers, interface.revision)) return std::nullopt;
  return interface;
}

}  // namespace cofounder::host
