// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/lifecycle.hpp"

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cofounder::host {

// One plugin of this daemon, running or not.
struct Slot {
  std::string id;
  std::filesystem::path file;
  Manifest manifest;                     // as read when it was brought up last
  std::vector<std::string> interfaces;   // that it gets
  std::shared_ptr<LibraryFile> library;  // opened, until it is loaded
  PluginConfig config;                   // as configured, unchecked
  bool wanted = true;                    // enabled, and nobody stopped it
  bool known = false;                    // `manifest` was read
  std::unique_ptr<Lifecycle> life;       // null: never loaded
  std::optional<Error> error;            // why it failed
  std::optional<PluginWhy> why;          // of one that was not loaded, or of the one before
  bool failed = false;
  bool settled = true;                   // it is not being brought up or down
  bool running = false;                  // APPLY and start are under way
  bool stop_begun = false;               // by the stop of all
  int restarts = 0;
  TimerId retry = 0;
  Milliseconds retry_wait{1'000};

  PluginState state() const noexcept;
  bool ready() const noexcept { return life != nullptr && life->accepts_calls(); }
};

// All plugins: found, brought up in order, configured in two phases, stopped in reverse.
// On the loop only.
class Fleet {
 public:
  using Done = UniqueFunction<void(std::optional<Error>)>;

  Fleet(Instance::World& world, const Config& config);
  ~Fleet();

  // See PluginHost.
  void start(Done done);
  void drain(UniqueFunction<void()> done);
  void stop(UniqueFunction<void(bool clean)> done);
  void reconfigure(const Config& config, Done done);
  void start_plugin(const std::string& id, Done done);
  void stop_plugin(const std::string& id, Done done);

  Slot* find(std::string_view id) noexcept;
  const Slot* find(std::string_view id) const noexcept;
  const std::map<std::string, std::unique_ptr<Slot>, std::less<>>& slots() const noexcept {
    return slots_;
  }

  // Called when a plugin became able to work, or unable.
  UniqueFunction<void()> on_change;

 private:
  using Slots = std::vector<Slot*>;
  // Calls `each` for every slot; when all have called back, `done` with the errors by slot.
  using Errors = std::map<std::string, Error>;
  using Step = std::function<void(Slot&, Done)>;
  void for_all(const Slots& slots, const Step& each, UniqueFunction<void(Errors)> done);

  void discover();
  void add_file(const std::filesystem::path& path);
  std::optional<Error> read_file(Slot& slot);
  void refuse(Slot& slot, Error error);
  bool is_isolated(const Slot& slot, const Config& config) const;
  void warn_of_isolation() const;
  PluginConfig config_of(const std::string& id, const Config& config) const;

  void load(Slot& slot, Done done);
  void load_next();
  void check(Slot& slot, Done done);
  void run(Slot& slot, Done done);
  void bring_up(Slot& slot, Done done);
  void fail(Slot& slot, Error error, Done done);
  void schedule_retry(Slot& slot);
  void start_in_order();
  bool start_next(Slot& slot);
  void started_all();

  void stop_in_order();
  void stop_one(Slot& slot, Done done);
  void stopped_all();
  bool is_required_by_running(const Slot& slot) const;
  void apply_all(std::shared_ptr<Config> config,
                 std::map<std::string, std::shared_ptr<const PluginConfig>> settings, Done done);
  void switch_enabled(Done done);
  void changed();

  Instance::World& world_;
  Config config_;
  std::map<std::string, std::unique_ptr<Slot>, std::less<>> slots_;
  std::vector<std::string> order_;   // of starting
  std::vector<std::unique_ptr<Lifecycle>> retired_;  // of restarted plugins
  struct Load {
    Slot* slot;
    Done done;
  };
  std::deque<Load> loads_;           // one after the other, see load()
  bool loading_ = false;
  std::string loader_blocked_by_;    // a plugin's id
  Done start_done_;
  UniqueFunction<void(bool)> stop_done_;
  bool stopping_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace cofounder::host
