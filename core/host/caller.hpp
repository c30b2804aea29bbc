// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/instance.hpp"

#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace cofounder::host {

// Calls into one loaded plugin, as the loop sees them: limits, deadlines, cancel, grace, and what
// happens to a plugin that does not come back.  On the loop only.
class Caller {
 public:
  using Done = UniqueFunction<void(CallEnd)>;

  // `on_stuck` is called when the plugin is given up: it is never entered again, and all its calls
  // end with code "plugin_quarantined".
  Caller(Instance& instance, UniqueFunction<void(const Error& why)> on_stuck);
  ~Caller();
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  // An operation, route or event: `done` is called once, never before this returned.  Over
  // calls_max it waits, over calls_queued_max it ends with COF_ELIMIT; of events that wait the
  // oldest goes first.  Gives the call's id.
  std::uint64_t begin(const std::shared_ptr<Call>& call, Done done);
  // The same with a deadline that is kept here.
  std::uint64_t begin(const std::shared_ptr<Call>& call, Milliseconds deadline, Done done);

  // A hook, entered with its deadline counted from then.
  void hook(int kind, std::string name, Milliseconds deadline, Workers::Order order,
            std::shared_ptr<const PluginConfig> candidate, Instance::Hook enter, Done done);

  void cancel(const std::shared_ptr<Call>& call, std::int32_t reason);
  // `hooks`: those that run, too.
  void cancel_all(std::int32_t reason, bool hooks = false);
  // Ends what waits and what runs with `status`, and leaks the threads that run the plugin's code.
  void give_up(const Error& why, std::int32_t status = COF_EUNAVAILABLE);
  // The plugin is stopped: no timer of this is left.
  void close();

  bool given_up() const noexcept { return given_up_; }
  int in_flight() const noexcept { return in_flight_; }
  int queued() const noexcept { return queued_; }
  bool idle() const noexcept { return in_flight_ == 0 && queued_ == 0; }
  // Calls `action` once: when no call runs or waits, at once when that is so.
  void when_idle(UniqueFunction<void()> action);

  // Of the last calls: 0.5 gives the median.
  double latency_ms(double quantile) const;
  // Of all calls.
  const Durations& durations() const noexcept { return durations_; }

 private:
  void enter(const std::shared_ptr<Call>& call);
  void pump();
  void drop_oldest_event();
  void on_over(Call& call, const CallEnd& end);
  void on_deadline(const std::shared_ptr<Call>& call, Milliseconds deadline);
  void on_grace(const std::shared_ptr<Call>& call);
  Error stuck_error(const std::string& what) const;
  void watch();
  void keep_latency(Mono started_at);

  Instance& instance_;
  UniqueFunction<void(const Error&)> on_stuck_;
  std::deque<std::shared_ptr<Call>> waiting_;  // in order; those that are over are skipped
  std::deque<std::shared_ptr<Call>> events_;
  int in_flight_ = 0;
  int events_in_flight_ = 0;
  int queued_ = 0;
  bool given_up_ = false;
  TimerId watch_timer_ = 0;
  std::vector<UniqueFunction<void()>> idle_waiters_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for timers
  std::vector<float> latencies_ms_;  // a ring
  std::size_t latency_at_ = 0;
  Durations durations_;
};

}  // namespace cofounder::host
