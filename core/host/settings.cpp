// SPDX-License-Identifier: Apache-2.0
#include "core/host/settings.hpp"

#include "core/base/json.hpp"

#include <utility>

namespace cofounder::host {

namespace {

bool is_secret(json::View value) noexcept {
  return value.is_object() && value.size() == 1 && value.find("secret").is_string();
}

// Writes `value` with "***" instead of each secret.
void write_plain(json::Writer& writer, json::View value) {
  if (is_secret(value)) {
    writer.string("***");
  } else if (value.is_object()) {
    writer.begin_object();
    for (std::size_t i = 0; i < value.size(); ++i) {
      writer.key(value.key_at(i));
      write_plain(writer, value.at(i));
    }
    writer.end_object();
  } else if (value.is_array()) {
    writer.begin_array();
    for (std::size_t i = 0; i < value.size(); ++i) write_plain(writer, value.at(i));
    writer.end_array();
  } else {
    writer.raw(value.text());
  }
}

Error invalid(const Manifest& manifest, const PluginConfig& config, const std::string& why) {
  Error error = make_error("invalid_config",
                           (config.where.empty() ? "" : config.where + ": ") + why);
  error.plugin = manifest.id;
  error.hint = "see `cofounderctl plugin inspect " + manifest.id + "` for its settings";
  return error;
}

}  // namespace

Result<std::shared_ptr<const PluginConfig>> make_settings(const Manifest& manifest,
                                                          const PluginConfig& config) {
  const std::string name = "plugin." + manifest.id;
  auto made = std::make_shared<PluginConfig>(config);
  if (config.allow_plain_secrets) {
    take_plain_secrets(*made, manifest.permissions.secrets);
  } else if (const auto problem = plain_secret_problem(config, manifest.permissions.secrets)) {
    Error error = make_error("plain_secret", *problem);
    error.plugin = manifest.id;
    return error;
  }
  Result<json::Document> parsed = json::parse(made->settings);
  if (parsed.has_error()) return invalid(manifest, config, name + ": " + parsed.error().message);
  const json::View settings = parsed->root();
  if (!manifest.config) {
    if (settings.size() != 0) {
      return invalid(manifest, config,
                     name + "." + std::string{settings.key_at(0)} +
                         " is unknown: the plugin has no settings");
    }
    return std::shared_ptr<const PluginConfig>{std::move(made)};
  }
  json::Writer plain;
  write_plain(plain, settings);
  const Result<json::Document> checked = json::parse(plain.text());
  if (checked.has_error()) return invalid(manifest, config, name + ": " + checked.error().message);
  if (const auto error = manifest.config->check(checked->root(), name)) {
    // A schema may also describe a secret as the object that the plugin gets.
    if (manifest.config->check(settings, name)) return invalid(manifest, config, error->message);
  }
  made->settings = manifest.config->with_defaults(settings);
  return std::shared_ptr<const PluginConfig>{std::move(made)};
}

}  // namespace cofounder::host
