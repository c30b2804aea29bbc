// SPDX-License-Identifier: Apache-2.0
#include "core/host/child_watch.hpp"

#include "core/base/text.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

namespace cofounder::host {
namespace {

constexpr Milliseconds look_wait{5'000};
constexpr int beats_missed_max = 2;

}  // namespace

Nanoseconds cpu_time_of(int pid) noexcept {
  clockid_t clock{};
  timespec used{};
  if (pid == 0 || ::clock_getcpuclockid(pid, &clock) != 0 || ::clock_gettime(clock, &used) != 0) {
    return Nanoseconds{0};
  }
  return std::chrono::seconds{used.tv_sec} + Nanoseconds{used.tv_nsec};
}

ChildWatch::ChildWatch(Clock& clock, int pid, Nanoseconds idle_cpu_max)
    : clock_{clock}, pid_{pid}, idle_cpu_max_{idle_cpu_max} {
  move_limit(Nanoseconds{0});
}

ChildWatch::~ChildWatch() {
  if (timer_ != 0) clock_.cancel(timer_);
}

void ChildWatch::start(const wire::Pulse& pulse, std::function<Asked()> asked, Fault fault) {
  pulse_ = &pulse;
  asked_ = std::move(asked);
  fault_ = std::move(fault);
  wait();
}

void ChildWatch::wait() {
  timer_ = clock_.call_after(look_wait, [this] {
    timer_ = 0;
    look();
  });
}

void ChildWatch::look() {
  const char* code = nullptr;
  std::string what;
  if (is_silent()) {
    code = "plugin_silent";
    what = "gave no sign of life for " + to_string(look_wait * beats_missed_max);
  } else if (is_idle_and_computes()) {
    code = "plugin_spinning";
    const auto computed = std::chrono::duration_cast<std::chrono::seconds>(used_ - used_for_work_);
    what = "used " + to_string(Milliseconds{computed}) + " of CPU time while nothing was asked of it";
  }
  if (code == nullptr) return wait();
  Fault fault = std::move(fault_);  // may destroy this
  fault(code, what + ", so its process was ended");
}

// The child counts up while it runs at all.  One that is stopped, or cannot get a processor for so
// long, is of no use to anybody.
bool ChildWatch::is_silent() {
  const std::uint64_t beats = pulse_->beats.load(std::memory_order_relaxed);
  beats_missed_ = std::exchange(beats_seen_, beats) == beats ? beats_missed_ + 1 : 0;
  return beats_missed_ >= beats_missed_max;
}

bool ChildWatch::is_idle_and_computes() {
  const Nanoseconds used = cpu_time_of(pid_);
  const Asked asked = asked_();
  const bool idle = !asked.is_open && std::exchange(entries_seen_, asked.entries) == asked.entries;
  // Who looks after itself now and then is not meant: less than a tenth of a processor.
  const bool computes = std::exchange(used_, used) + Nanoseconds{look_wait} / 10 < used;
  if (!idle || !computes) {
    used_for_work_ = used;
    move_limit(used);
    return false;
  }
  return used - used_for_work_ > idle_cpu_max_;
}

// As much more as all processors can give until the limit is moved again, and again as much in case
// that is late; but never beyond the hard limit, which is that of its whole life and ends it a second
// later.  Where the kernel does not allow it (another user's process), look() still counts.
void ChildWatch::move_limit(Nanoseconds used) noexcept {
  const auto processors = std::max<long>(1, ::sysconf(_SC_NPROCESSORS_ONLN));
  const Nanoseconds most = used + idle_cpu_max_ + 2 * processors * Nanoseconds{look_wait};
  rlimit limit{};
  if (::prlimit(pid_, RLIMIT_CPU, nullptr, &limit) != 0) return;
  limit.rlim_cur = static_cast<rlim_t>(std::chrono::ceil<std::chrono::seconds>(most).count());
  life_is_limit_ = limit.rlim_max != RLIM_INFINITY && limit.rlim_cur + 1 >= limit.rlim_max;
  if (life_is_limit_) limit.rlim_cur = limit.rlim_max - 1;
  ::prlimit(pid_, RLIMIT_CPU, &limit, nullptr);
}

}  // namespace cofounder::host
