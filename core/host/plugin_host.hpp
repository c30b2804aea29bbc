// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/loop.hpp"
#include "core/config/config.hpp"
#include "core/host/durations.hpp"
#include "core/host/manifest.hpp"
#include "core/host/plugin_why.hpp"
#include "core/http/client.hpp"
#include "core/process/child_groups.hpp"
#include "core/scheduler/runner.hpp"
#include "core/scheduler/side_stores.hpp"
#include "core/scheduler/task_store.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

enum class PluginState { loaded, starting, ready, draining, stopped, failed, quarantined };
std::string_view to_string(PluginState state) noexcept;

// What GET /v1/plugins/{id} shows.
struct PluginInfo {
  std::string id;
  std::string version;
  std::string summary;
  std::string file;
  std::string sha256;
  PluginState state = PluginState::loaded;
  std::string isolation;  // "in-process" or "process"
  int pid = 0;            // of its process, 0: it has none
  bool parallel = false;
  std::vector<std::string> interfaces;  // that it asked for and got
  std::uint64_t calls = 0;
  std::uint64_t failures = 0;
  std::uint64_t late_completions = 0;   // late and double ones: counted no-ops
  int in_flight = 0;
  int queued = 0;
  double latency_p50_ms = 0;
  double latency_p99_ms = 0;
  Durations durations;                  // of its calls
  double cpu_seconds = 0;               // of its workers, or of its process
  std::optional<std::uint64_t> memory_bytes;  // resident; of an isolated one only
  int restarts = 0;
  int generation = 1;                   // one more with each reload
  std::optional<Error> last_error;
  http::Client::Counters http;
};

// A request for a plugin's route, and its answer.
struct RouteCall {
  std::string plugin;
  std::string route;      // id
  std::string head_json;  // see services/route.h
  std::string body;
};
struct RouteSink {
  // head once; then pieces (false: the client is slow, on_drain will be called); then end.
  std::function<void(int status, std::vector<std::pair<std::string, std::string>> headers)> head;
  std::function<bool(std::string_view piece)> piece;
  std::function<void(std::optional<Error> error)> end;
};

// What the host needs from the rest of the core, so that it knows neither the scheduler's nor the
// control's inside.  All of it is called on the loop.
struct HostPorts {
  TaskStore& tasks;
  KeyValueStore& values;
  UsageStore& usage;
  http::Client& http;
  // Submits on behalf of a plugin; defaults are filled in and the op is checked there.
  std::function<void(NewTask, TaskStore::Done<Submitted>)> submit;
  std::function<void(TaskId, TaskStore::Done<CancelResult>)> cancel;
  std::function<void(AttemptKey, double, std::string)> progress;
  std::function<void(AttemptKey, std::string)> output;
  std::function<void(std::string topic, std::string json)> publish;
  std::function<void()> capacity_changed;
  // The core's own metric families, as the JSON samples of cof.metric/1's snapshot; appended to the
  // plugins' ones.
  std::function<void(json::Writer&)> core_metrics;
  // Of isolated plugins' processes; outlives the host.  Null: there are none.
  ChildGroups* groups = nullptr;
};

// Loads plugins, owns their life, and runs calls in them.  It is the scheduler's Runner.
//
// Plugin code never runs on the loop: a serial plugin has one worker thread, a parallel one a pool.
// Each call has a deadline; one that overruns it and the grace time gets its plugin quarantined.
// On the loop only.
class PluginHost : public Runner {
 public:
  PluginHost(Loop& loop, const Config& config, HostPorts ports, std::string daemon_version);
  ~PluginHost() override;

  // Reads the manifests of all plugin files, resolves, and brings every plugin up.  `done` when all
  // are ready, failed or given up; an error when one with on_start_error = "fail" failed.
  void start(UniqueFunction<void(std::optional<Error>)> done);
  void drain(UniqueFunction<void()> done);
  // Stops in reverse order within the deadlines.  false: a thread is stuck in a plugin, so that the
  // process has to end with _exit.
  void stop(UniqueFunction<void(bool clean)> done);

  // Two-phase: nothing changes unless every CHECK passes.
  void reconfigure(const Config& config, UniqueFunction<void(std::optional<Error>)> done);

  void start_plugin(std::string id, UniqueFunction<void(std::optional<Error>)> done);
  void stop_plugin(std::string id, UniqueFunction<void(std::optional<Error>)> done);
  // Replaces one that runs by what its file holds now, without a moment in which there is none: the
  // new one comes up beside it and is probed.  On an error the old one goes on.  One that does not
  // run is started.
  void reload_plugin(std::string id, UniqueFunction<void(std::optional<Error>)> done);

  std::vector<PluginInfo> list() const;
  std::optional<PluginInfo> find(std::string_view id) const;
  // What befell it last; nothing when all went well.
  std::optional<PluginWhy> why(std::string_view id) const;
  const Manifest* manifest(std::string_view id) const noexcept;
  // "cloudinary.upload" -> operation, or null.
  const Manifest::Operation* find_operation(std::string_view op) const noexcept;

  // Calls a route; cancel by the number.
  std::uint64_t call_route(RouteCall call, RouteSink sink);
  void cancel_route(std::uint64_t call);
  void route_drained(std::uint64_t call);

  // Who sent the request with this head, as the plugin says that http.identity names: its JSON, or
  // "" for nobody.  Code "identity_unavailable".  `done` comes later, not at once.
  void identify(const std::string& head_json, UniqueFunction<void(Result<std::string>)> done);

  // An event for the plugins that subscribe to it.
  void deliver_event(std::string_view topic, std::string_view json);

  // Which limits of isolated plugins control groups hold here, and why not all.
  CgroupStatus control_groups() const;

  // All families of core and plugins, see services/metric.h.
  std::string metrics_json() const;

  // Runner.
  void start(ClaimedTask task, Mono deadline, UniqueFunction<void(Outcome)> done) override;
  void cancel(AttemptKey attempt, CancelReason reason) override;
  std::map<std::string, int> capacity() const override;

  // Files that clients sent (POST /v1/files), and scratch: see host/files.hpp.
  class Files& files() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
