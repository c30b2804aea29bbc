// SPDX-License-Identifier: Apache-2.0
#include "core/config/config.hpp"

#include "core/base/json.hpp"
#include "core/host/services/service.hpp"

#include <cofounder/services/config.h>

namespace cofounder::host {
namespace {

// RFC 6901: empty, or parts that each begin with '/', with '~' only in "~0" and "~1".
bool is_pointer(std::string_view text) noexcept {
  if (!text.empty() && text.front() != '/') return false;
  for (std::size_t at = text.find('~'); at != std::string_view::npos; at = text.find('~', at + 1)) {
    if (at + 1 == text.size() || (text[at + 1] != '0' && text[at + 1] != '1')) return false;
  }
  return true;
}

int32_t get(const cof_host* host, uint64_t call_id, cof_str given, const cof_sink* out) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view pointer;
    if (const auto status = take_text(given, pointer); status != COF_OK) return status;
    if (!is_pointer(pointer)) return COF_EINVALID;
    const auto config = instance.config_for(call_id);
    const auto settings = json::parse(config == nullptr ? "{}" : config->settings);
    if (!settings) return COF_EINTERNAL;
    const auto value = settings->root().at_pointer(pointer);
    if (!value) return COF_ENOTFOUND;
    return host::give(out, value.text());
  });
}

}  // namespace

const void* config_table() noexcept {
  static const cof_config_service table{sizeof(cof_config_service), 0, get};
  return &table;
}

}  // namespace cofounder::host
