// SPDX-License-Identifier: Apache-2.0
#include "core/host/child_starter.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <utility>

#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace cofounder::host {
namespace {

namespace asio = boost::asio;

class PlainChild final : public ChildProcess {
 public:
  PlainChild(Loop& loop, pid_t pid, int pidfd) : pid_{pid}, pidfd_{loop.context(), pidfd} {}
  ~PlainChild() override {
    *alive_ = false;
    if (ended_) return;
    kill();
    siginfo_t how{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.native_handle()), &how, WEXITED) < 0 &&
           errno == EINTR) {
    }
  }

  int pid() const noexcept override { return pid_; }
  void kill() noexcept override {
    if (!ended_) ::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), SIGKILL, nullptr, 0);
  }
  void on_exit(UniqueFunction<void(const ChildEnd&)> action) override {
    action_ = std::move(action);
    pidfd_.async_wait(asio::posix::stream_descriptor::wait_read,
                      [this, alive = alive_](const boost::system::error_code& error) {
                        if (!error && *alive) reap();
                      });
  }

 private:
  void reap() {
    siginfo_t how{};
    if (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.native_handle()), &how, WEXITED | WNOHANG) != 0 ||
        how.si_pid == 0) {
      return;
    }
    ended_ = true;
    ChildEnd end;
    (how.si_code == CLD_EXITED ? end.code : end.signal) = how.si_status;
    auto action = std::move(action_);
    action(end);  // may destroy this
  }

  const pid_t pid_;
  asio::posix::stream_descriptor pidfd_;
  UniqueFunction<void(const ChildEnd&)> action_;
  bool ended_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

Error not_started(const std::string& program, int error) {
  Error failed = make_error("child_not_started", program + ": " + std::strerror(error), true);
  failed.hint = "is the daemon installed completely?";
  return failed;
}

// 0 and the pid, or an errno.
int spawn(const ChildOrder& order, pid_t& pid) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  constexpr int socket_number = 3;
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_adddup2(&actions, order.socket.get(), socket_number);
  ::posix_spawn_file_actions_addclosefrom_np(&actions, socket_number + 1);
  sigset_t none;
  sigset_t all;
  sigemptyset(&none);
  sigfillset(&all);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &all);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETSID);
  std::vector<char*> arguments;
  for (const std::string& argument : order.arguments) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  char* const environment[] = {nullptr};
  const int error = ::posix_spawn(&pid, order.program.c_str(), &actions, &attributes,
                                  arguments.data(), environment);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  return error;
}

class PlainStarter final : public ChildStarter {
 public:
  explicit PlainStarter(Loop& loop) : loop_{loop} {}

  void start(ChildOrder order, Started started) override {
    auto result = begin(order);
    loop_.post([result = std::move(result), started = std::move(started)]() mutable {
      started(std::move(result));
    });
  }

 private:
  using Begun = Result<std::unique_ptr<ChildProcess>>;
  Begun begin(const ChildOrder& order) {
    pid_t pid = -1;
    if (const int error = spawn(order, pid); error != 0) return not_started(order.program, error);
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    if (pidfd < 0) {
      const int error = errno;
      ::kill(pid, SIGKILL);
      ::waitpid(pid, nullptr, 0);
      return not_started(order.program, error);
    }
    return Begun{std::make_unique<PlainChild>(loop_, pid, pidfd)};
  }

  Loop& loop_;
};

}  // namespace

std::unique_ptr<ChildStarter> make_plain_starter(Loop& loop) {
  return std::make_unique<PlainStarter>(loop);
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
