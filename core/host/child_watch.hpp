// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/function.hpp"
#include "core/wire/messages.hpp"

#include <cstdint>
#include <functional>
#include <string>

namespace cofounder::host {

// Looks at the process of an isolated plugin every five seconds: whether it runs at all, and whether
// it computes although nothing is asked of it.  No deadline of a call sees either.
//
// RLIMIT_CPU counts a process' whole life, so one that has worked for a year would have to end.  Here
// the limit moves on while there is work; the kernel ends the process (SIGXCPU) when the daemon does
// not come to it.  The child's sandbox does not let it move the limit itself.  On the loop only.
class ChildWatch {
 public:
  struct Asked {
    bool is_open = false;        // a call is not over, or an entry did not return
    std::uint64_t entries = 0;   // that it was sent in all
  };
  // `asked` says what the plugin has to do; `fault` comes once, with a code and what the process did.
  using Fault = UniqueFunction<void(const char* code, const std::string& what)>;
  ChildWatch(Clock& clock, int pid, Nanoseconds idle_cpu_max);
  ~ChildWatch();
  ChildWatch(const ChildWatch&) = delete;
  ChildWatch& operator=(const ChildWatch&) = delete;

  // The process is up, and gives a beat every two seconds.
  void start(const wire::Pulse& pulse, std::function<Asked()> asked, Fault fault);
  // Which limit the kernel has for it now, that SIGXCPU comes from: all its life's (the hard one,
  // limits.cpu_seconds_max), or the one that moves.
  bool life_is_limit() const noexcept { return life_is_limit_; }

 private:
  void wait();
  void look();
  bool is_silent();
  bool is_idle_and_computes();
  void move_limit(Nanoseconds used) noexcept;

  Clock& clock_;
  const int pid_;
  const Nanoseconds idle_cpu_max_;
  const wire::Pulse* pulse_ = nullptr;
  std::function<Asked()> asked_;
  Fault fault_;
  TimerId timer_ = 0;
  std::uint64_t beats_seen_ = 0;
  int beats_missed_ = 0;
  std::uint64_t entries_seen_ = 0;
  Nanoseconds used_{0};           // of the processors, when it was looked at last
  bool life_is_limit_ = false;
  Nanoseconds used_for_work_{0};  // and when it had something to do, or did little, last
};

// What the process has used of the processors; 0 when there is none.
Nanoseconds cpu_time_of(int pid) noexcept;

}  // namespace cofounder::host
