// SPDX-License-Identifier: Apache-2.0
#include "core/host/caller.hpp"

#include "core/base/text.hpp"
#include "core/host/outcome.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace cofounder::host {

namespace {

constexpr int events_in_flight_max = 16;
constexpr std::size_t events_waiting_max = 1024;
constexpr std::size_t latencies_max = 512;

std::int64_t to_ns(Mono time) noexcept { return time.time_since_epoch().count(); }

CallEnd limit_end(const std::string& plugin, const char* what) {
  CallEnd end;
  end.status = COF_ELIMIT;
  end.message = "plugin \"" + plugin + "\" has as many calls as " + what + " allows";
  return end;
}

CallEnd cancelled_end() {
  CallEnd end;
  end.status = COF_ECANCELLED;
  return end;
}

}  // namespace

Caller::Caller(Instance& instance, UniqueFunction<void(const Error& why)> on_stuck)
    : instance_{instance}, on_stuck_{std::move(on_stuck)} {
  instance_.on_over = [this](Call& call, const CallEnd& end) { on_over(call, end); };
}

Caller::~Caller() {
  *alive_ = false;
  close();
}

std::uint64_t Caller::begin(const std::shared_ptr<Call>& call, Done done) {
  assert(instance_.api().invoke != nullptr);
  instance_.calls().add(call);
  call->done = std::move(done);
  call->started_at = instance_.loop().clock().mono();
  ++queued_;
  const PluginConfig::Limits& limits = instance_.config()->limits;
  if (given_up_) {
    CallEnd end;
    end.status = COF_EUNAVAILABLE;
    end.code = "plugin_quarantined";
    instance_.end_call(call, std::move(end));
  } else if (call->kind == COF_CALL_EVENT) {
    if (events_.size() >= events_waiting_max) drop_oldest_event();
    events_.push_back(call);
  } else if (in_flight_ >= limits.calls_max && queued_ > limits.calls_queued_max) {
    instance_.end_call(call, limit_end(instance_.id(), "limits.calls_queued_max"));
  } else {
    waiting_.push_back(call);
  }
  pump();
  watch();
  return call->id;
}

std::uint64_t Caller::begin(const std::shared_ptr<Call>& call, Milliseconds deadline, Done done) {
  call->deadline_ns = to_ns(instance_.loop().clock().mono() + deadline);
  call->timer = instance_.loop().clock().call_after(deadline, [this, call, alive = alive_] {
    call->timer = 0;
    if (!*alive) return;
    cancel(call, COF_CANCEL_DEADLINE);
  });
  return begin(call, std::move(done));
}

void Caller::pump() {
  const auto next = [](std::deque<std::shared_ptr<Call>>& from) {
    while (!from.empty()) {
      std::shared_ptr<Call> call = std::move(from.front());
      from.pop_front();
      if (!call->over) return call;
    }
    return std::shared_ptr<Call>{};
  };
  const int calls_max = instance_.config()->limits.calls_max;
  while (!given_up_ && in_flight_ < calls_max) {
    const std::shared_ptr<Call> call = next(waiting_);
    if (call == nullptr) break;
    enter(call);
  }
  while (!given_up_ && events_in_flight_ < events_in_flight_max) {
    const std::shared_ptr<Call> call = next(events_);
    if (call == nullptr) break;
    ++events_in_flight_;
    enter(call);
  }
}

void Caller::enter(const std::shared_ptr<Call>& call) {
  call->on_worker = true;
  --queued_;
  ++in_flight_;
  ++instance_.counters().calls;
  instance_.run(
      call->strand, [instance = &instance_, call] { instance->enter_invoke(call); },
      Workers::Order::begins);
}

void Caller::drop_oldest_event() {
  while (!events_.empty()) {
    const std::shared_ptr<Call> oldest = std::move(events_.front());
    events_.pop_front();
    if (oldest->over) continue;
    ++instance_.counters().events_dropped;
    instance_.end_call(oldest, cancelled_end());
    return;
  }
}

