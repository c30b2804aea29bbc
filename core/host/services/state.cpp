// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/state.hpp"

#include "core/host/services/services.hpp"

#include <algorithm>
#include <array>

namespace cofounder::host {

bool TokenBucket::take(Mono now, double per_second) {
  const std::lock_guard guard{mutex_};
  if (!at_) {
    tokens_ = per_second;
  } else if (now > *at_) {
    const std::chrono::duration<double> passed = now - *at_;
    tokens_ = std::min(per_second, tokens_ + passed.count() * per_second);
  }
  at_ = at_ ? std::max(*at_, now) : now;
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

// With thousands of folders a look takes milliseconds, and each new folder asks for one: at most a
// tenth of the time goes into it.
bool ScratchMeter::look(Instance& instance) {
  constexpr std::chrono::milliseconds short_look{1};
  const Clock& clock = clock_of(instance);
  const std::lock_guard guard{mutex_};
  const Mono begin = clock.mono();
  if (room_ > 0 && begin < next_look_) return true;
  measure(instance);
  const Mono end = clock.mono();
  next_look_ = end - begin < short_look ? end : end + 9 * (end - begin);
  return room_ > 0;
}

void ScratchMeter::measure(Instance& instance) {
  const std::uint64_t bytes_max = instance.config()->limits.scratch_bytes_max;
  const std::uint64_t used = instance.world().files.scratch_bytes_of(instance.id());
  room_ = bytes_max > used ? bytes_max - used : 0;
}

bool ScratchMeter::take(Instance& instance, std::uint64_t bytes) {
  const std::lock_guard guard{mutex_};
  if (bytes > room_) measure(instance);
  if (bytes > room_) return false;
  room_ -= bytes;
  return true;
}

CallSide::CallSide(std::string_view given) {
  auto document = json::parse(given);
  if (document) args.emplace(std::move(*document));
}

ServiceState::ServiceState(Instance& instance) : instance_{instance} {
  const auto family = instance.world().metrics.add_family(
      "", {.kind = MetricRegistry::Kind::counter,
           .name = "plugin_left_open",
           .help = "Files, timers, transfers and programs that plugins left to the daemon to end.",
           .unit = {},
           .labels = {"plugin", "kind"},
           .bounds = {}});
  left_open_family_ = family.value();
}

std::shared_ptr<CallSide> ServiceState::side_of(const std::shared_ptr<Call>& call) {
  {
    const std::lock_guard guard{mutex_};
    const auto found = sides_.find(call->id);
    if (found != sides_.end()) return found->second;
  }
  auto side = std::make_shared<CallSide>(call->args);  // parsed without the lock
  {
    const std::lock_guard guard{mutex_};
    side = sides_.emplace(call->id, side).first->second;
  }
  // The call may have ended meanwhile, and call_over() looked for it in vain.
  if (call->over) {
    drop_side(call->id);
    return nullptr;
  }
  return side;
}

void ServiceState::drop_side(std::uint64_t call_id) noexcept {
  std::shared_ptr<CallSide> side;  // destroyed without the lock
  const std::lock_guard guard{mutex_};
  const auto found = sides_.find(call_id);
  if (found == sides_.end()) return;
  side = std::move(found->second);
  sides_.erase(found);
}

void ServiceState::count_left_open(LeftOpen what) noexcept {
  constexpr std::array<std::string_view, 4> kinds = {"file", "timer", "transfer", "program"};
  const std::array<std::string_view, 2> labels = {instance_.id(),
                                                  kinds[static_cast<std::size_t>(what)]};
  instance_.world().metrics.add("", left_open_family_, labels, 1);
}

void ServiceStateDeleter::operator()(ServiceState* state) const noexcept { delete state; }

ServiceStatePtr make_service_state(Instance& instance) {
  ServiceStatePtr state{new ServiceState{instance}};
  if (instance.manifest().permissions.metrics) {
    // Not now: neither the instance nor what it asks is complete yet.
    state->core_metrics_timer = clock_of(instance).call_after(
        Nanoseconds{0}, [&instance] { begin_core_metrics(instance); });
  }
  return state;
}

void call_over(Instance& instance, Call& call) noexcept {
  close_files(instance, call);
  if (call.id == 0) end_core_metrics(instance);
  if (call.kind == COF_CALL_OPERATION) {
    instance.world().files.attempt_over(call.attempt.task, call.attempt.attempt);
  }
  if (call.route != nullptr) {  // what waits for the client to read ends, and holds the call
    call.route->on_drain = nullptr;
    call.route->held.reset();
  }
  instance.services().drop_side(call.id);
}

}  // namespace cofounder::host
