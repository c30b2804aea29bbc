// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/scheduler/due_times.hpp"
#include "core/scheduler/schedule_engine_state.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace cofounder {
namespace {

constexpr std::size_t missed_max = 1'000;
// A due time that is this late is still on time: the daemon was busy, not away.
constexpr Milliseconds late_max{30'000};
// The wall clock is slewed against the monotonic one: look at it now and then.
constexpr Milliseconds wait_max{600'000};
constexpr Milliseconds again_first{1'000};
constexpr Milliseconds again_most{60'000};

}  // namespace

void ScheduleEngine::State::load(std::vector<Schedule> schedules) {
  for (Schedule& schedule : schedules) load_one(std::move(schedule));
  started = true;
  refresh_later();
}

void ScheduleEngine::State::load_one(Schedule schedule) {
  const std::string name = schedule.name;
  Entry entry;
  entry.schedule = std::move(schedule);
  auto calendar = calendar_of(entry.schedule);
  if (!calendar) {
    log::error("schedule " + name + " does not fire: " + calendar.error().message);
  } else {
    entry.calendar = std::move(calendar).value();
    const auto& last = entry.schedule.last_fired;
    entry.due = entry.calendar->next(last.value_or(entry.schedule.created_at));
    if (last && *last > clock.now() + schedule_future_max) {
      log::warning("schedule " + name + " fired for " + to_rfc3339(*last) +
                   ", which is yet to come: the clock was set back; it waits for that time unless "
                   "it is put again");
    }
  }
  entries.insert_or_assign(name, std::move(entry));
}

void ScheduleEngine::State::run_alone(const std::string& name, Operation operation) {
  if (stopped) return operation(true);
  const auto [lane, is_free] = lanes.try_emplace(name);
  if (is_free) {
    operation(false);
  } else {
    lane->second.push_back(std::move(operation));
  }
}

// Ends the operation that runs for this name.
void ScheduleEngine::State::release(const std::string& name) {
  const auto lane = lanes.find(name);
  assert(lane != lanes.end());
  if (!lane->second.empty()) {
    Operation next = std::move(lane->second.front());
    lane->second.pop_front();
    return next(false);
  }
  lanes.erase(lane);
  if (changed_meanwhile) changed_meanwhile->insert(name);
  const auto entry = entries.find(name);
  if (!started || stopped || entry == entries.end()) return;
  const Mono wake = look_at(entry->first, entry->second);
  if (timer == 0 || wake < armed_for) arm(wake);
}

void ScheduleEngine::State::stop() noexcept {
  stopped = true;
  if (timer != 0) clock.cancel(timer);
  timer = 0;
  if (refresh_timer != 0) clock.cancel(refresh_timer);
  refresh_timer = 0;
  for (auto& [name, lane] : lanes) {
    auto waiting = std::exchange(lane, {});
    for (Operation& operation : waiting) operation(true);
  }
}

// Fires what is due and sets the timer for what comes next.
void ScheduleEngine::State::look() {
  if (!started || stopped) return;
  Mono wake = clock.mono() + wait_max;
  for (auto& [name, entry] : entries) wake = std::min(wake, look_at(name, entry));
  arm(wake);
}

// Fires what is due of one schedule.  When to look again.
Mono ScheduleEngine::State::look_at(const std::string& name, Entry& entry) {
  const Time now = clock.now();
  const Mono mono = clock.mono();
  if (lanes.contains(name)) return Mono::max();  // release() looks again
  if (entry.again_at && *entry.again_at > mono) return *entry.again_at;
  while (catch_up(entry, now)) {
    if (fire(name, entry, entry.missed.front())) return Mono::max();
  }
  if (!entry.due) return Mono::max();
  // At most wait_max also because centuries do not fit into nanoseconds.
  return mono + std::min<Milliseconds>(*entry.due - now, wait_max);
}

void ScheduleEngine::State::arm(Mono when) {
  if (timer != 0) clock.cancel(timer);
  armed_for = std::min(when, clock.mono() + wait_max);
  timer = clock.call_at(armed_for, [this] {
    timer = 0;
    look();
  });
}

// Moves the due times that have come into `missed`, as the policy wants it.  Whether there are any.
bool ScheduleEngine::State::catch_up(Entry& entry, Time now) {
  if (!entry.due || *entry.due > now) return !entry.missed.empty();
  const Calendar& calendar = *entry.calendar;
  const Time first = *entry.due;
  const Time latest = latest_due(calendar, first, now);
  entry.due = calendar.next(latest);
  const bool is_late = now - latest > late_max;
  const std::string& name = entry.schedule.name;

  switch (entry.schedule.missed) {
    case Schedule::Missed::skip:
      if (is_late || first != latest) log::info("schedule " + name + ": missed times are skipped");
      if (!is_late) entry.missed.push_back(latest);
      break;
    case Schedule::Missed::once:
      entry.missed.push_back(latest);
      break;
    case Schedule::Missed::all: {
      const auto times = newest_due(calendar, first, now, missed_max);
      if (times.front() != first) {
        log::warning("schedule " + name + ": more than " + std::to_string(missed_max) +
                     " times were missed; those before " + to_rfc3339(times.front()) +
                     " are dropped");
      }
      entry.missed.insert(entry.missed.end(), times.begin(), times.end());
      break;
    }
  }
  return !entry.missed.empty();
}

// Whether the store was asked; else the due time is lost.
bool ScheduleEngine::State::fire(const std::string& name, Entry& entry, Time due) {
  auto task = make_task(entry.schedule);
  if (!task) {
    log::error("schedule " + name + " lost its time " + to_rfc3339(due) + ": " +
               task.error().message);
    move_on(entry, due);
    return false;
  }
  NewTask made = std::move(task).value();
  made.schedule = name;
  made.run_at = due;
  run_alone(name, [this, &name, &entry, due, &made](bool) {
    store.fire(name, due, std::move(made), entry.schedule.overlap == Schedule::Overlap::skip,
               clock.now(), guarded<TaskId>([this, name, due](bool is_here, Result<TaskId> result) {
                 if (is_here) fired(name, due, std::move(result));
               }));
  });
  return true;
}

void ScheduleEngine::State::fired(const std::string& name, Time due, Result<TaskId> result) {
  Entry& entry = entries.at(name);
  if (!result && result.error().retryable) {
    // The due time stays: the store fires it once, however often it is asked.
    if (entry.again == Milliseconds{0}) {
      log::warning("schedule " + name + " could not fire: " + result.error().message +
                   ", trying again");
    }
    entry.again = std::clamp(entry.again * 2, again_first, again_most);
    entry.again_at = clock.mono() + entry.again;
  } else {
    if (!result) {
      log::error("schedule " + name + " lost its time " + to_rfc3339(due) + ": " +
                 result.error().message);
    } else if (*result != 0) {
      entry.schedule.last_task = *result;
    }
    move_on(entry, due);
  }
  release(name);
}

void ScheduleEngine::State::move_on(Entry& entry, Time fired_for) {
  entry.again = Milliseconds{0};
  entry.again_at.reset();
  entry.schedule.last_fired = std::max(entry.schedule.last_fired.value_or(fired_for), fired_for);
  if (!entry.missed.empty() && entry.missed.front() == fired_for) entry.missed.pop_front();
}

}  // namespace cofounder
