// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/config/config.hpp"
#include "core/config/options.hpp"
#include "core/config/tree.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cofounder::config {

// Puts values of a tree into options, and collects everything that is wrong on the way.
class Reader {
 public:
  explicit Reader(ConfigErrors& errors) noexcept : errors_{errors} {}

  void fail(const Node& at, std::string_view text);
  void warn(const Node& at, std::string_view text);

  // `name` is what the option is called in errors.  It keeps its value when `node` is wrong.
  void read(const Option& option, std::string_view name, const Node& node);
  // False, and an error, when it is none.
  bool expect_table(std::string_view name, const Node& node);
  // `section` empty: the top level.  `options` may name it in another section.
  void unknown_key(std::string_view section, std::string_view key, const Node& node,
                   const std::vector<Option>& options);

  // A plugin's table.
  void read_plugin(std::string_view id, const Node& table, PluginConfig& plugin);

 private:
  void wrong(const Node& at, std::string_view name, std::string_view wanted);
  void read_integer(const Option& option, std::string_view name, const Node& node, int& target);
  void read_bytes(const Option& option, std::string_view name, const Node& node,
                  std::uint64_t& target);
  void read_duration(const Option& option, std::string_view name, const Node& node,
                     Milliseconds& target);
  // True when the text may be used.
  bool check_text(const Option& option, std::string_view name, const Node& node);
  template <class Text>
  void read_list(const Option& option, std::string_view name, const Node& node,
                 std::vector<Text>& target);

  ConfigErrors& errors_;
};

// Some of `options` lie below `section`: it is a table.
bool is_section(const std::vector<Option>& options, std::string_view section) noexcept;
const Option* find_option(const std::vector<Option>& options, std::string_view name) noexcept;
// "a" and "b" are "a.b"; an empty section adds nothing.
std::string dotted(std::string_view section, std::string_view key);

}  // namespace cofounder::config
