// SPDX-License-Identifier: Apache-2.0
#include "core/config/print.hpp"

#include <algorithm>
#include <cctype>

namespace cofounder::config {

bool looks_secret(std::string_view key) {
  std::string lower{key};
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const std::string_view word : {"secret", "token", "passw", "passphrase", "credential"}) {
    if (lower.find(word) != std::string::npos) return true;
  }
  return lower.ends_with("key");
}

std::string_view key_of(const SecretSource& source) noexcept {
  switch (source.kind) {
    case SecretSource::Kind::credential:
      return "credential";
    case SecretSource::Kind::environment:
      return "env";
    case SecretSource::Kind::file:
      return "file";
    case SecretSource::Kind::plain:
      return "plain";
  }
  return "plain";
}

const SecretSource* find_secret(const PluginConfig& plugin, const std::string& path,
                                json::View value) {
  if (!value.is_object() || value.size() != 1) return nullptr;
  if (value.find("secret").as_string() != std::string_view{path}) return nullptr;
  const auto found = plugin.secrets.find(path);
  return found == plugin.secrets.end() ? nullptr : &found->second;
}

std::string inner(const std::string& path, std::string_view key) {
  return path.empty() ? std::string{key} : path + "." + std::string{key};
}

}  // namespace cofounder::config
