// SPDX-License-Identifier: Apache-2.0
#include "core/base/loop.hpp"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace cofounder {
namespace asio = boost::asio;
namespace {

// Real time.  One Asio timer serves all; a timerfd that the kernel cancels when the wall clock is
// set tells of jumps.
class RealClock final : public Clock {
 public:
  explicit RealClock(asio::io_context& context)
      : context_{context}, timer_{context}, wall_watch_{context} {}

  Time now() const noexcept override {
    return std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  }
  Mono mono() const noexcept override { return std::chrono::steady_clock::now(); }

  TimerId call_at(Mono when, UniqueFunction<void()> action) override {
    const TimerId id = ++last_;
    const bool is_first = timers_.empty() || when < timers_.begin()->first.first;
    timers_.emplace(std::pair{when, id}, std::move(action));
    when_.emplace(id, when);
    if (is_first && !running_) fire_later();
    return id;
  }

  void cancel(TimerId timer) noexcept override {
    const auto it = when_.find(timer);
    if (it == when_.end()) return;
    // The Asio timer stays as it is: waking for nothing once is cheaper than setting it again.
    timers_.erase({it->second, timer});
    when_.erase(it);
  }

  void on_wall_jump(UniqueFunction<void()> action) override {
    jumps_.push_back(std::move(action));
    if (jumps_.size() == 1) watch_wall();
  }

 private:
  // Once for all timers that the handler which runs now sets: what is due by then needs no timer of
  // the kernel, and of the others only the first does.
  void fire_later() {
    if (std::exchange(looking_, true)) return;
    asio::post(context_, [this] {
      looking_ = false;
      fire();
    });
  }

  void arm() {
    timer_.expires_at(timers_.begin()->first.first);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error != asio::error::operation_aborted) fire();
    });
  }

  void fire() {
    running_ = true;  // so that actions that set timers do not arm one by one
    const Mono now = mono();
    while (!timers_.empty() && timers_.begin()->first.first <= now) {
      auto first = timers_.extract(timers_.begin());
      when_.erase(first.key().second);
      first.mapped()();
    }
    running_ = false;
    if (!timers_.empty()) arm();
  }

  void watch_wall() {
    const int descriptor = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (descriptor < 0) {
      throw std::system_error{errno, std::generic_category(), "timerfd_create"};
    }
    wall_watch_.assign(descriptor);
    wait_wall();
  }

  void wait_wall() {
    itimerspec never{};
    never.it_value.tv_sec = std::numeric_limits<std::int32_t>::max();
    timerfd_settime(wall_watch_.native_handle(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                    &never, nullptr);
    wall_watch_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [this](const boost::system::error_code& error) {
                             if (error) return;
                             std::uint64_t expirations = 0;
                             [[maybe_unused]] const auto ignored = ::read(
                                 wall_watch_.native_handle(), &expirations, sizeof expirations);
                             wait_wall();
                             for (auto& action : jumps_) action();
                           });
  }

  asio::io_context& context_;
  asio::steady_timer timer_;
  asio::posix::stream_descriptor wall_watch_;
  std::map<std::pair<Mono, TimerId>, UniqueFunction<void()>> timers_;
  std::map<TimerId, Mono> when_;
  std::vector<UniqueFunction<void()>> jumps_;
  TimerId last_ = 0;
  bool running_ = false;
  bool looking_ = false;  // fire_later() has posted
};

}  // namespace

struct Loop::State {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  RealClock clock{context};
  // Of the thread that runs the loop; others ask whether it is theirs.
  std::atomic<std::thread::id> thread;

  std::mutex mutex;
  std::vector<UniqueFunction<void()>> posted;  // guarded by mutex
  // Wakes the loop for what other threads post.  Asio would do it with its own lock held, for which
  // the loop, just woken, would have to wait.
  asio::posix::stream_descriptor bell{context, make_bell()};
  std::uint64_t rings = 0;

  // What the loop runs now, from there on; kept for its capacity.
  std::vector<UniqueFunction<void()>> taken;
  std::size_t next = 0;

  // The loop's own.
  std::vector<UniqueFunction<void()>> deferred;
  bool runs_posted = false;

  State() { listen(); }

  static int make_bell() {
    const int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (descriptor < 0) throw std::system_error{errno, std::generic_category(), "eventfd"};
    return descriptor;
  }
  void ring() noexcept {
    const std::uint64_t once = 1;
    [[maybe_unused]] const ssize_t wrote = ::write(bell.native_handle(), &once, sizeof once);
    assert(wrote == sizeof once);
  }
  void listen() {
    bell.async_read_some(asio::buffer(&rings, sizeof rings),
                         [this](const boost::system::error_code& error, std::size_t) {
                           if (error) return;
                           listen();
                           run_posted();
                         });
  }

  void run_deferred() {
    for (auto& action : std::exchange(deferred, {})) action();
  }

  // No burst starves the sockets: what these post waits for its own turn, and of many a slice is
  // run at once.  Each non-empty list has one run on its way.
  void run_posted() {
    if (next == taken.size()) {
      taken.clear();
      next = 0;
      const std::lock_guard lock{mutex};
      taken.swap(posted);
    }
    runs_posted = true;
    const auto until = std::chrono::steady_clock::now() + slice;
    while (next < taken.size()) {
      auto action = std::move(taken[next++]);
      action();
      if (next % 8 == 0 && std::chrono::steady_clock::now() >= until) break;
    }
    runs_posted = false;
    if (next < taken.size()) asio::post(context, [this] { run_posted(); });
    run_deferred();
  }
  static constexpr Milliseconds slice{5};
};

Loop::Loop() : state_{std::make_unique<State>()} {}
Loop::~Loop() = default;

void Loop::post(UniqueFunction<void()> action) {
  bool wake = false;
  {
    const std::lock_guard lock{state_->mutex};
    wake = state_->posted.empty();
    state_->posted.push_back(std::move(action));
  }
  if (!wake) return;
  if (is_this_thread()) {
    asio::post(state_->context, [state = state_.get()] { state->run_posted(); });
  } else {
    state_->ring();
  }
}

void Loop::defer(UniqueFunction<void()> action) {
  State& state = *state_;
  state.deferred.push_back(std::move(action));
  if (state.runs_posted || state.deferred.size() > 1) return;
  asio::post(state.context, [&state] { state.run_deferred(); });
}

void Loop::run() {
  state_->thread.store(std::this_thread::get_id(), std::memory_order_relaxed);
  state_->context.restart();
  state_->context.run();
}

bool Loop::poll() {
  state_->thread.store(std::this_thread::get_id(), std::memory_order_relaxed);
  state_->context.restart();
  return state_->context.poll() != 0;
}

void Loop::stop() { state_->context.stop(); }

bool Loop::is_this_thread() const noexcept {
  return state_->thread.load(std::memory_order_relaxed) == std::this_thread::get_id();
}

boost::asio::io_context& Loop::context() noexcept { return state_->context; }
Clock& Loop::clock() noexcept { return state_->clock; }

}  // namespace cofounder