void Caller::on_over(Call& call, const CallEnd& end) {
  if (call.kind < COF_CALL_OPERATION || call.kind > COF_CALL_EVENT) return;
  if (call.on_worker) {
    --in_flight_;
    if (call.kind == COF_CALL_EVENT) --events_in_flight_;
    if (end.status < 0) ++instance_.counters().failures;
    keep_latency(call.started_at);
  } else {
    --queued_;
  }
  pump();
  if (!idle()) return;
  // After this call's done(): its outcome comes before what waits for the last one.
  for (UniqueFunction<void()>& action : std::exchange(idle_waiters_, {})) {
    instance_.loop().post([alive = alive_, action = std::move(action)]() mutable {
      if (*alive) action();
    });
  }
}

void Caller::when_idle(UniqueFunction<void()> action) {
  if (idle()) return action();
  idle_waiters_.push_back(std::move(action));
}

void Caller::hook(int kind, std::string name, Milliseconds deadline, Workers::Order order,
                  std::shared_ptr<const PluginConfig> candidate, Instance::Hook enter, Done done) {
  const auto call = std::make_shared<Call>();
  call->kind = kind;
  call->name = std::move(name);
  call->candidate = std::move(candidate);
  call->done = [this_call = call.get(), deadline, done = std::move(done)](CallEnd end) mutable {
    // One that ended well within its grace time is late, but good.
    if (end.status != COF_OK && this_call->cancel_reason == COF_CANCEL_DEADLINE) {
      end.status = COF_ETIMEDOUT;
      end.code = "timed_out";
      end.message = "it did not end within " + to_string(deadline);
    }
    done(std::move(end));
  };
  instance_.calls().add(call);
  call->timer = instance_.loop().clock().call_after(
      deadline, [this, call, deadline, alive = alive_] {
        if (*alive) on_deadline(call, deadline);
      });
  instance_.run(
      call->strand,
      [instance = &instance_, call, deadline, enter = std::move(enter)]() mutable {
        instance->enter_hook(call, deadline, enter);
      },
      order);
}

void Caller::on_deadline(const std::shared_ptr<Call>& call, Milliseconds deadline) {
  call->timer = 0;
  if (call->over) return;
  if (call->stage == Call::entered) {
    // It may have been entered some time after it was posted.
    const Mono until{Nanoseconds{call->deadline_ns}};
    if (until > instance_.loop().clock().mono()) {
      call->timer = instance_.loop().clock().call_at(
          until, [this, call, deadline, alive = alive_] {
            if (*alive) on_deadline(call, deadline);
          });
      return;
    }
    cancel(call, COF_CANCEL_DEADLINE);
    return;
  }
  int expected = Call::waiting;
  if (!call->stage.compare_exchange_strong(expected, Call::skipped)) {
    on_deadline(call, deadline);  // a worker entered it just now
    return;
  }
  CallEnd end;
  end.status = COF_ELIMIT;
  end.code = "plugin_busy";
  end.message = "plugin \"" + instance_.id() + "\" was busy with other calls, so that " +
                name_of(*call) + " could not begin";
  instance_.end_call(call, std::move(end));
}

void Caller::cancel(const std::shared_ptr<Call>& call, std::int32_t reason) {
  if (call->over || call->cancel_reason != 0) return;
  call->cancel_reason = reason;
  int expected = Call::waiting;
  if (call->stage.compare_exchange_strong(expected, Call::skipped)) {
    instance_.end_call(call, cancelled_end());
    return;
  }
  Clock& clock = instance_.loop().clock();
  const Mono grace = clock.mono() + instance_.config()->deadlines.grace;
  if (call->timer != 0) clock.cancel(call->timer);
  call->timer = clock.call_at(grace, [this, call, alive = alive_] {
    if (*alive) on_grace(call);
  });
  instance_.cancel_operations(*call);
  instance_.run(call->strand, [instance = &instance_, call, at = to_ns(grace)] {
    instance->enter_cancel(call, at);
  });
}

