// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/loop.hpp"
#include "core/config/config.hpp"
#include "core/host/plugin_host.hpp"
#include "core/http/server.hpp"
#include "core/scheduler/schedule.hpp"
#include "core/scheduler/scheduler.hpp"
#include "core/scheduler/store_upkeep.hpp"
#include "core/scheduler/side_stores.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace cofounder {

// The control interface: routes, access, events.  On the loop only.
struct ControlPorts {
  Loop& loop;
  Scheduler& scheduler;
  TaskStore& store;
  ScheduleEngine& schedules;
  PluginHost& plugins;
  const Config& config;        // replaced in place by a reload
  std::string version;
  std::string node;
  std::function<void(UniqueFunction<void(std::optional<Error>)>)> reload;
  std::function<std::string()> store_kind;              // "sqlite"
  std::function<std::optional<Error>()> store_problem;  // why it is away, when it is
  // A request was answered, for figures: the template of its route, or "unmatched".
  std::function<void(std::string_view method, std::string_view route, int status, Nanoseconds took)>
      answered = {};
  NodeStore* nodes = nullptr;  // of a store that several daemons share
  StoreUpkeep* upkeep = nullptr;  // nullptr: the store is looked after by other tools
};

class Control {
 public:
  explicit Control(ControlPorts ports);
  ~Control();

  // The handlers for the two kinds of listener: local ones serve every route by access class, public
  // ones only the routes that are declared public.
  http::ServerHandler local_handler();
  http::ServerHandler public_handler();

  // Fills in defaults and checks op and args: code "unknown_op", "invalid_args", ...  Also for
  // plugins and schedules.
  Result<NewTask> check_task(json::View task, std::string submitter) const;
  Result<NewTask> complete_task(NewTask task) const;

  // Into the event stream, as "TYPE" with JSON data.
  void publish(std::string type, std::string json, TaskId task = 0, std::string plugin = {});

  // Ends the event streams, which have no end of their own: call it when the daemon stops.
  void end_streams();

  void access_changed();  // the configuration's access lists were replaced

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
