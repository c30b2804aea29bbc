// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"
#include "core/scheduler/schedule_engine_state.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace cofounder {
namespace {

// Everything that a put() says.
auto definition(const Schedule& s) {
  return std::tie(s.op, s.args, s.language, s.text, s.timezone, s.missed, s.overlap, s.queue,
                  s.priority, s.timeout, s.attempts_max, s.created_at);
}

}  // namespace

void ScheduleEngine::State::refresh_later() {
  if (stopped || !store.is_shared() || refresh_timer != 0) return;
  refresh_timer = clock.call_after(refresh_every, [this] {
    refresh_timer = 0;
    refresh();
  });
}

void ScheduleEngine::State::refresh() {
  changed_meanwhile.emplace();
  store.load_schedules(guarded<std::vector<Schedule>>(
      [this](bool is_here, Result<std::vector<Schedule>> result) {
        if (!is_here || stopped) return;
        // A store that is away says so elsewhere; it is asked again soon.
        if (result) merge(std::move(result).value());
        changed_meanwhile.reset();
        refresh_later();
        look();
      }));
}

// Takes over what others changed.  A schedule that is being changed here is left for the next time.
void ScheduleEngine::State::merge(std::vector<Schedule> schedules) {
  const auto is_ours = [this](const std::string& name) {
    return lanes.contains(name) || changed_meanwhile->contains(name);
  };
  std::set<std::string, std::less<>> there;
  for (Schedule& schedule : schedules) {
    there.insert(schedule.name);
    if (is_ours(schedule.name)) continue;
    const auto found = entries.find(schedule.name);
    if (found == entries.end() || definition(found->second.schedule) != definition(schedule)) {
      log::info("schedule " + schedule.name + " was changed by another node");
      load_one(std::move(schedule));
      continue;
    }
    Entry& entry = found->second;
    if (!schedule.last_fired) continue;
    // What another node fired need not be asked for.
    const Time fired = *schedule.last_fired;
    if (entry.schedule.last_fired && *entry.schedule.last_fired >= fired) continue;
    entry.schedule.last_fired = fired;
    entry.schedule.last_task = schedule.last_task;
    while (!entry.missed.empty() && entry.missed.front() <= fired) entry.missed.pop_front();
    if (entry.due && *entry.due <= fired) entry.due = entry.calendar->next(fired);
  }
  std::erase_if(entries, [&](const auto& entry) {
    const bool is_gone = !there.contains(entry.first) && !is_ours(entry.first);
    if (is_gone) log::info("schedule " + entry.first + " was removed by another node");
    return is_gone;
  });
}

}  // namespace cofounder
