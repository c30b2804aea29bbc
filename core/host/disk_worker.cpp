// SPDX-License-Identifier: Apache-2.0
#include "core/host/disk_worker.hpp"

#include <utility>

namespace cofounder {

void DiskWorker::run(UniqueFunction<void()> job, std::uint64_t bytes) {
  {
    const std::lock_guard guard{mutex_};
    if (stopping_) return;
    if (!thread_.joinable()) thread_ = std::thread{[this] { work(); }};
    waiting_.push_back({std::move(job), bytes});
    bytes_ += bytes;
  }
  changed_.notify_one();
}

void DiskWorker::stop() noexcept {
  std::deque<Job> dropped;
  {
    const std::lock_guard guard{mutex_};
    stopping_ = true;
    dropped.swap(waiting_);
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void DiskWorker::work() {
  std::unique_lock lock{mutex_};
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    Job job = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    job.action();
    job.action = nullptr;  // what it held goes here, not under the lock
    bytes_ -= job.bytes;
    lock.lock();
  }
}

}  // namespace cofounder
