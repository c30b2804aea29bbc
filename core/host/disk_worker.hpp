// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/function.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>

namespace cofounder {

// Does what may have to wait for a disk, one thing after the other, on a thread of its own that is
// made with the first one.  From any thread.
//
// How much may wait is its users' to decide: they count what they gave, and waiting_bytes() says
// what all of them gave together.
class DiskWorker {
 public:
  DiskWorker() = default;
  ~DiskWorker() { stop(); }
  DiskWorker(const DiskWorker&) = delete;
  DiskWorker& operator=(const DiskWorker&) = delete;

  void run(UniqueFunction<void()> job, std::uint64_t bytes = 0);
  std::uint64_t waiting_bytes() const noexcept { return bytes_; }
  // Ends the job that runs and drops those that wait; later ones are dropped, too.
  void stop() noexcept;

 private:
  struct Job {
    UniqueFunction<void()> action;
    std::uint64_t bytes = 0;
  };
  void work();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::atomic<std::uint64_t> bytes_{0};
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace cofounder
