// SPDX-License-Identifier: Apache-2.0
#include "core/process/launcher.hpp"

#include "core/process/spawn.hpp"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cassert>
#include <cerrno>
#include <deque>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace cofounder {
namespace {

void send_signal(int pidfd, int signal) noexcept {
  ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
}

std::optional<ChildExit> reap(int pidfd) noexcept {
  siginfo_t info{};
  rusage used{};
  // The system call gives what the process had used; glibc's waitid() does not.
  const long result = ::syscall(SYS_waitid, P_PIDFD, pidfd, &info, WEXITED | WNOHANG, &used);
  if (result != 0 || info.si_pid == 0) return std::nullopt;
  ChildExit exit;
  if (info.si_code == CLD_EXITED) {
    exit.code = info.si_status;
  } else {
    exit.signal = info.si_status;
  }
  exit.cpu = std::chrono::seconds{used.ru_utime.tv_sec + used.ru_stime.tv_sec} +
             std::chrono::microseconds{used.ru_utime.tv_usec + used.ru_stime.tv_usec};
  exit.memory_max_bytes = static_cast<std::uint64_t>(used.ru_maxrss) * 1024;
  return exit;
}

}  // namespace

// What the loop and the launching thread share.
struct Launcher::State {
  struct Request {
    ChildSpec spec;
    UniqueFunction<void(Result<Child>)> started;
  };

  State(Loop& l, Clock& c) : loop{l}, clock{c}, wake{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {
    if (!wake) throw std::system_error{errno, std::generic_category(), "eventfd"};
  }

  void signal_thread() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto ignored = ::write(wake.get(), &one, sizeof one);
  }
  // A killed child that nobody waits for any more.
  void reap_later(Descriptor pidfd) {
    {
      const std::lock_guard lock{mutex};
      if (stopping) return;
      killed.push_back(std::move(pidfd));
    }
    signal_thread();
  }
  void run_thread(const std::shared_ptr<State>& self);
  void start_one(const std::shared_ptr<State>& self, Spawner& spawner, Request request);

  Loop& loop;
  Clock& clock;
  const Descriptor wake;
  std::thread thread;

  std::mutex mutex;
  std::deque<Request> requests;    // guarded by mutex
  std::vector<Descriptor> killed;  // guarded by mutex
  bool stopping = false;           // guarded by mutex
};

struct Child::State {
  State(std::shared_ptr<Launcher::State> l, pid_t p, Descriptor fd)
      : launcher{std::move(l)}, pid{p}, pidfd{std::move(fd)} {}

  void wait() {
    watch->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                      [this, still = std::weak_ptr{alive}](const boost::system::error_code& error) {
                        if (!error && !still.expired()) ended();
                      });
  }

  void ended() {
    const auto exit = reap(pidfd.get());
    if (!exit) return wait();
    running = false;
    launcher->clock.cancel(kill_timer);
    watch->release();
    auto action = std::move(on_exit);
    if (action) action(*exit);  // may destroy this
  }

  std::shared_ptr<Launcher::State> launcher;
  const pid_t pid;
  Descriptor pidfd;
  // Looks at pidfd without owning it.
  std::optional<boost::asio::posix::stream_descriptor> watch;
  std::shared_ptr<int> alive = std::make_shared<int>(0);  // for what is queued when this ends
  UniqueFunction<void(const ChildExit&)> on_exit;
  TimerId kill_timer = 0;
  bool running = true;
};

void Launcher::State::start_one(const std::shared_ptr<State>& self, Spawner& spawner,
                                Request request) {
  auto spawned = spawner.spawn(request.spec);
  loop.post([self, spawned = std::move(spawned), started = std::move(request.started)]() mutable {
    if (spawned.has_error()) return started(std::move(spawned).error());
    started(Child{std::make_unique<Child::State>(self, spawned->pid, std::move(spawned->pidfd))});
  });
}

void Launcher::State::run_thread(const std::shared_ptr<State>& self) {
  ::prctl(PR_SET_NAME, "launcher");
  Spawner spawner;
  std::vector<Descriptor> dying;
  std::vector<pollfd> polled;
  for (;;) {
    std::deque<Request> taken;
    {
      const std::lock_guard lock{mutex};
      if (stopping) return;
      taken.swap(requests);
      for (auto& one : killed) dying.push_back(std::move(one));
      killed.clear();
    }
    for (auto& request : taken) start_one(self, spawner, std::move(request));
    std::erase_if(dying, [](const Descriptor& one) { return reap(one.get()).has_value(); });

    polled.assign(1, {wake.get(), POLLIN, 0});
    for (const auto& one : dying) polled.push_back({one.get(), POLLIN, 0});
    ::poll(polled.data(), polled.size(), -1);
    std::uint64_t count = 0;
    [[maybe_unused]] const auto ignored = ::read(wake.get(), &count, sizeof count);
  }
}

Launcher::Launcher(Loop& loop, Clock& clock) : state_{std::make_shared<State>(loop, clock)} {
  // Signals are for the loop's thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  state_->thread = std::thread{[state = state_] { state->run_thread(state); }};
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Launcher::~Launcher() {
  {
    const std::lock_guard lock{state_->mutex};
    state_->stopping = true;
  }
  state_->signal_thread();
  state_->thread.join();
}

void Launcher::start(ChildSpec spec, UniqueFunction<void(Result<Child>)> started) {
  {
    const std::lock_guard lock{state_->mutex};
    state_->requests.push_back({std::move(spec), std::move(started)});
  }
  state_->signal_thread();
}

Child::Child() noexcept = default;
Child::Child(std::unique_ptr<State> state) noexcept : state_{std::move(state)} {}
Child::Child(Child&&) noexcept = default;

Child& Child::operator=(Child&& other) noexcept {
  // The old one ends in `old`'s destructor.
  Child old{std::move(*this)};
  state_ = std::move(other.state_);
  return *this;
}

Child::~Child() {
  if (!state_) return;
  if (state_->watch && state_->running) state_->watch->release();
  if (!state_->running) return;
  send_signal(state_->pidfd.get(), SIGKILL);
  state_->launcher->clock.cancel(state_->kill_timer);
  state_->launcher->reap_later(std::move(state_->pidfd));
}

pid_t Child::pid() const noexcept { return state_->pid; }
bool Child::running() const noexcept { return state_ && state_->running; }

void Child::on_exit(UniqueFunction<void(const ChildExit&)> action) {
  assert(!state_->on_exit && state_->running);
  state_->on_exit = std::move(action);
  state_->watch.emplace(state_->launcher->loop.context(), state_->pidfd.get());
  state_->wait();
}

void Child::terminate() {
  if (!state_->running || state_->kill_timer != 0) return;
  send_signal(state_->pidfd.get(), SIGTERM);
  state_->kill_timer = state_->launcher->clock.call_after(
      terminate_grace, [state = state_.get(), still = std::weak_ptr{state_->alive}] {
        if (!still.expired() && state->running) send_signal(state->pidfd.get(), SIGKILL);
      });
}

void Child::kill() noexcept {
  if (state_->running) send_signal(state_->pidfd.get(), SIGKILL);
}

}  // namespace cofounder
