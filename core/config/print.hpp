// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.hpp"
#include "core/config/config.hpp"
#include "core/config/options.hpp"

// What printing as TOML and as JSON share.
namespace cofounder::config {

inline constexpr std::string_view hidden = "***";

// A setting that nobody declared as a secret may be one all the same: its name decides.
bool looks_secret(std::string_view key);

// "credential", "env", "file" or "plain".
std::string_view key_of(const SecretSource& source) noexcept;

// The source behind {"secret": PATH} at `path` of a plugin's settings; null when it is none.
const SecretSource* find_secret(const PluginConfig& plugin, const std::string& path,
                                json::View value);

// `path` and `key`, with a dot between them when there is a path.
std::string inner(const std::string& path, std::string_view key);

// Calls section(name) before the first option of each section but the unnamed one, and
// option(key, option) for each.
template <class Section, class EachOption>
void for_each_section(const std::vector<Option>& options, Section section, EachOption each) {
  std::string_view current;
  for (const Option& option : options) {
    const auto dot = option.name.rfind('.');
    const bool top = dot == std::string_view::npos;
    const std::string_view here = top ? std::string_view{} : option.name.substr(0, dot);
    if (here != current) section(here);
    current = here;
    each(top ? option.name : option.name.substr(dot + 1), option);
  }
}

}  // namespace cofounder::config
