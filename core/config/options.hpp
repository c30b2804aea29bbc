// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/config.hpp"

#include <limits>
#include <string_view>
#include <variant>
#include <vector>

// The table of all options: what reads a file and what prints a configuration both go through it.
namespace cofounder::config {

struct Option {
  std::string_view name;  // dotted: "scheduler.running_max"
  std::variant<bool*, int*, std::uint64_t*, Milliseconds*, std::string*, std::filesystem::path*,
               std::vector<std::string>*, std::vector<std::filesystem::path>*>
      target;  // std::uint64_t: a number of bytes
  // Of a number, of bytes, of milliseconds.
  std::int64_t least = 0;
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  // Of a string, and of each string of a list; `wanted` completes "must be ...".
  bool (*is_valid)(std::string_view text) = nullptr;
  std::string_view wanted = {};
};

std::vector<Option> options_of(Config& config);
std::vector<Option> options_of(PluginConfig& plugin);  // names below plugin.ID

// "64MiB", "1GiB", "512B".
std::optional<std::uint64_t> parse_size(std::string_view text) noexcept;
std::string size_text(std::uint64_t bytes);  // the shortest one

std::string_view to_string(Access access) noexcept;
std::optional<Access> parse_access(std::string_view text) noexcept;

// What somebody who wrote `word` may have meant; empty when nothing is near.
std::string_view nearest(std::string_view word, const std::vector<std::string_view>& candidates);

}  // namespace cofounder::config
