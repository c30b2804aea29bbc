// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"
#include "core/config/config.hpp"
#include "core/host/services/service.hpp"

#include <cofounder/services/secret.h>

#include <algorithm>

#include <string.h>

namespace cofounder::host {
namespace {

int32_t get(const cof_host* host, uint64_t call_id, cof_str given, const cof_sink* out) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view name;
    if (const auto status = take_text(given, name); status != COF_OK) return status;
    const auto& granted = instance.manifest().permissions.secrets;
    const bool may = std::any_of(granted.begin(), granted.end(), [&](const std::string& pattern) {
      return secret_path_matches(pattern, name);
    });
    if (!may) return COF_EDENIED;
    const auto config = instance.config_for(call_id);
    if (config == nullptr) return COF_ENOTFOUND;
    const auto source = config->secrets.find(std::string{name});
    if (source == config->secrets.end()) return COF_ENOTFOUND;
    auto secret = read_secret(source->second);
    if (!secret) {
      log::warning("secret " + std::string{name} + ": " + secret.error().message,
                   {{"COF_PLUGIN", instance.id()}});
      return COF_EUNAVAILABLE;
    }
    const auto status = give(out, *secret);
    ::explicit_bzero(secret->data(), secret->size());
    return status;
  });
}

}  // namespace

const void* secret_table() noexcept {
  static const cof_secret_service table{sizeof(cof_secret_service), 0, get};
  return &table;
}

}  // namespace cofounder::host
