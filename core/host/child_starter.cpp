// SPDX-License-Identifier: Apache-2.0
#include "core/host/child_starter.hpp"

#include "core/process/child_groups.hpp"
#include "core/process/launcher.hpp"

#include <filesystem>
#include <optional>
#include <utility>

namespace cofounder::host {
namespace {

using Group = std::unique_ptr<ChildGroup>;  // null: there are none here

class LaunchedChild final : public ChildProcess {
 public:
  LaunchedChild(Child child, Group group) : group_{std::move(group)}, child_{std::move(child)} {}

  int pid() const noexcept override { return child_.pid(); }
  void kill() noexcept override { child_.kill(); }
  void terminate() override { child_.terminate(); }
  void on_exit(UniqueFunction<void(const ChildEnd&)> action) override {
    child_.on_exit([this, action = std::move(action)](const ChildExit& exit) mutable {
      ChildEnd end{exit.code, exit.signal, false};
      end.out_of_memory = group_ != nullptr && (*group_)->usage().oom_kills.value_or(0) > 0;
      action(end);  // may destroy this
    });
  }

 private:
  Group group_;  // ends after the child
  Child child_;
};

class LaunchingStarter final : public ChildStarter {
 public:
  LaunchingStarter(Loop& loop, ChildGroups* groups)
      : loop_{loop}, groups_{groups}, launcher_{loop, loop.clock()} {}

  void start(ChildOrder order, Started started) override {
    constexpr int socket_number = 3;
    constexpr int crash_number = 4;
    ChildSpec spec;
    Group group;
    if (auto error = make_group(order, spec, group)) {
      return loop_.post([started = std::move(started), error = std::move(*error)]() mutable {
        started(std::move(error));
      });
    }
    spec.program = std::move(order.program);
    spec.arguments = std::move(order.arguments);
    spec.limits = order.limits;
    spec.descriptors.push_back({Descriptor{order.socket.release()}, socket_number});
    if (order.crash) spec.descriptors.push_back({Descriptor{order.crash.release()}, crash_number});
    launcher_.start(std::move(spec), [started = std::move(started),
                                      group = std::move(group)](Result<Child> child) mutable {
      using Given = Result<std::unique_ptr<ChildProcess>>;
      if (child.has_value()) {
        return started(
            Given{std::make_unique<LaunchedChild>(std::move(*child), std::move(group))});
      }
      Error failed = std::move(child).error();
      failed.retryable = true;
      if (failed.hint.empty()) failed.hint = "is the daemon installed completely?";
      started(std::move(failed));
    });
  }

 private:
  std::optional<Error> make_group(const ChildOrder& order, ChildSpec& spec, Group& group) {
    if (groups_ == nullptr) return std::nullopt;
    Result<Group> made = groups_->make(order.plugin, order.group);
    if (made.has_error()) return made.error();
    group = std::move(*made);
    if (group == nullptr) return std::nullopt;
    Result<Descriptor> processes = (*group)->processes_file();
    if (processes.has_error()) return processes.error();
    spec.cgroup = std::move(*processes);
    return std::nullopt;
  }

  Loop& loop_;
  ChildGroups* groups_;
  Launcher launcher_;
};

}  // namespace

std::unique_ptr<ChildStarter> make_child_starter(Loop& loop, ChildGroups* groups) {
  return std::make_unique<LaunchingStarter>(loop, groups);
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
