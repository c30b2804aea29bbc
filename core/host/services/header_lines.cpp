// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/header_lines.hpp"

#include <cofounder/abi.h>

#include <algorithm>
#include <array>

namespace cofounder::host {
namespace {

constexpr std::size_t headers_max = 128;
constexpr std::size_t bytes_max = 64 * 1024;

bool is_token(std::string_view text) noexcept {
  constexpr std::string_view others = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           others.find(c) != std::string_view::npos;
  });
}

bool is_value(std::string_view text) noexcept {
  return std::none_of(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
  });
}

std::string lower(std::string_view text) {
  std::string result{text};
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

bool is_of_the_host(std::string_view name) {
  constexpr std::array<std::string_view, 8> names = {
      "content-length", "transfer-encoding", "connection", "keep-alive",
      "upgrade",        "te",                "trailer",    "proxy-connection"};
  const std::string lowered = lower(name);
  return std::find(names.begin(), names.end(), lowered) != names.end();
}

std::string_view trim(std::string_view text) noexcept {
  while (text.starts_with(' ') || text.starts_with('\t')) text.remove_prefix(1);
  while (text.ends_with(' ') || text.ends_with('\t')) text.remove_suffix(1);
  return text;
}

}  // namespace

std::int32_t take_header_lines(std::string_view text, HeaderLines& headers) {
  if (text.size() > bytes_max) return COF_EINVALID;
  while (!text.empty()) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos || headers.size() >= headers_max) return COF_EINVALID;
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) return COF_EINVALID;
    const std::string_view name = line.substr(0, colon);
    const std::string_view value = trim(line.substr(colon + 1));
    if (!is_token(name) || !is_value(value) || is_of_the_host(name)) return COF_EINVALID;
    headers.emplace_back(name, value);
  }
  return COF_OK;
}

std::string header_lines(const HeaderLines& headers) {
  std::string text;
  for (const auto& [name, value] : headers) text += name + ": " + value + "\n";
  return text;
}

}  // namespace cofounder::host
