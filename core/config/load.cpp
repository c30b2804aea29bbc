// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/config/reader.hpp"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

namespace cofounder {
namespace config {
namespace {

constexpr std::size_t name_bytes_max = 64;
constexpr std::size_t drop_ins_max = 256;

void read_queues(Reader& reader, const std::string& section, const Node& table,
                 std::map<std::string, int>& queues) {
  if (!reader.expect_table(section, table)) return;
  for (std::size_t i = 0; i < table.keys.size(); ++i) {
    const std::string name = dotted(section, table.keys[i]);
    if (table.keys[i].empty() || table.keys[i].size() > name_bytes_max) {
      reader.fail(table.elements[i], "the name of a queue has 1 to 64 bytes");
      continue;
    }
    int most = 0;
    reader.read(Option{name, &most, 0, 1'000'000}, name, table.elements[i]);
    queues[table.keys[i]] = most;
  }
}

void read_access(Reader& reader, const Node& table, Config& config) {
  if (!reader.expect_table("control.access", table)) return;
  for (std::size_t i = 0; i < table.keys.size(); ++i) {
    const std::string name = dotted("control.access", table.keys[i]);
    const auto access = parse_access(table.keys[i]);
    if (!access) {
      reader.fail(table.elements[i],
                  "unknown key " + name + "; the classes are read, submit, operate and admin");
      continue;
    }
    const auto is_name = [](std::string_view text) { return !text.empty() && text != "@"; };
    reader.read(Option{name, &config.control.access[*access], 0, 0, is_name,
                       "the name of a user, or of a group with @ before it"},
                name, table.elements[i]);
  }
}

void read_plugins(Reader& reader, const Node& table, Config& config) {
  if (!reader.expect_table("plugin", table)) return;
  for (std::size_t i = 0; i < table.keys.size(); ++i) {
    const std::string& id = table.keys[i];
    if (!is_plugin_id(id)) {
      reader.fail(table.elements[i],
                  "\"" + id + "\" is no plugin id: they look like [a-z][a-z0-9-]{0,31}");
      continue;
    }
    if (!reader.expect_table(dotted("plugin", id), table.elements[i])) continue;
    reader.read_plugin(id, table.elements[i], config.plugin[id]);
  }
}

void read_section(Reader& reader, const std::string& section, const Node& table, Config& config,
                  const std::vector<Option>& options) {
  for (std::size_t i = 0; i < table.keys.size(); ++i) {
    const Node& node = table.elements[i];
    const std::string name = dotted(section, table.keys[i]);
    if (name == "scheduler.queues") {
      read_queues(reader, name, node, config.scheduler.queues);
    } else if (name == "scheduler.cluster_queues") {
      read_queues(reader, name, node, config.scheduler.cluster_queues);
    } else if (name == "control.access") {
      read_access(reader, node, config);
    } else if (name == "plugin") {
      read_plugins(reader, node, config);
    } else if (const Option* option = find_option(options, name)) {
      reader.read(*option, name, node);
    } else if (is_section(options, name)) {
      if (reader.expect_table(name, node)) read_section(reader, name, node, config, options);
    } else {
      reader.unknown_key(section, table.keys[i], node, options);
    }
  }
}

bool group_exists(const std::string& name) { return ::getgrnam(name.c_str()) != nullptr; }
bool user_exists(const std::string& name) { return ::getpwnam(name.c_str()) != nullptr; }

void check_whole(const std::string& file, const Config& config, ConfigErrors& errors) {
  if (config.scheduler.retry_first > config.scheduler.retry_most) {
    errors.lines.push_back(file + ": scheduler.retry_first is longer than scheduler.retry_most");
  }
  if (config.store.kind == "postgres" && config.store.dsn.empty()) {
    errors.lines.push_back(file + ": store.kind = \"postgres\" needs store.dsn");
  }
  if (!config.control.group.empty() && !group_exists(config.control.group)) {
    errors.warnings.push_back(file + ": control.group: there is no group \"" +
                              config.control.group + "\"; the socket is its owner's only");
  }
  for (const auto& [access, names] : config.control.access) {
    for (const std::string& name : names) {
      const bool exists = name.starts_with('@') ? group_exists(name.substr(1)) : user_exists(name);
      if (exists) continue;
      errors.warnings.push_back(file + ": control.access." + std::string{to_string(access)} +
                                ": there is no " + (name[0] == '@' ? "group" : "user") + " \"" +
                                name.substr(name[0] == '@' ? 1 : 0) + "\"");
    }
  }
}

std::vector<std::filesystem::path> drop_ins(const std::filesystem::path& file,
                                            ConfigErrors& errors) {
  const std::filesystem::path directory = file.parent_path() / "conf.d";
  std::vector<std::filesystem::path> found;
  std::error_code error;
  std::filesystem::directory_iterator it{directory, error};
  for (; !error && it != std::filesystem::directory_iterator{}; it.increment(error)) {
    const std::filesystem::path& path = it->path();
    if (path.extension() == ".toml" && !path.filename().native().starts_with('.')) {
      found.push_back(path);
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    errors.lines.push_back(directory.native() + ": cannot be read: " + error.message());
  }
  if (found.size() > drop_ins_max) {
    errors.lines.push_back(directory.native() + ": more than " + std::to_string(drop_ins_max) +
                           " files");
    found.clear();
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace
}  // namespace config

std::optional<Config> load_config(const std::filesystem::path& file, ConfigErrors& errors) {
  std::vector<std::filesystem::path> files = config::drop_ins(file, errors);
  files.insert(files.begin(), file);

  config::Node root;
  for (const std::filesystem::path& path : files) {
    std::string problem;
    std::optional<config::Node> tree = config::load_toml(path, problem);
    if (!tree) {
      errors.lines.push_back(std::move(problem));
      continue;
    }
    config::merge(root, std::move(*tree));
  }

  Config result;
  config::Reader reader{errors};
  config::read_section(reader, {}, root, result, config::options_of(result));
  config::check_whole(file.native(), result, errors);
  if (!errors.lines.empty()) return std::nullopt;
  for (auto& [id, plugin] : result.plugin) plugin.allow_plain_secrets = result.allow_plain_secrets;
  return result;
}

}  // namespace cofounder
