// SPDX-License-Identifier: Apache-2.0
#include "core/host/negotiation.hpp"

#include "core/host/services/services.hpp"

#include <cofounder/abi.h>

#include <algorithm>
#include <cstring>

namespace cofounder::host {

namespace {

std::string called(const Manifest& manifest) {
  return "plugin \"" + manifest.id + "\" " + manifest.version;
}

Error mismatch(const Manifest& manifest, const char* code, const std::string& needed,
               std::string_view daemon_version, const std::string& have) {
  Error error = make_error(code, called(manifest) + " needs " + needed + "; this is cofounderd " +
                                     std::string{daemon_version} + " with " + have);
  error.plugin = manifest.id;
  return error;
}

// What this host has of an interface, for people: "cof.http/1.0", "no cof.http".
std::string have_of(const Interface& wanted, const FindMinor& find_minor, int* newest) {
  *newest = 0;
  std::string all;
  for (int revision = 1; revision <= wanted.revision + 8; ++revision) {
    Interface there{wanted.name, revision, 0};
    const auto minor = find_minor(there.iid());
    if (!minor) continue;
    there.minor = *minor;
    all += (all.empty() ? "" : " and ") + there.text();
    *newest = revision;
  }
  return all.empty() ? "no " + wanted.name : all;
}

}  // namespace

std::optional<int> minor_of_service(std::string_view iid) {
  const void* table = find_service(iid);
  if (table == nullptr) return std::nullopt;
  std::uint32_t head[2];  // every table begins with struct_size, minor
  std::memcpy(head, table, sizeof head);
  return static_cast<int>(head[1]);
}

Result<std::vector<std::string>> negotiate(const Manifest& manifest,
                                           std::string_view daemon_version,
                                           const FindMinor& find_minor) {
  const auto version = [](int major, int minor) {
    return "ABI " + std::to_string(major) + "." + std::to_string(minor);
  };
  if (manifest.abi_major != COF_ABI_MAJOR || manifest.abi_minor > COF_ABI_MINOR) {
    Error error = mismatch(manifest, "abi_mismatch", version(manifest.abi_major, manifest.abi_minor),
                           daemon_version, version(COF_ABI_MAJOR, COF_ABI_MINOR));
    error.hint = manifest.abi_major < COF_ABI_MAJOR
                     ? "use a newer version of the plugin, built for ABI " +
                           std::to_string(COF_ABI_MAJOR)
                     : "upgrade cofounderd, or use an older version of the plugin";
    return error;
  }
  std::vector<std::string> granted;
  for (const std::string& text : manifest.required) {
    const Interface wanted = parse_interface(text).value();
    const auto minor = find_minor(wanted.iid());
    if (minor && *minor >= wanted.minor) {
      granted.push_back(Interface{wanted.name, wanted.revision, *minor}.text());
      continue;
    }
    int newest = 0;
    const std::string have = have_of(wanted, find_minor, &newest);
    Error error = mismatch(manifest, "interface_missing", wanted.text(), daemon_version, have);
    error.hint = newest > wanted.revision
                     ? "use a newer version of the plugin, built for " + have
                     : "upgrade cofounderd, or use an older version of the plugin";
    return error;
  }
  for (const std::string& text : manifest.optional) {
    const Interface wanted = parse_interface(text).value();
    const auto minor = find_minor(wanted.iid());
    if (minor && *minor >= wanted.minor) {
      granted.push_back(Interface{wanted.name, wanted.revision, *minor}.text());
    }
  }
  return granted;
}

namespace {

// Depth first over `requires`; a plugin that is met while it is on the path closes a cycle.
class Sorter {
 public:
  explicit Sorter(const std::vector<const Manifest*>& manifests) {
    for (const Manifest* manifest : manifests) by_id_.emplace(manifest->id, manifest);
  }

  StartOrder sort() {
    for (const auto& [id, manifest] : by_id_) visit(*manifest);
    return std::move(order_);
  }

 private:
  bool visit(const Manifest& manifest) {
    if (order_.refused.contains(manifest.id)) return false;
    if (std::find(order_.ids.begin(), order_.ids.end(), manifest.id) != order_.ids.end()) return true;
    const auto on_path = std::find(path_.begin(), path_.end(), manifest.id);
    if (on_path != path_.end()) {
      refuse_cycle(on_path);
      return false;
    }
    path_.push_back(manifest.id);
    for (const std::string& id : manifest.requires_plugins) {
      const auto needed = by_id_.find(id);
      if (needed == by_id_.end() || !visit(*needed->second)) refuse(manifest, id);
    }
    path_.pop_back();
    if (order_.refused.contains(manifest.id)) return false;
    order_.ids.push_back(manifest.id);
    return true;
  }

  void refuse(const Manifest& manifest, const std::string& needed) {
    const bool known = by_id_.contains(needed);
    Error error = make_error("requirement_missing",
                             called(manifest) + " requires plugin \"" + needed + "\", which " +
                                 (known ? "cannot start" : "is not there"));
    error.plugin = manifest.id;
    error.hint = known ? "see the error of \"" + needed + "\"" : "install and enable \"" + needed + "\"";
    order_.refused.emplace(manifest.id, std::move(error));  // keeps the first reason
  }

  void refuse_cycle(std::vector<std::string>::const_iterator first) {
    std::string cycle;
    for (auto it = first; it != path_.cend(); ++it) cycle += *it + " -> ";
    cycle += *first;
    for (auto it = first; it != path_.cend(); ++it) {
      Error error = make_error("requirement_cycle", "plugins require each other: " + cycle);
      error.plugin = *it;
      error.hint = "remove one of them, or use versions that do not require each other";
      order_.refused.emplace(*it, std::move(error));
    }
  }

  std::map<std::string, const Manifest*> by_id_;
  std::vector<std::string> path_;
  StartOrder order_;
};

}  // namespace

StartOrder start_order(const std::vector<const Manifest*>& manifests) {
  return Sorter{manifests}.sort();
}

}  // namespace cofounder::host
