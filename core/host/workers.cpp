// SPDX-License-Identifier: Apache-2.0
#include "core/host/workers.hpp"

#include <algorithm>
#include <atomic>
#include <cassert>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <pthread.h>
#include <csignal>
#include <ctime>
#include <thread>
#include <utility>
#include <vector>

namespace cofounder::host {

struct Workers::State : std::enable_shared_from_this<Workers::State> {
  std::mutex mutex;
  std::condition_variable changed;
  bool serial = true;
  bool closing = false;
  std::atomic<bool> abandoned{false};
  int alive = 0;       // threads that have not ended
  int sleeping = 0;
  int wakes_owed = 0;  // the loop's own
  std::vector<std::thread> threads;

  // Serial: what came since the thread looked last.
  std::vector<Job> incoming;

  // Parallel.
  std::deque<Strand*> ready;
  std::deque<Strand*> exclusive;  // the front job of each waits to be alone
  std::vector<Strand*> busy;      // the front job of each runs
  bool alone = false;             // an exclusive job runs

  void wake_later(Loop& loop);
  void wake_now() {
    for (; wakes_owed > 0; --wakes_owed) changed.notify_one();
  }
  void run_serial();
  void run_parallel();
  Strand* pick();
  void run_front(std::unique_lock<std::mutex>& lock, Strand& strand);

  static void thread_main(const std::shared_ptr<State>& state) {
    if (state->serial) {
      state->run_serial();
    } else {
      state->run_parallel();
    }
    const std::lock_guard lock{state->mutex};
    --state->alive;
  }
};

void Workers::State::wake_later(Loop& loop) {
  // In a long burst the worker starts on the first jobs while the loop prepares the rest.
  constexpr int burst = 16;
  if (++wakes_owed == 1) loop.defer([state = shared_from_this()] { state->wake_now(); });
  if (wakes_owed == burst) wake_now();
}

void Workers::State::run_serial() {
  std::vector<Job> batch;
  for (;;) {
    {
      std::unique_lock lock{mutex};
      ++sleeping;
      changed.wait(lock, [this] { return !incoming.empty() || closing || abandoned; });
      --sleeping;
      if (abandoned || incoming.empty()) return;
      batch.swap(incoming);
    }
    for (Job& job : batch) {
      Job now = std::move(job);
      now();
      if (abandoned) return;
    }
    batch.clear();
  }
}

// The next strand whose front job may run now.
Workers::Strand* Workers::State::pick() {
  if (alone) return nullptr;
  for (auto it = ready.begin(); it != ready.end();) {
    Strand* const strand = *it;
    const Order order = strand->jobs_.front().first;
    if (order == Order::exclusive) {
      exclusive.push_back(strand);
      it = ready.erase(it);
    } else if (order == Order::begins && !exclusive.empty()) {
      ++it;  // new calls wait, so that the exclusive job gets its turn
    } else {
      ready.erase(it);
      return strand;
    }
  }
  if (!busy.empty() || exclusive.empty()) return nullptr;
  Strand* const strand = exclusive.front();
  exclusive.pop_front();
  alone = true;
  return strand;
}

void Workers::State::run_front(std::unique_lock<std::mutex>& lock, Strand& strand) {
  Job job = std::move(strand.jobs_.front().second);
  strand.jobs_.pop_front();
  busy.push_back(&strand);
  lock.unlock();
  job();
  lock.lock();
  if (abandoned) return;
  std::erase(busy, &strand);
  const bool was_alone = std::exchange(alone, false) || !exclusive.empty();
  if (strand.jobs_.empty()) {
    strand.queued_ = false;
  } else {
    ready.push_back(&strand);
  }
  if (was_alone && sleeping > 0) changed.notify_all();
  // The job may hold the call that the strand belongs to: let go of it last, without the lock.
  lock.unlock();
  job = nullptr;
  lock.lock();
}

void Workers::State::run_parallel() {
  std::unique_lock lock{mutex};
  for (;;) {
    if (abandoned) return;
    if (Strand* const strand = pick()) {
      run_front(lock, *strand);
      if (abandoned) return;
      continue;
    }
    if (closing && ready.empty() && exclusive.empty() && busy.empty()) {
      changed.notify_all();
      return;
    }
    ++sleeping;
    changed.wait(lock);
    --sleeping;
  }
}

Workers::Workers(const std::string& name, int threads, Loop& loop)
    : loop_{loop}, state_{std::make_shared<State>()} {
  assert(threads > 0);
  state_->serial = threads == 1;
  state_->alive = threads;
  // Signals are for the daemon's main thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  for (int i = 0; i < threads; ++i) {
    state_->threads.emplace_back([state = state_] { State::thread_main(state); });
    pthread_setname_np(state_->threads.back().native_handle(), name.substr(0, 15).c_str());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

Workers::~Workers() { assert(state_->threads.empty()); }

void Workers::post(Strand& strand, Job job, Order order) {
  const bool on_loop = loop_.is_this_thread();
  bool wake = false;
  {
    const std::lock_guard lock{state_->mutex};
    if (state_->abandoned || state_->closing) return;
    wake = state_->sleeping > 0;
    if (state_->serial) {
      state_->incoming.push_back(std::move(job));
      wake = wake && (state_->incoming.size() == 1 || on_loop);
    } else {
      strand.jobs_.emplace_back(order, std::move(job));
      wake = wake && !strand.queued_;
      if (!strand.queued_) state_->ready.push_back(&strand);
      strand.queued_ = true;
    }
  }
  // Not under the lock, or the thread that wakes would run into it.
  if (wake && on_loop) {
    state_->wake_later(loop_);
  } else if (wake) {
    state_->changed.notify_one();
  }
}

void Workers::close() {
  {
    const std::lock_guard lock{state_->mutex};
    state_->closing = true;
    state_->changed.notify_all();
  }
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
}

void Workers::abandon() {
  std::vector<Job> dropped;  // destroyed without the lock
  {
    const std::lock_guard lock{state_->mutex};
    state_->abandoned = true;
    dropped.swap(state_->incoming);
    const auto drop = [&](auto& strands) {
      for (Strand* strand : strands) {
        for (auto& [order, job] : strand->jobs_) dropped.push_back(std::move(job));
        strand->jobs_.clear();
      }
      strands.clear();
    };
    drop(state_->ready);
    drop(state_->exclusive);
    drop(state_->busy);
    state_->changed.notify_all();
  }
  for (std::thread& thread : state_->threads) thread.detach();
  state_->threads.clear();
}

bool Workers::stuck() const noexcept {
  const std::lock_guard lock{state_->mutex};
  return state_->abandoned && state_->alive > 0;
}

double Workers::cpu_seconds() const noexcept {
  double seconds = 0;
  for (std::thread& thread : state_->threads) {
    clockid_t clock{};
    timespec used{};
    if (pthread_getcpuclockid(thread.native_handle(), &clock) == 0 &&
        clock_gettime(clock, &used) == 0) {
      seconds += static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) * 1e-9;
    }
  }
  return seconds;
}

int Workers::threads() const noexcept { return static_cast<int>(state_->threads.size()); }

}  // namespace cofounder::host
