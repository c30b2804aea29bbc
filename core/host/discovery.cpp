// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"
#include "core/host/fleet.hpp"
#include "core/host/negotiation.hpp"
#include "core/process/sandbox_build.hpp"

#include <algorithm>
#include <utility>

// Finding plugins: nothing of them runs here.
namespace cofounder::host {

PluginConfig Fleet::config_of(const std::string& id, const Config& config) const {
  const auto it = config.plugin.find(id);
  if (it != config.plugin.end()) return it->second;
  PluginConfig fallback;
  fallback.enabled = config.plugins.load_unconfigured;
  return fallback;
}

void Fleet::discover() {
  for (const std::filesystem::path& directory : config_.plugins.directories) {
    std::error_code code;
    std::vector<std::filesystem::path> files;
    for (std::filesystem::directory_iterator it{directory, code}, end; !code && it != end;
         it.increment(code)) {
      if (it->path().extension() == ".so") files.push_back(it->path());
    }
    if (code && code != std::errc::no_such_file_or_directory) {
      log::warning("cannot read plugin directory " + directory.string() + ": " + code.message() +
                   ", ignoring");
    }
    std::sort(files.begin(), files.end());
    for (const std::filesystem::path& file : files) add_file(file);
  }
  for (const auto& [id, config] : config_.plugin) {
    if (!config.enabled || slots_.contains(id)) continue;
    auto slot = std::make_unique<Slot>();
    slot->id = id;
    slot->config = config;
    Error error = make_error("plugin_not_found", (config.where.empty() ? "" : config.where + ": ") +
                                                     "there is no plugin \"" + id + "\"");
    error.plugin = id;
    error.hint = "install it below one of plugins.directories, or set plugin." + id +
                 ".enabled = false";
    refuse(*slot, std::move(error));
    slots_.emplace(id, std::move(slot));
  }
}

void Fleet::add_file(const std::filesystem::path& path) {
  auto slot = std::make_unique<Slot>();
  slot->file = path;
  std::optional<Error> error = read_file(*slot);
  if (!slot->known) slot->id = path.stem().string();  // the best name that there is
  const auto twin = slots_.find(slot->id);
  if (twin != slots_.end()) {
    if (!slot->known) {
      log::error(error->message, {{"COF_PLUGIN", slot->id}});
      return;
    }
    Error twice = make_error("plugin_twice", "two files are plugin \"" + slot->id + "\": " +
                                                 twin->second->file.string() + " and " +
                                                 path.string());
    twice.plugin = slot->id;
    twice.hint = "remove one of them";
    refuse(*twin->second, std::move(twice));
    return;
  }
  slot->config = config_of(slot->id, config_);
  if (!slot->config.enabled) {
    slot->wanted = false;
  } else if (error) {
    refuse(*slot, std::move(*error));
  }
  slots_.emplace(slot->id, std::move(slot));
}

// Opens the file and reads what the plugin says of itself.
std::optional<Error> Fleet::read_file(Slot& slot) {
  const auto of_file = [&](Error error) {
    if (error.message.find(slot.file.string()) == std::string::npos) {
      error.message = slot.file.string() + ": " + error.message;
    }
    if (error.plugin.empty()) error.plugin = slot.id;
    return error;
  };
  Result<LibraryFile> file = LibraryFile::open(slot.file);
  if (file.has_error()) return of_file(file.error());
  const Result<std::string> note = read_manifest_note(file->descriptor());
  if (note.has_error()) return of_file(note.error());
  Result<Manifest> manifest = parse_manifest(*note);
  if (manifest.has_error()) return of_file(manifest.error());
  if (!slot.id.empty() && manifest->id != slot.id) {
    return of_file(make_error("invalid_manifest", "it is plugin \"" + manifest->id + "\" now"));
  }
  slot.id = manifest->id;
  slot.manifest = std::move(*manifest);
  slot.known = true;
  slot.identity = file->identity();
  slot.library = std::make_shared<LibraryFile>(std::move(*file));
  Result<std::vector<std::string>> interfaces =
      negotiate(slot.manifest, world_.version, minor_of_service);
  if (interfaces.has_error()) return interfaces.error();
  slot.interfaces = std::move(*interfaces);
  return std::nullopt;
}

void Fleet::refuse(Slot& slot, Error error) {
  // One that was given up said so already.
  if (slot.state() != PluginState::quarantined) {
    log::error(error.message, {{"COF_PLUGIN", slot.id}});
    if (slot.life != nullptr) {
      slot.life->keep_why(error);
    } else {
      slot.why = std::make_shared<PluginWhy>();
      slot.why->when = world_.loop.clock().now();
      slot.why->code = error.code;
      slot.why->what = error.message;
    }
  }
  slot.error = std::move(error);
  slot.failed = true;
  slot.settled = true;
  slot.library = nullptr;
}

// Whether it gets a process of its own.  The default of the configuration is for plugins outside the
// first directory.
bool Fleet::is_isolated(const Slot& slot, const Config& config) const {
  if (!slot.config.isolation.empty()) return slot.config.isolation == "process";
  const bool shipped = !config.plugins.directories.empty() &&
                       slot.file.parent_path() == config.plugins.directories.front();
  return !shipped && config.plugins.isolation == "process";
}

void Fleet::warn_of_isolation() const {
  std::string ids;
  const bool some = std::any_of(slots_.begin(), slots_.end(), [this](const auto& entry) {
    return entry.second->wanted && !entry.second->failed && is_isolated(*entry.second, config_);
  });
  if (some && !has_sandbox) {
    log::warning("this is a sanitizer build, so plugins in processes of their own have no sandbox");
  }
  for (const auto& [id, slot] : slots_) {
    if (slot->failed || !slot->wanted || !slot->config.isolation.empty()) continue;
    ids += (ids.empty() ? "" : ", ") + id;
  }
  if (ids.empty() || !config_.plugins.isolation.empty()) return;
  log::warning("isolation is not set, so these plugins run inside the daemon: " + ids);
}

}  // namespace cofounder::host
