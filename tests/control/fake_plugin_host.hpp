// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/plugin_host.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cofounder::test {

// Plays all plugins: it stands in for core/host/plugin_host.cpp when a test is linked.  On the loop
// only.
//
// Operations of "hello": greet succeeds, hold runs until the test ends it or it is cancelled, fail
// fails for good, flaky fails retryably.
struct FakePlugins {
  struct Plugin {
    PluginInfo info;
    Manifest manifest;
    std::optional<Error> start_error;
    std::optional<PluginWhy> why;
  };
  struct Held {
    ClaimedTask task;
    UniqueFunction<void(Outcome)> done;
  };
  struct Route {
    RouteCall call;
    RouteSink sink;
    bool is_cancelled = false;
    int drained = 0;
  };

  Plugin& add(std::string id);
  Manifest::Operation& add_operation(Plugin& plugin, std::string name, std::string args_schema);
  void add_route(Plugin& plugin, std::string id, std::string method, std::string path,
                 std::string access);
  void succeed(TaskId task, std::string result = "{}");

  std::map<std::string, Plugin, std::less<>> plugins;
  std::map<TaskId, Held> held;
  std::map<std::uint64_t, Route> routes;
  std::uint64_t last_route = 0;
  std::vector<std::pair<std::string, std::string>> delivered;  // events
  std::vector<std::string> commands;                           // "start hello"
};

// Of the host that was made last.
FakePlugins& fake_plugins();

}  // namespace cofounder::test
