// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/lifecycle.hpp"
#include "core/host/supervisor.hpp"

#include <deque>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
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
  std::shared_ptr<PluginWhy> why;        // of one that was not loaded, or of the one before
  LibraryFile::Identity identity;        // of the file as it was read last
  std::set<std::string> codes;           // sha256 of what was loaded into this process
  bool failed = false;
  bool settled = true;                   // it is not being brought up or down
  bool running = false;                  // APPLY and start are under way
  bool stop_begun = false;               // by the stop of all
  bool reloading = false;                // a new generation comes up beside this one
  // Of an isolated one whose process failed, until an operator starts or stops it.
  std::unique_ptr<Supervisor> supervisor;
  int restarts = 0;
  int generation = 1;                    // one more with each reload
  struct Past {                          // of those that were before `life`
    std::uint64_t calls = 0;
    std::uint64_t failures = 0;
    std::uint64_t late_completions = 0;
    Durations durations;
  } past;
  TimerId retry = 0;
  Milliseconds retry_wait{1'000};

  PluginState state() const noexcept;
  // Keeps the figures of `life`, which another one replaces.
  void remember();
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
  void reload_plugin(const std::string& id, Done done);

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
  static void note_code(Slot& slot);
  std::optional<Error> loader_blocked(const std::string& id) const;
  std::optional<Error> requirement_missing(const Slot& slot) const;
  void check(Slot& slot, Done done);
  void run(Slot& slot, Done done);
  void bring_up(Slot& slot, Done done);
  void fail(Slot& slot, Error error, Done done);
  void schedule_retry(Slot& slot);
  static Error busy(const std::string& id);
  void lost(Slot& slot, const Lifecycle* life);
  void supervise(Slot& slot, Error why);
  void failed_again(Slot& slot, Error why);
  void restart(Slot& slot);
  void watch_file(Slot& slot);
  struct Reload;
  std::unique_ptr<Lifecycle> make_life(Slot& slot, const Manifest& manifest,
                                       std::shared_ptr<const PluginConfig> settings, bool isolated);
  void reload_next(const std::shared_ptr<Reload>& reload);
  void reload_failed(const std::shared_ptr<Reload>& reload, Error error);
  void switch_over(const std::shared_ptr<Reload>& reload);
  void retire(std::unique_ptr<Lifecycle> life);
  void retired_one();
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
  int retiring_ = 0;                 // generations that come up or go, see reload_plugin()
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
