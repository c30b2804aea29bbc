// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// A configuration file as a plain tree that remembers where each value stood.  The TOML library
// behind it is compiled in config_file.cpp only.
namespace cofounder::config {

struct Node {
  enum class Kind { boolean, integer, number, string, time, array, table } kind = Kind::table;
  bool boolean = false;
  std::int64_t integer = 0;
  double number = 0;
  std::string text;               // of a string or a time
  std::vector<std::string> keys;  // of a table, beside its elements
  std::vector<Node> elements;     // of an array or a table

  std::shared_ptr<const std::string> file;  // the value of a key stands where its key does
  std::uint32_t line = 0;

  bool is_table() const noexcept { return kind == Kind::table; }
  const Node* find(std::string_view key) const noexcept;
  std::string where() const;  // "FILE:LINE"
};

// "a string", "a table", ...
std::string_view describe(Node::Kind kind) noexcept;

// {credential = ...}, {env = ...} or {file = ...}: where a secret comes from.
bool is_secret_table(const Node& node) noexcept;

// Nothing when the file cannot be read (regular files up to 1 MiB only) or is no TOML; `problem` is
// then the line to show.
std::optional<Node> load_toml(const std::filesystem::path& file, std::string& problem);

// Puts `over` on top of `base`: tables key by key, everything else (secrets too) replaced.
void merge(Node& base, Node over);

}  // namespace cofounder::config
