// SPDX-License-Identifier: Apache-2.0
#include "core/host/child_starter.hpp"

#include "core/process/launcher.hpp"

#include <filesystem>
#include <utility>

namespace cofounder::host {
namespace {

class LaunchedChild final : public ChildProcess {
 public:
  explicit LaunchedChild(Child child) : child_{std::move(child)} {}

  int pid() const noexcept override { return child_.pid(); }
  void kill() noexcept override { child_.kill(); }
  void terminate() override { child_.terminate(); }
  void on_exit(UniqueFunction<void(const ChildEnd&)> action) override {
    child_.on_exit([action = std::move(action)](const ChildExit& exit) mutable {
      action({exit.code, exit.signal});
    });
  }

 private:
  Child child_;
};

class LaunchingStarter final : public ChildStarter {
 public:
  explicit LaunchingStarter(Loop& loop) : launcher_{loop, loop.clock()} {}

  void start(ChildOrder order, Started started) override {
    constexpr int socket_number = 3;
    constexpr int crash_number = 4;
    ChildSpec spec;
    spec.program = std::move(order.program);
    spec.arguments = std::move(order.arguments);
    spec.limits = order.limits;
    spec.descriptors.push_back({Descriptor{order.socket.release()}, socket_number});
    if (order.crash) spec.descriptors.push_back({Descriptor{order.crash.release()}, crash_number});
    launcher_.start(std::move(spec), [started = std::move(started)](Result<Child> child) mutable {
      using Given = Result<std::unique_ptr<ChildProcess>>;
      if (child.has_value()) {
        return started(Given{std::make_unique<LaunchedChild>(std::move(*child))});
      }
      Error failed = std::move(child).error();
      failed.retryable = true;
      if (failed.hint.empty()) failed.hint = "is the daemon installed completely?";
      started(std::move(failed));
    });
  }

 private:
  Launcher launcher_;
};

}  // namespace

std::unique_ptr<ChildStarter> make_child_starter(Loop& loop) {
  return std::make_unique<LaunchingStarter>(loop);
}

std::string find_plugin_host() {
  constexpr const char* name = "cofounderd-plugin-host";
  std::error_code code;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", code);
  if (!code) {
    const std::filesystem::path beside = self.parent_path() / name;
    if (std::filesystem::exists(beside, code)) return beside.native();
  }
  return std::string{COFOUNDER_LIBEXEC_DIR "/"} + name;
}

}  // namespace cofounder::host
