// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/json.hpp"
#include "core/base/log.hpp"
#include "core/host/plugin_host.hpp"
#include "core/store/stores.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

namespace cofounder::test {

// A plugin host with a folder of its own, memory stores, and short deadlines.
class HostWorld {
 public:
  HostWorld() : stores{make_memory_store(loop, loop.clock())}, http{loop, {}} {
    log::set_level(log::Level::error);
    std::string name = (std::filesystem::temp_directory_path() / "cofounder-host.XXXXXX").string();
    folder = ::mkdtemp(name.data());
    config.paths.state = folder / "state";
    config.paths.scratch = folder / "scratch";
    config.plugins.directories = {folder / "plugins"};
    config.plugins.isolation = "in-process";
    // The same tests for both kinds of isolation: the default is for those outside the first folder.
    const char* const isolation = std::getenv("COFOUNDER_TEST_ISOLATION");
    if (isolation != nullptr && *isolation != '\0') {
      config.plugins.isolation = isolation;
      config.plugins.directories = {folder / "shipped", folder / "plugins"};
      std::filesystem::create_directory(folder / "shipped");
    }
    for (const char* part : {"state", "scratch", "plugins"}) {
      std::filesystem::create_directory(folder / part);
    }
  }
  ~HostWorld() {
    host.reset();
    while (loop.poll()) {
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder, ignored);
  }

  // Puts a plugin of tests/fixtures where it is found, under another file name when one is given.
  void add(const std::string& fixture, std::string file = {}) {
    if (file.empty()) file = fixture;
    std::filesystem::copy_file(
        std::filesystem::path{COFOUNDER_BINARY_DIR} / "fixtures" / (fixture + ".so"),
        folder / "plugins" / (file + ".so"));
  }
  // Plugins that do not come back: in this process they are quarantined, and their threads are left
  // behind; a process of their own is ended, and nothing is left.
  bool isolated() const { return config.plugins.isolation == "process"; }
  PluginState given_up_state() const {
    return isolated() ? PluginState::failed : PluginState::quarantined;
  }
  std::string given_up_code() const { return isolated() ? "plugin_stuck" : "plugin_quarantined"; }
  PluginConfig& plugin(const std::string& id) { return config.plugin[id]; }

  // Runs the loop until `done` says so; a test that waits in vain fails after a while.
  template <class Done>
  void until(Done done) {
    bool late = false;
    const TimerId guard = loop.clock().call_after(std::chrono::seconds{30}, [&] {
      late = true;
      loop.stop();
    });
    while (!done() && !late) {
      tick();
      loop.run();
    }
    loop.clock().cancel(guard);
    ASSERT_FALSE(late) << "waited in vain";
  }

  std::optional<Error> start() {
    host = std::make_unique<PluginHost>(
        loop, config,
        HostPorts{*stores.owner, stores.values, stores.usage, http, {}, {}, {}, {},
                  [this](std::string topic, std::string json) {
                    events.push_back(std::move(topic) + " " + std::move(json));
                  },
                  {}, {}, groups.get()},
        "0.1.0");
    bool done = false;
    std::optional<Error> result;
    host->start([&](std::optional<Error> error) {
      result = std::move(error);
      done = true;
    });
    until([&] { return done; });
    return result;
  }
  bool stop() {
    std::optional<bool> clean;
    host->stop([&](bool is_clean) { clean = is_clean; });
    until([&] { return clean.has_value(); });
    return clean.value_or(false);
  }
  std::optional<Error> reconfigure() {
    bool done = false;
    std::optional<Error> result;
    host->reconfigure(config, [&](std::optional<Error> error) {
      result = std::move(error);
      done = true;
    });
    until([&] { return done; });
    return result;
  }

  struct Attempt {
    AttemptKey key;
    std::optional<Outcome> outcome;
  };
  // Begins an attempt; the answer appears in what is returned.
  std::shared_ptr<Attempt> begin(const std::string& op, std::string args = "{}") {
    const auto attempt = std::make_shared<Attempt>();
    attempt->key = {ids.next(loop.clock().now()), 1};
    ClaimedTask task;
    task.key = attempt->key;
    task.op = op;
    task.args = std::move(args);
    task.attempts_max = 5;
    task.checkpoint = checkpoint;
    host->start(std::move(task), loop.clock().mono() + std::chrono::minutes{1},
                [attempt](Outcome outcome) {
                  EXPECT_FALSE(attempt->outcome) << "a second outcome";
                  attempt->outcome = std::move(outcome);
                });
    EXPECT_FALSE(attempt->outcome) << "an outcome before start() returned";
    return attempt;
  }
  Outcome end_of(const std::shared_ptr<Attempt>& attempt) {
    until([&] { return attempt->outcome.has_value(); });
    return attempt->outcome.value_or(Outcome{});
  }
  Outcome run(const std::string& op, std::string args = "{}") {
    return end_of(begin(op, std::move(args)));
  }
  // Cancels once the plugin was entered.
  Outcome cancel(const std::shared_ptr<Attempt>& attempt, CancelReason reason) {
    host->cancel(attempt->key, reason);
    return end_of(attempt);
  }
  PluginInfo info(const std::string& id) {
    const auto found = host->find(id);
    EXPECT_TRUE(found) << id;
    return found.value_or(PluginInfo{});
  }

  std::string read(const std::filesystem::path& file) const {
    std::ostringstream text;
    text << std::ifstream{file}.rdbuf();
    return text.str();
  }

  Loop loop;
  Stores stores;
  http::Client http;
  Config config;
  std::filesystem::path folder;
  IdSource ids;
  std::string checkpoint;
  std::unique_ptr<ChildGroups> groups;
  std::vector<std::string> events;  // that plugins published: "echo.topic {}"
  std::unique_ptr<PluginHost> host;

 private:
  // run() returns after a moment at the latest, so that `done` is asked again.
  void tick() {
    loop.clock().call_after(std::chrono::milliseconds{1}, [this] { loop.stop(); });
  }
};

// The same for plugins in processes of their own, whatever the other tests run with.
class IsolatedWorld : public HostWorld {
 public:
  void add_isolated(const std::string& fixture) {
    add(fixture);
    plugin(fixture).isolation = "process";
  }
  std::optional<Error> start_one(const std::string& id) {
    std::optional<std::optional<Error>> result;
    host->start_plugin(id, [&](std::optional<Error> error) { result = std::move(error); });
    until([&] { return result.has_value(); });
    return result.value_or(std::nullopt);
  }
  // A call is in its process.
  bool is_inside(const std::string& id) {
    const PluginInfo now = info(id);
    return now.in_flight == 1 && now.cpu_seconds > 0;
  }
};

}  // namespace cofounder::test
