// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.hpp"
#include "core/config/config.hpp"

#include <algorithm>

namespace cofounder {
namespace {

}  // namespace

bool secret_path_matches(std::string_view pattern, std::string_view path) {
  for (;;) {
    const auto pattern_dot = pattern.find('.');
    const auto path_dot = path.find('.');
    const std::string_view want = pattern.substr(0, pattern_dot);
    if (want != "*" && want != path.substr(0, path_dot)) return false;
    if (pattern_dot == std::string_view::npos || path_dot == std::string_view::npos) {
      return pattern_dot == path_dot;
    }
    pattern.remove_prefix(pattern_dot + 1);
    path.remove_prefix(path_dot + 1);
  }
}

namespace {

bool is_named(const std::vector<std::string>& secrets, std::string_view path) {
  return std::any_of(secrets.begin(), secrets.end(),
                     [&](const std::string& pattern) { return secret_path_matches(pattern, path); });
}

// Copies `value`, and calls `plain` for each non-empty string under a secret's path; what that
// writes takes the string's place.
template <class Plain>
void copy(const std::vector<std::string>& secrets, const std::string& path, json::View value,
          json::Writer& out, Plain& plain) {
  const auto inner = [&](std::string_view key) {
    return path.empty() ? std::string{key} : path + "." + std::string{key};
  };
  if (value.is_object()) {
    out.begin_object();
    for (std::size_t i = 0; i < value.size(); ++i) {
      out.key(value.key_at(i));
      copy(secrets, inner(value.key_at(i)), value.at(i), out, plain);
    }
    out.end_object();
  } else if (value.is_array()) {
    out.begin_array();
    for (std::size_t i = 0; i < value.size(); ++i) {
      copy(secrets, inner(std::to_string(i)), value.at(i), out, plain);
    }
    out.end_array();
  } else if (const auto text = value.as_string();
             text && !text->empty() && is_named(secrets, path)) {
    plain(path, *text, out);
  } else {
    out.raw(value.text());
  }
}

}  // namespace

std::string where_of(const PluginConfig& plugin, std::string_view path) {
  std::string key{path};
  for (;;) {
    const auto found = plugin.lines.find(key);
    if (found != plugin.lines.end()) return found->second;
    const auto dot = key.rfind('.');
    if (dot == std::string::npos) return plugin.where;
    key.resize(dot);
  }
}

std::optional<std::string> plain_secret_problem(const PluginConfig& plugin,
                                                const std::vector<std::string>& secrets) {
  const auto settings = json::parse(plugin.settings);
  if (!settings) return settings.error().message;
  std::optional<std::string> problem;
  const auto plain = [&](const std::string& path, std::string_view, json::Writer& out) {
    out.null();
    if (problem) return;
    const std::string key = path.substr(path.rfind('.') + 1);
    problem = where_of(plugin, path) + ": " + path +
              " is a secret and must not stand here as it is; write " + key +
              " = { credential = \"NAME\" }, { env = \"NAME\" } or { file = \"PATH\" }, or set " +
              "allow_plain_secrets = true at the top level";
  };
  json::Writer out;
  copy(secrets, {}, settings->root(), out, plain);
  return problem;
}

void take_plain_secrets(PluginConfig& plugin, const std::vector<std::string>& secrets) {
  const auto settings = json::parse(plugin.settings);
  if (!settings) return;
  const auto plain = [&](const std::string& path, std::string_view text, json::Writer& out) {
    plugin.secrets[path] = SecretSource{SecretSource::Kind::plain, std::string{text}};
    out.begin_object().member("secret", path).end_object();
  };
  json::Writer out;
  copy(secrets, {}, settings->root(), out, plain);
  plugin.settings = out.take();
}

}  // namespace cofounder
