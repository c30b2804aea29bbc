// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/core_metrics.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

#include "core/base/log.hpp"

namespace cofounder {

using metrics::begin_family;
using metrics::end_family;
using metrics::write_histogram;
using metrics::write_sample;
using metrics::write_single;

namespace {

constexpr std::size_t reasons_max = 500;  // of retries: codes come from plugins

// What /proc says; absent figures are left out, never 0.
void write_process(json::Writer& out) {
  rusage usage{};
  if (getrusage(RUSAGE_SELF, &usage) == 0) {
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    write_single(out, "process_cpu_seconds", "counter", "CPU time of the daemon.", "seconds",
                 seconds(usage.ru_utime) + seconds(usage.ru_stime));
  }
  std::ifstream statm{"/proc/self/statm"};
  double total = 0, resident = 0;
  if (statm >> total >> resident) {
    write_single(out, "process_resident_memory_bytes", "gauge", "Resident memory of the daemon.",
                 "bytes", resident * static_cast<double>(sysconf(_SC_PAGESIZE)));
  }
  std::error_code error;
  double open = 0;
  for (std::filesystem::directory_iterator it{"/proc/self/fd", error}, end; !error && it != end;
       it.increment(error)) {
    ++open;
  }
  if (!error && open > 0) {
    write_single(out, "process_open_fds", "gauge", "Open file descriptors.", "", open - 1);
  }
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    write_single(out, "process_max_fds", "gauge", "Most file descriptors that may be open.", "",
                 static_cast<double>(limit.rlim_cur));
  }
  static const double started = static_cast<double>(
      std::chrono::duration_cast<Milliseconds>(
          std::chrono::system_clock::now().time_since_epoch()).count()) / 1000;
  write_single(out, "process_start_time_seconds", "gauge", "When the daemon started, Unix time.",
               "seconds", started);
}

void write_plugins(json::Writer& out, const PluginHost& plugins) {
  const auto all = plugins.list();
  begin_family(out, "cofounderd_plugin_up", "gauge", "1 when the plugin is ready, else 0.");
  for (const PluginInfo& plugin : all) {
    write_sample(out, {{"plugin", plugin.id}}, plugin.state == PluginState::ready ? 1 : 0);
  }
  end_family(out);
  begin_family(out, "cofounderd_plugin_calls", "counter", "Calls into the plugin that ended.");
  for (const PluginInfo& plugin : all) {
    write_sample(out, {{"plugin", plugin.id}, {"outcome", "failed"}},
                 static_cast<double>(plugin.failures));
    write_sample(out, {{"plugin", plugin.id}, {"outcome", "ok"}},
                 static_cast<double>(plugin.calls - plugin.failures));
  }
  end_family(out);
  begin_family(out, "cofounderd_plugin_calls_in_flight", "gauge",
               "Calls into the plugin that run now.");
  for (const PluginInfo& plugin : all) {
    write_sample(out, {{"plugin", plugin.id}}, plugin.in_flight);
  }
  end_family(out);
  begin_family(out, "cofounderd_plugin_call_duration_seconds", "histogram",
               "How long calls into the plugin took, with the time that they waited.", "seconds");
  for (const PluginInfo& plugin : all) {
    write_histogram(out, {{"plugin", plugin.id}}, plugin.durations);
  }
  end_family(out);
  begin_family(out, "cofounderd_plugin_restarts", "counter", "Starts of the plugin after the first.");
  for (const PluginInfo& plugin : all) {
    write_sample(out, {{"plugin", plugin.id}}, plugin.restarts);
  }
  end_family(out);
  begin_family(out, "cofounderd_plugin_cpu_seconds", "counter",
               "CPU time of the plugin's threads, or of its process.", "seconds");
  for (const PluginInfo& plugin : all) {
    write_sample(out, {{"plugin", plugin.id}}, plugin.cpu_seconds);
  }
  end_family(out);
  begin_family(out, "cofounderd_plugin_resident_memory_bytes", "gauge",
               "Resident memory of the plugin's own process.", "bytes");
  for (const PluginInfo& plugin : all) {
    if (plugin.memory_bytes) {
      write_sample(out, {{"plugin", plugin.id}}, static_cast<double>(*plugin.memory_bytes));
    }
  }
  end_family(out);
}

}  // namespace

void CoreMetrics::observe(const Scheduler::Event& event) {
  using Kind = Scheduler::Event::Kind;
  if (event.kind == Kind::submitted) ++submitted_;
  if (event.kind == Kind::started) waits_.observe(static_cast<double>(event.waited.count()) / 1000);
  if (event.kind == Kind::retrying) {
    const std::string& code = event.verdict->outcome.error.code;
    TypeAndOutcome key{event.op,
                       code.empty() ? std::string{to_string(event.verdict->outcome.kind)} : code};
    if (retries_.size() >= reasons_max && !retries_.contains(key)) key.second = "other";
    ++retries_[std::move(key)];
  }
  // A task that was cancelled while it waited has no verdict and no duration.
  if (event.kind == Kind::ended && event.verdict != nullptr) {
    const TypeAndOutcome key{event.op, std::string{to_string(event.state)}};
    ++tasks_[key];
    durations_[key].observe(static_cast<double>(event.verdict->took.count()) / 1000);
  }
}

void CoreMetrics::write(json::Writer& out, const Sources& sources) const {
  begin_family(out, "cofounderd_build", "info", "What is running.");
  write_sample(out, {{"version", COFOUNDER_VERSION}, {"commit", COFOUNDER_COMMIT}}, 1);
  end_family(out);
  write_process(out);
  write_single(out, "cofounderd_tasks_submitted", "counter", "Tasks taken in.", "",
               static_cast<double>(submitted_));
  write_single(out, "cofounderd_tasks_running", "gauge", "Tasks that run now.", "",
               static_cast<double>(sources.scheduler.running_count()));
  begin_family(out, "cofounderd_tasks", "counter", "Tasks that ended, by operation and outcome.");
  for (const auto& [key, count] : tasks_) {
    write_sample(out, {{"type", key.first}, {"outcome", key.second}}, static_cast<double>(count));
  }
  end_family(out);
  begin_family(out, "cofounderd_task_retries", "counter",
               "Attempts after which the task was tried again, by operation and reason.");
  for (const auto& [key, count] : retries_) {
    write_sample(out, {{"type", key.first}, {"reason", key.second}}, static_cast<double>(count));
  }
  end_family(out);
  write_durations(out);
  write_single(out, "cofounderd_store_up", "gauge", "1 when the task store can be used, else 0.",
               "", sources.scheduler.store_problem() ? 0 : 1);
  write_single(out, "cofounderd_log_lines_dropped", "counter",
               "Log lines that found the queue full.", "", static_cast<double>(log::dropped()));
  write_plugins(out, sources.plugins);
  sources.traffic.write(out);
  write_single(out, "cofounderd_http_connections_open", "gauge",
               "Connections to providers that are open.", "", sources.client.open_connections());
  sources.ledger.write(out);
}

void CoreMetrics::write_durations(json::Writer& out) const {
  begin_family(out, "cofounderd_task_duration_seconds", "histogram",
               "How long the last attempt of a task took.", "seconds");
  for (const auto& [key, durations] : durations_) {
    write_histogram(out, {{"type", key.first}, {"outcome", key.second}}, durations);
  }
  end_family(out);
  begin_family(out, "cofounderd_task_queue_wait_seconds", "histogram",
               "How long attempts waited from when they were due to when they began.", "seconds");
  write_histogram(out, {}, waits_);
  end_family(out);
}

}  // namespace cofounder
