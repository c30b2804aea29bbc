// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/services.hpp"

#include "core/host/services/service.hpp"

#include <array>
#include <cstring>

namespace cofounder::host {
namespace {

struct Entry {
  std::string_view iid;
  const void* (*table)() noexcept;
};

constexpr std::array<Entry, 18> entries = {{{"cof.log/1", log_table},
                                            {"cof.error/1", error_table},
                                            {"cof.config/1", config_table},
                                            {"cof.secret/1", secret_table},
                                            {"cof.http/1", http_table},
                                            {"cof.timer/1", timer_table},
                                            {"cof.task/1", task_table},
                                            {"cof.kv/1", kv_table},
                                            {"cof.metric/1", metric_table},
                                            {"cof.stats/1", stats_table},
                                            {"cof.usage/1", usage_table},
                                            {"cof.process/1", process_table},
                                            {"cof.route/1", route_table},
                                            {"cof.event/1", event_table},
                                            {"cof.call/1", call_table},
                                            {"cof.scratch/1", scratch_table},
                                            {"cof.file/1", file_table},
                                            {"cof.identity/1", identity_table}}};

// The minor stands in the table, and nowhere else.
std::uint32_t minor_of(const void* table) noexcept {
  std::uint32_t minor = 0;
  std::memcpy(&minor, static_cast<const char*>(table) + sizeof(std::uint32_t), sizeof(minor));
  return minor;
}

}  // namespace

const void* find_service(std::string_view iid) noexcept {
  for (const auto& entry : entries) {
    if (entry.iid == iid) return entry.table();
  }
  return nullptr;
}

std::span<const ServiceVersion> services() noexcept {
  static const auto versions = [] {
    std::array<ServiceVersion, entries.size()> all{};
    for (std::size_t i = 0; i < entries.size(); ++i) {
      all[i] = {entries[i].iid, minor_of(entries[i].table())};
    }
    return all;
  }();
  return versions;
}

}  // namespace cofounder::host
