// SPDX-License-Identifier: Apache-2.0
#include "core/host/plugin_info.hpp"

#include "core/host/child_watch.hpp"
#include "core/process/sandbox_build.hpp"

#include <unistd.h>

#include <chrono>
#include <fstream>

namespace cofounder::host {
namespace {

// Resident, of another process.
std::optional<std::uint64_t> memory_of(int pid) {
  if (pid == 0) return std::nullopt;
  std::ifstream statm{"/proc/" + std::to_string(pid) + "/statm"};
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  if (!(statm >> total >> resident)) return std::nullopt;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

constexpr const char* isolated_text = has_sandbox ? "process" : "process (no sandbox: sanitizer build)";

}  // namespace

PluginInfo info_of(const Slot& slot) {
  PluginInfo info;
  info.id = slot.id;
  info.version = slot.manifest.version;
  info.summary = slot.manifest.summary;
  info.file = slot.file.string();
  info.state = slot.state();
  info.isolation = slot.life != nullptr && slot.life->isolated() ? isolated_text : "in-process";
  info.parallel = slot.manifest.parallel;
  info.interfaces = slot.interfaces;
  info.restarts = slot.restarts;
  info.generation = slot.generation;
  info.last_error = slot.error;
  if (slot.life == nullptr) return info;
  Lifecycle& life = *slot.life;
  info.pid = life.pid();
  Instance::Counters& counters = life.instance().counters();
  info.sha256 = life.sha256();
  info.calls = slot.past.calls + counters.calls;
  info.failures = slot.past.failures + counters.failures;
  info.late_completions = slot.past.late_completions + counters.late_completions;
  info.durations = slot.past.durations;
  info.durations.add(life.caller().durations());
  info.memory_bytes = memory_of(info.pid);
  info.in_flight = life.caller().in_flight();
  info.queued = life.caller().queued();
  info.latency_p50_ms = life.caller().latency_ms(0.5);
  info.latency_p99_ms = life.caller().latency_ms(0.99);
  info.cpu_seconds = life.instance().workers().cpu_seconds() + std::chrono::duration<double>{cpu_time_of(info.pid)}.count();
  if (!info.last_error) info.last_error = life.last_error();
  return info;
}

}  // namespace cofounder::host
