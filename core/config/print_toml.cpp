// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/config/print.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>

namespace cofounder {
namespace config {
namespace {

// TOML's basic strings are JSON's, but that DEL has to be escaped too.
std::string toml_string(std::string_view text) {
  std::string quoted = json::quote(text);
  for (std::size_t at = 0; (at = quoted.find('\x7f', at)) != std::string::npos; at += 6) {
    quoted.replace(at, 1, "\\u007F");
  }
  return quoted;
}

std::string toml_key(std::string_view key) {
  const bool bare = !key.empty() && std::all_of(key.begin(), key.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
  return bare ? std::string{key} : toml_string(key);
}

std::string toml_number(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  char buffer[64];
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, value);
  std::string text{buffer, end};
  return text.find_first_of(".e") == std::string::npos ? text + ".0" : text;
}

class TomlPrinter {
 public:
  void blank_line() {
    if (!text_.empty()) text_ += '\n';
  }
  void table(std::string_view name) {
    blank_line();
    text_.append("[").append(name).append("]\n");
  }
  void member(std::string_view key, std::string_view value) {
    text_.append(toml_key(key)).append(" = ").append(value).append("\n");
  }
  void option(std::string_view key, const Option& option) { member(key, value_of(option)); }

  // Settings of one table of a plugin; the tables inside it have to come after all of them.
  void settings(const PluginConfig& plugin, const std::string& path, json::View table) {
    for (std::size_t i = 0; i < table.size(); ++i) {
      const std::string at = inner(path, table.key_at(i));
      if (is_table(plugin, at, table.at(i))) continue;
      member(table.key_at(i), setting(plugin, at, table.key_at(i), table.at(i)));
    }
  }
  void setting_tables(const PluginConfig& plugin, const std::string& header,
                      const std::string& path, json::View table_view) {
    for (std::size_t i = 0; i < table_view.size(); ++i) {
      const std::string at = inner(path, table_view.key_at(i));
      const json::View value = table_view.at(i);
      if (!is_table(plugin, at, value)) continue;
      const std::string name = header + "." + toml_key(table_view.key_at(i));
      table(name);
      settings(plugin, at, value);
      setting_tables(plugin, name, at, value);
    }
  }

  std::string take() { return std::move(text_); }

 private:
  static std::string value_of(const Option& option) {
    struct Visitor {
      std::string operator()(const bool* v) const { return *v ? "true" : "false"; }
      std::string operator()(const int* v) const { return std::to_string(*v); }
      std::string operator()(const std::uint64_t* v) const { return toml_string(size_text(*v)); }
      std::string operator()(const Milliseconds* v) const {
        return toml_string(cofounder::to_string(*v));
      }
      std::string operator()(const std::string* v) const { return toml_string(*v); }
      std::string operator()(const std::filesystem::path* v) const {
        return toml_string(v->native());
      }
      std::string operator()(const std::vector<std::string>* v) const { return list(*v); }
      std::string operator()(const std::vector<std::filesystem::path>* v) const {
        return list({v->begin(), v->end()});
      }
      static std::string list(const std::vector<std::string>& values) {
        std::string text = "[";
        for (const std::string& value : values) {
          if (text.size() > 1) text += ", ";
          text += toml_string(value);
        }
        return text + "]";
      }
    };
    return std::visit(Visitor{}, option.target);
  }

  static bool is_table(const PluginConfig& plugin, const std::string& path, json::View value) {
    return value.is_object() && find_secret(plugin, path, value) == nullptr;
  }

  static std::string setting(const PluginConfig& plugin, const std::string& path,
                             std::string_view key, json::View value) {
    if (const SecretSource* source = find_secret(plugin, path, value)) {
      if (source->kind == SecretSource::Kind::plain) return toml_string(hidden);
      return "{ " + std::string{key_of(*source)} + " = " + toml_string(source->name) + " }";
    }
    if (const auto text = value.as_string()) {
      return toml_string(!text->empty() && looks_secret(key) ? hidden : *text);
    }
    if (value.kind() == json::Kind::number) return toml_number(*value.as_number());
    if (!value.is_array() && !value.is_object()) return value.text();
    std::string text = value.is_array() ? "[" : "{ ";
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i != 0) text += ", ";
      const std::string name{value.is_array() ? key : value.key_at(i)};
      if (value.is_object()) text += toml_key(name) + " = ";
      const std::string at =
          inner(path, value.is_array() ? std::to_string(i) : std::string{value.key_at(i)});
      text += setting(plugin, at, name, value.at(i));
    }
    return text + (value.is_array() ? "]" : " }");
  }

  std::string text_;
};

void print_maps(TomlPrinter& out, const Config& config) {
  out.table("scheduler.queues");
  for (const auto& [name, most] : config.scheduler.queues) out.member(name, std::to_string(most));
  out.table("scheduler.cluster_queues");
  for (const auto& [name, most] : config.scheduler.cluster_queues) {
    out.member(name, std::to_string(most));
  }
  out.table("control.access");
  for (const Access access : {Access::admin, Access::operate, Access::submit, Access::read}) {
    const auto found = config.control.access.find(access);
    std::vector<std::string> names;
    if (found != config.control.access.end()) names = found->second;
    out.option(to_string(access), Option{to_string(access), &names});
  }
}

void print_plugin(TomlPrinter& out, const std::string& id, PluginConfig plugin) {
  const std::string header = "plugin." + id;
  const auto settings = json::parse(plugin.settings);
  const json::View root = settings ? settings->root() : json::View{};
  bool settings_printed = false;
  out.table(header);
  for_each_section(
      options_of(plugin),
      [&](std::string_view section) {
        if (!settings_printed) out.settings(plugin, {}, root);
        settings_printed = true;
        out.table(header + "." + std::string{section});
      },
      [&](std::string_view key, const Option& option) { out.option(key, option); });
  out.setting_tables(plugin, header, {}, root);
}

}  // namespace
}  // namespace config

std::string print_config(const Config& config) {
  Config copy = config;
  config::TomlPrinter out;
  config::for_each_section(
      config::options_of(copy), [&](std::string_view section) { out.table(section); },
      [&](std::string_view key, const config::Option& option) { out.option(key, option); });
  config::print_maps(out, copy);
  for (const auto& [id, plugin] : copy.plugin) config::print_plugin(out, id, plugin);
  return out.take();
}

}  // namespace cofounder
