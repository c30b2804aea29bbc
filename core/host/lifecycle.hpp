// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/caller.hpp"
#include "core/host/library.hpp"
#include "core/process/crash_report.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>

namespace cofounder::host {

// The life of one loaded plugin, hook by hook, each with its deadline:
// load, create, configure CHECK, configure APPLY, start, (calls), drain, stop and destroy.
// Every function calls `done` once, later, on the loop.  On the loop only.
class Lifecycle {
 public:
  using Done = UniqueFunction<void(std::optional<Error>)>;

  Lifecycle(Instance::World& world, Manifest manifest, std::shared_ptr<const PluginConfig> config,
            Instance::Isolation isolation = Instance::Isolation::in_process);
  // The instance lives on: see Instance.
  ~Lifecycle();
  Lifecycle(const Lifecycle&) = delete;
  Lifecycle& operator=(const Lifecycle&) = delete;

  // Loads a private copy below `folder` and enters create().  `codes`: see load_library().
  void load(std::shared_ptr<LibraryFile> file, std::filesystem::path folder,
            std::set<std::string> codes, Done done);
  void check(std::shared_ptr<const PluginConfig> config, Done done);
  void apply(std::shared_ptr<const PluginConfig> config, Done done);
  void start(Done done);
  void probe(Done done);
  // Another instance of the plugin took its place: what is known by the plugin's name is that one's.
  void set_replaced() noexcept { replaced_ = true; }
  // New calls are refused from now on; done when the plugin's drain() and all calls ended, or when
  // the drain time is over and the rest was cancelled with COF_CANCEL_STOPPING.  `bounded` false:
  // waits for the calls as long as they take.
  void drain(bool bounded, Done done);
  // Cancels what is left, enters stop() and destroy(), and ends the workers.  May be called again
  // before it is done, and after.
  void stop(Done done);

  PluginState state() const noexcept { return state_; }
  void set_state(PluginState state) noexcept { state_ = state; }
  bool accepts_calls() const noexcept { return state_ == PluginState::ready; }
  // It hangs in dlopen(), in a constructor of the library, and keeps the loader's lock.
  bool blocks_loader() const noexcept {
    return !isolated() && caller_->given_up() && !loaded_;
  }
  // A thread is stuck in the plugin.
  bool stuck() const noexcept;
  const std::optional<Error>& last_error() const noexcept { return last_error_; }
  const std::string& sha256() const noexcept { return sha256_; }
  Instance& instance() noexcept { return *instance_; }
  const Instance& instance() const noexcept { return *instance_; }
  Caller& caller() noexcept { return *caller_; }
  const Caller& caller() const noexcept { return *caller_; }
  // Remembers why it failed, with the calls that are in flight and the last lines of its log.
  void keep_why(const Error& error);
  // Its backtrace may come later.
  const std::shared_ptr<PluginWhy>& why() const noexcept { return why_; }
  // Called once when the plugin is given up: quarantined, or (isolated) failed, for its process is
  // gone.
  UniqueFunction<void()> on_given_up;
  bool isolated() const noexcept { return instance_->proxy() != nullptr; }
  int pid() const noexcept;  // of an isolated one's process, 0: there is none

 private:
  using Enter = Instance::Hook;
  struct Loading;
  void hook(int kind, const char* name, Milliseconds deadline, Workers::Order order, Enter enter,
            Done done, std::shared_ptr<const PluginConfig> candidate = nullptr);
  void load_here(std::shared_ptr<LibraryFile> file, std::filesystem::path folder,
                 std::set<std::string> codes, std::shared_ptr<Loading> loading, Done done);
  void load_in_child(std::shared_ptr<LibraryFile> file, std::filesystem::path folder,
                     std::shared_ptr<Loading> loading, Done done);
  void loaded(const Loading& loading, std::optional<Error> error, Done done);
  void create(Done done);
  void configure(int phase, const char* name, std::shared_ptr<const PluginConfig> config,
                 Done done);
  void enter_stop();
  void end_operations();
  void destroy();
  void close(std::optional<Error> error);
  void watch_process();
  void keep_report(const CrashReport& report);
  const PluginConfig::Deadlines& deadlines() const;

  Instance::World& world_;
  Instance* instance_;  // never freed
  std::unique_ptr<Caller> caller_;
  PluginState state_ = PluginState::loaded;
  bool loaded_ = false;
  bool created_ = false;
  bool started_ = false;
  bool closed_ = false;
  bool replaced_ = false;
  std::vector<Done> stop_waiters_;
  std::optional<Error> last_error_;
  std::shared_ptr<PluginWhy> why_;
  int lost_signal_ = 0;
  std::string sha256_;
  std::string library_;              // path of the copy that is loaded
  std::shared_ptr<const PluginConfig> config_;  // keeps deadlines() valid
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace cofounder::host
