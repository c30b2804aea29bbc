// SPDX-License-Identifier: Apache-2.0
// cofounderd-reaper: stands between the daemon and one program, so that its end is the end of all
// that it started.  See docs/decisions/0007-reaper.md.
#include "core/reaper/descendants.hpp"
#include "core/reaper/program.hpp"
#include "core/reaper/protocol.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <ctime>
#include <initializer_list>

namespace cofounder::reaper {
namespace {

std::int64_t now_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * std::int64_t{1000} + now.tv_nsec / 1'000'000;
}

class Reaper {
 public:
  // After it nothing that the daemon has is open here but the control socket.
  bool prepare();
  void run();

 private:
  bool start();
  void look_at_signals();
  void look_at_control();
  void reap();
  void begin_end(std::int64_t grace_ms);
  int wait_ms() const;
  void report(ReportMessage message) const;
  void report_end() const;

  int signals_ = -1;
  bool connected_ = true;        // to the daemon
  Task task_;
  pid_t program_ = -1;           // until it was waited for
  int outcome_ = 0;              // of the program
  int left_ = 0;
  bool none_left_ = false;
  bool ending_ = false;
  bool killing_ = false;
  std::int64_t kill_at_ = 0;
  int kill_wait_ms_ = 1;         // between looks for what is to be killed
};

bool Reaper::prepare() {
  // The daemon's end is seen at the socket as well; this is for what happens before we look.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::prctl(PR_SET_NAME, "cof-reaper");
  sigset_t all;
  sigfillset(&all);
  if (::sigprocmask(SIG_SETMASK, &all, nullptr) < 0) return false;
  sigset_t seen;
  sigemptyset(&seen);
  for (const int one : {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT}) sigaddset(&seen, one);
  ::syscall(SYS_close_range, static_cast<unsigned>(orders_descriptor + 1), ~0U, 0U);
  signals_ = ::signalfd(-1, &seen, SFD_CLOEXEC | SFD_NONBLOCK);
  const rlimit no_core{0, 0};
  return signals_ >= 0 && ::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 &&
         ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && ::setrlimit(RLIMIT_CORE, &no_core) == 0;
}

bool Reaper::start() {
  const bool good = read_orders(orders_descriptor, task_);
  ::close(orders_descriptor);
  Started started{-1, EINVAL, Step::orders};
  if (good) started = start_program(task_);
  // The program's ends of its pipes are the program's alone: the daemon sees when they close.
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int i = 0; i <= 2; ++i) {
    if (null < 0 || ::dup2(null, i) < 0) ::close(i);
  }
  if (null > 2) ::close(null);
  if (started.pid < 0) {
    report({Report::failed, started.error, static_cast<std::int32_t>(started.step), 0, 0, 0});
    return false;
  }
  program_ = started.pid;
  report({Report::started, started.pid, 0, 0, 0, 0});
  return true;
}

void Reaper::report(ReportMessage message) const {
  if (connected_) ::send(control_descriptor, &message, sizeof message, MSG_NOSIGNAL);
}

void Reaper::report_end() const {
  rusage used{};
  ::getrusage(RUSAGE_CHILDREN, &used);
  const std::int64_t seconds = used.ru_utime.tv_sec + used.ru_stime.tv_sec;
  const std::int64_t rest = used.ru_utime.tv_usec + used.ru_stime.tv_usec;
  report({Report::ended, outcome_, 0, left_, seconds * 1'000'000 + rest,
          used.ru_maxrss * std::int64_t{1024}});
}

void Reaper::begin_end(std::int64_t grace_ms) {
  const std::int64_t at = now_ms() + (grace_ms < 0 ? 0 : grace_ms);
  // Whoever asks again can only shorten the wait.
  if (ending_ && at >= kill_at_) return;
  kill_at_ = at;
  if (ending_) return;
  ending_ = true;
  terminate_descendants();
}

void Reaper::reap() {
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid == 0) return;
    if (pid < 0) {
      // No child: then nothing is below us, for what has no parent becomes our child.
      if (errno == ECHILD) none_left_ = true;
      if (errno != EINTR) return;
      continue;
    }
    if (pid != program_) continue;
    program_ = -1;
    outcome_ = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
    if (ending_) continue;
    ending_ = true;
    kill_at_ = now_ms() + task_.orders.grace_ms;
    left_ = terminate_descendants();
  }
}

void Reaper::look_at_signals() {
  signalfd_siginfo info;
  while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo != static_cast<std::uint32_t>(SIGCHLD)) begin_end(task_.orders.grace_ms);
  }
}

void Reaper::look_at_control() {
  for (;;) {
    CommandMessage message{};
    const ssize_t size = ::recv(control_descriptor, &message, sizeof message, MSG_DONTWAIT);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {  // the daemon is gone
      connected_ = false;
      begin_end(task_.orders.grace_ms);
      return;
    }
    if (size != static_cast<ssize_t>(sizeof message)) continue;
    if (message.command == Command::end) begin_end(message.value);
    if (message.command == Command::signal && program_ > 0) ::kill(-program_, message.value);
  }
}

// Until there is something to do without being woken; -1: nothing.
int Reaper::wait_ms() const {
  if (!ending_) return -1;
  if (killing_) return kill_wait_ms_;
  const std::int64_t left = kill_at_ - now_ms();
  return left <= 0 ? 0 : static_cast<int>(left < 60'000 ? left : 60'000);
}

void Reaper::run() {
  if (!start()) return;
  reap();
  while (!none_left_) {
    pollfd polled[2] = {{signals_, POLLIN, 0}, {connected_ ? control_descriptor : -1, POLLIN, 0}};
    ::poll(polled, 2, wait_ms());
    if (polled[1].revents != 0) look_at_control();
    look_at_signals();
    if (ending_ && now_ms() >= kill_at_) {
      kill_children();
      // Who was killed wakes us by SIGCHLD; the rest is for what was born meanwhile.
      kill_wait_ms_ = !killing_ ? 1 : kill_wait_ms_ < 100 ? 2 * kill_wait_ms_ : 100;
      killing_ = true;
    }
    reap();
  }
  report_end();
}

}  // namespace
}  // namespace cofounder::reaper

int main(int argc, char**) {
  if (argc != 1) {
    std::fputs("cofounderd-reaper is started by cofounderd and takes no arguments\n", stderr);
    return 64;
  }
  cofounder::reaper::Reaper reaper;
  if (!reaper.prepare()) return 1;
  reaper.run();
  return 0;
}
