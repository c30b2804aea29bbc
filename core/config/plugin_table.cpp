// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.hpp"
#include "core/config/reader.hpp"

#include <algorithm>
#include <array>

// A plugin's table: what the core knows becomes options, the rest the settings that the plugin's
// manifest describes.
namespace cofounder::config {
namespace {

constexpr int depth_max = 32;  // of nested settings

class Settings {
 public:
  Settings(Reader& reader, std::string id, PluginConfig& plugin)
      : reader_{reader}, id_{std::move(id)}, plugin_{plugin} {}

  void add(const std::string& key, const Node& node) {
    out_.key(key);
    value(key, node, 1);
  }

  json::Writer& writer() noexcept { return out_; }

 private:
  void value(const std::string& path, const Node& node, int depth) {
    plugin_.lines[path] = node.where();
    if (depth > depth_max) {
      reader_.fail(node, name(path) + " is nested too deeply");
      out_.null();
      return;
    }
    switch (node.kind) {
      case Node::Kind::boolean:
        out_.boolean(node.boolean);
        return;
      case Node::Kind::integer:
        out_.integer(node.integer);
        return;
      case Node::Kind::number:
        out_.number(node.number);
        return;
      case Node::Kind::time:
      case Node::Kind::string:
        out_.string(node.text);
        return;
      case Node::Kind::array:
        out_.begin_array();
        for (std::size_t i = 0; i < node.elements.size(); ++i) {
          value(dotted(path, std::to_string(i)), node.elements[i], depth + 1);
        }
        out_.end_array();
        return;
      case Node::Kind::table:
        break;
    }
    if (is_secret_table(node)) return secret(path, node);
    out_.begin_object();
    for (std::size_t i = 0; i < node.keys.size(); ++i) {
      out_.key(node.keys[i]);
      value(dotted(path, node.keys[i]), node.elements[i], depth + 1);
    }
    out_.end_object();
  }

  void secret(const std::string& path, const Node& node) {
    out_.begin_object().member("secret", path).end_object();
    if (node.keys.size() != 1) {
      return reader_.fail(node, name(path) + " has more than one source; write one of " +
                                    "{ credential = ... }, { env = ... } and { file = ... }");
    }
    const Node& from = node.elements.front();
    const std::string& key = node.keys.front();
    if (from.kind != Node::Kind::string || from.text.empty()) {
      return reader_.fail(from, name(path) + "." + key + " must be a string that is not empty");
    }
    SecretSource source;
    source.name = from.text;
    if (key == "credential") {
      source.kind = SecretSource::Kind::credential;
      if (from.text.find('/') != std::string::npos || from.text == "." || from.text == "..") {
        return reader_.fail(from, name(path) + ".credential must be a name without \"/\"");
      }
    } else if (key == "env") {
      source.kind = SecretSource::Kind::environment;
    } else {
      source.kind = SecretSource::Kind::file;
      if (!from.text.starts_with('/')) {
        return reader_.fail(from, name(path) + ".file must be an absolute path");
      }
    }
    plugin_.secrets[path] = std::move(source);
  }

  std::string name(const std::string& path) const { return "plugin." + id_ + "." + path; }

  Reader& reader_;
  std::string id_;
  PluginConfig& plugin_;
  json::Writer out_;
};

}  // namespace

void Reader::read_plugin(std::string_view id, const Node& table, PluginConfig& plugin) {
  const std::string prefix = dotted("plugin", id);
  plugin.where = table.where();
  const std::vector<Option> options = options_of(plugin);
  Settings settings{*this, std::string{id}, plugin};
  settings.writer().begin_object();
  for (std::size_t i = 0; i < table.keys.size(); ++i) {
    const std::string& key = table.keys[i];
    const Node& node = table.elements[i];
    if (const Option* option = find_option(options, key)) {
      read(*option, dotted(prefix, key), node);
    } else if (is_section(options, key)) {
      if (!expect_table(dotted(prefix, key), node)) continue;
      for (std::size_t j = 0; j < node.keys.size(); ++j) {
        const std::string name = dotted(key, node.keys[j]);
        const Option* inner = find_option(options, name);
        if (inner != nullptr) {
          read(*inner, dotted(prefix, name), node.elements[j]);
          continue;
        }
        std::vector<std::string_view> known;
        for (const Option& o : options) {
          if (o.name.starts_with(key + ".")) known.push_back(o.name.substr(key.size() + 1));
        }
        std::string text = "unknown key " + dotted(prefix, name);
        const std::string_view near = nearest(node.keys[j], known);
        if (!near.empty()) text += "; did you mean " + std::string{near} + "?";
        fail(node.elements[j], text);
      }
    } else {
      settings.add(key, node);
    }
  }
  settings.writer().end_object();
  plugin.settings = settings.writer().take();
}

}  // namespace cofounder::config
