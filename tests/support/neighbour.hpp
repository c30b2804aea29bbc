// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "tests/support/real_daemon.hpp"

namespace cofounder::test {

// How much slower everything is in this build.
inline constexpr int slowness =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    6;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
    6;
#else
    1;
#endif
#else
    1;
#endif

// What the machine took from a thread that only wanted to wake every millisecond: on a busy machine
// an answer is late without the daemon's doing.
class MachineStalls {
 public:
  MachineStalls();
  ~MachineStalls();
  // All of it, until now.
  std::chrono::nanoseconds sum() const;

 private:
  using Steady = std::chrono::steady_clock;
  std::atomic<bool> over_{false};
  std::atomic<std::int64_t> lost_ns_{0};
  std::atomic<std::int64_t> due_ns_{0};
  std::thread thread_;
};

// A well-behaved plugin (hello) at work beside the trouble, and somebody who asks the daemon every
// 5 ms how it is.
class Neighbour {
 public:
  explicit Neighbour(const RealDaemon& daemon);
  ~Neighbour();

  static constexpr int answers_min = 20;  // however short the trouble was
  struct Report {
    int answers = 0;
    int unanswered = 0;
    std::string unanswered_why;
    double slowest_ms = 0;      // without the machine's stalls, and waits for a processor
    double slowest_raw_ms = 0;  // with them
    int submitted = 0;
    int refused = 0;
    int succeeded = 0;
    int tried_again = 0;
  };
  // Ends the work, waits for the last task, and tells.
  Report finish();

 private:
  void ask();
  void work();

  const RealDaemon& daemon_;
  Report report_;
  std::atomic<bool> over_{false};
  std::thread asking_;
  std::thread working_;
};

}  // namespace cofounder::test
