// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/config/print.hpp"

namespace cofounder {
namespace config {
namespace {

void json_option(json::Writer& out, std::string_view key, const Option& option) {
  out.key(key);
  struct Visitor {
    json::Writer& out;
    void operator()(const bool* v) const { out.boolean(*v); }
    void operator()(const int* v) const { out.integer(*v); }
    void operator()(const std::uint64_t* v) const { out.unsigned_integer(*v); }
    void operator()(const Milliseconds* v) const { out.string(cofounder::to_string(*v)); }
    void operator()(const std::string* v) const { out.string(*v); }
    void operator()(const std::filesystem::path* v) const { out.string(v->native()); }
    void operator()(const std::vector<std::string>* v) const { list({v->begin(), v->end()}); }
    void operator()(const std::vector<std::filesystem::path>* v) const {
      list({v->begin(), v->end()});
    }
    void list(const std::vector<std::string>& values) const {
      out.begin_array();
      for (const std::string& value : values) out.string(value);
      out.end_array();
    }
  };
  std::visit(Visitor{out}, option.target);
}

void json_setting(json::Writer& out, const PluginConfig& plugin, const std::string& path,
                  std::string_view key, json::View value) {
  if (const SecretSource* source = find_secret(plugin, path, value)) {
    out.begin_object()
        .member(key_of(*source),
                source->kind == SecretSource::Kind::plain ? hidden : std::string_view{source->name})
        .end_object();
  } else if (value.is_object()) {
    out.begin_object();
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string name{value.key_at(i)};
      out.key(name);
      json_setting(out, plugin, inner(path, name), name, value.at(i));
    }
    out.end_object();
  } else if (value.is_array()) {
    out.begin_array();
    for (std::size_t i = 0; i < value.size(); ++i) {
      json_setting(out, plugin, inner(path, std::to_string(i)), key, value.at(i));
    }
    out.end_array();
  } else if (const auto text = value.as_string(); text && !text->empty() && looks_secret(key)) {
    out.string(hidden);
  } else {
    out.raw(value.text());
  }
}

// Sections are objects; the two maps of the core stand in theirs.
void json_maps(json::Writer& out, const Config& config, std::string_view section) {
  if (section == "scheduler") {
    out.key("queues").begin_object();
    for (const auto& [name, most] : config.scheduler.queues) out.member(name, most);
    out.end_object().key("cluster_queues").begin_object();
    for (const auto& [name, most] : config.scheduler.cluster_queues) out.member(name, most);
    out.end_object();
  } else if (section == "control") {
    out.key("access").begin_object();
    for (const Access access : {Access::admin, Access::operate, Access::submit, Access::read}) {
      out.key(to_string(access)).begin_array();
      const auto found = config.control.access.find(access);
      if (found != config.control.access.end()) {
        for (const std::string& name : found->second) out.string(name);
      }
      out.end_array();
    }
    out.end_object();
  }
}

void json_plugin(json::Writer& out, PluginConfig plugin) {
  bool in_section = false;
  out.begin_object();
  for_each_section(
      options_of(plugin),
      [&](std::string_view section) {
        if (in_section) out.end_object();
        in_section = true;
        out.key(section).begin_object();
      },
      [&](std::string_view key, const Option& option) { json_option(out, key, option); });
  if (in_section) out.end_object();
  if (const auto settings = json::parse(plugin.settings)) {
    const json::View root = settings->root();
    for (std::size_t i = 0; i < root.size(); ++i) {
      const std::string key{root.key_at(i)};
      out.key(key);
      json_setting(out, plugin, key, key, root.at(i));
    }
  }
  out.end_object();
}

}  // namespace
}  // namespace config

std::string config_json(const Config& config) {
  Config copy = config;
  json::Writer out;
  std::string current;
  const auto close = [&] {
    if (current.empty()) return;
    config::json_maps(out, copy, current);
    out.end_object();
  };
  out.begin_object();
  config::for_each_section(
      config::options_of(copy),
      [&](std::string_view section) {
        close();
        current = section;
        out.key(section).begin_object();
      },
      [&](std::string_view key, const config::Option& option) {
        config::json_option(out, key, option);
      });
  close();
  out.key("plugin").begin_object();
  for (const auto& [id, plugin] : copy.plugin) {
    out.key(id);
    config::json_plugin(out, plugin);
  }
  out.end_object().end_object();
  return out.take();
}

}  // namespace cofounder