void Caller::cancel_all(std::int32_t reason, bool hooks) {
  for (const auto& call : instance_.calls().all()) {
    const bool is_hook = call->kind < COF_CALL_OPERATION || call->kind > COF_CALL_EVENT;
    if (hooks || !is_hook) cancel(call, reason);
  }
}

// The call is not over although its grace time is.  Is the plugin to blame?
void Caller::on_grace(const std::shared_ptr<Call>& call) {
  call->timer = 0;
  if (call->over) return;
  const bool inside = instance_.inside_since(*call) != 0;
  const bool ignored = call->cancel_delivered && call->replies_owed == 0;
  if (inside || ignored) {
    give_up(stuck_error((inside ? "did not return from its " : "did not end its ") +
                        name_of(*call) + " within the grace time"));
    return;
  }
  // The plugin could not know of the cancel, for other calls keep its workers busy; or it waits
  // for this host.  Only this call ends; what it still waits for is cancelled.
  instance_.end_call(call, cancelled_end());
}

Error Caller::stuck_error(const std::string& what) const {
  Error why;
  const bool isolated = instance_.proxy() != nullptr;
  why.code = isolated ? "plugin_stuck" : "plugin_quarantined";
  why.message = "plugin \"" + instance_.id() + "\" " + what +
                (isolated ? ", so its process was ended" : ", so it is given up");
  why.retryable = true;
  why.plugin = instance_.id();
  why.hint = isolated ? "cofounderctl plugin start " + instance_.id()
                      : "restart the daemon to use it again";
  return why;
}

// Entries that no call's deadline watches (replies to the plugin itself, what an entry does after
// it completed its call) get as long as a probe.  Looked at only while calls wait.
void Caller::watch() {
  if (watch_timer_ != 0 || given_up_ || idle()) return;
  const Milliseconds most = instance_.config()->deadlines.probe;
  watch_timer_ = instance_.loop().clock().call_after(most, [this, most] {
    watch_timer_ = 0;
    const Mono since = instance_.loop().clock().mono() - most;
    if (!given_up_ && instance_.unwatched_since_before(to_ns(since))) {
      give_up(stuck_error("did not return from an entry"));
    } else {
      watch();
    }
  });
}

void Caller::close() {
  if (watch_timer_ != 0) instance_.loop().clock().cancel(std::exchange(watch_timer_, 0));
}

void Caller::give_up(const Error& why, std::int32_t status) {
  if (given_up_) return;
  given_up_ = true;
  instance_.set_gone();
  if (instance_.proxy() == nullptr) instance_.workers().abandon();
  on_stuck_(why);
  for (const auto& call : instance_.calls().all()) {
    CallEnd end;
    end.status = status;
    end.code = why.code;
    end.message = why.message;
    end.retryable = 1;
    instance_.end_call(call, std::move(end));
  }
  waiting_.clear();
  events_.clear();
  instance_.end_own_call();
}

void Caller::keep_latency(Mono started_at) {
  const auto took = instance_.loop().clock().mono() - started_at;
  durations_.observe(std::chrono::duration<double>(took).count());
  const float ms = std::chrono::duration<float, std::milli>(took).count();
  if (latencies_ms_.size() < latencies_max) {
    latencies_ms_.push_back(ms);
  } else {
    latencies_ms_[latency_at_++ % latencies_max] = ms;
  }
}

double Caller::latency_ms(double quantile) const {
  if (latencies_ms_.empty()) return 0;
  std::vector<float> sorted = latencies_ms_;
  const auto at = static_cast<std::ptrdiff_t>(static_cast<double>(sorted.size() - 1) * quantile);
  std::nth_element(sorted.begin(), sorted.begin() + at, sorted.end());
  return static_cast<double>(sorted[static_cast<std::size_t>(at)]);
}

}  // namespace cofounder::host
