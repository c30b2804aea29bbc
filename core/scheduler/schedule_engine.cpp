// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/scheduler/schedule_engine_state.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {
namespace {

constexpr int next_times_max = 1'000;

bool is_schedule_name(std::string_view name) noexcept {
  const auto is_plain = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !name.empty() && name.size() <= 64 && is_plain(name.front()) &&
         std::all_of(name.begin(), name.end(), [is_plain](char c) {
           return is_plain(c) || c == '.' || c == '_' || c == '-';
         });
}

Error not_found(const std::string& name) {
  return make_error("not_found", "there is no schedule \"" + name + "\"");
}

Error stopping() { return make_error("stopping", "the schedules are stopped", true); }

bool is_same_rule(const Schedule& a, const Schedule& b) noexcept {
  return a.language == b.language && a.text == b.text && a.timezone == b.timezone;
}

}  // namespace

Result<Calendar> calendar_of(const Schedule& schedule) {
  if (schedule.language == "cron") return Calendar::cron(schedule.text, schedule.timezone);
  if (schedule.language == "calendar") return Calendar::calendar(schedule.text, schedule.timezone);
  if (schedule.language == "every") {
    const auto interval = parse_duration(schedule.text);
    if (!interval) return interval.error();
    return Calendar::every(*interval, schedule.created_at);
  }
  return make_error("invalid_schedule", "a schedule is one of cron, calendar and every");
}

// Says from when on the due times of a schedule that is put count, and makes its entry.
Result<ScheduleEngine::State::Entry> ScheduleEngine::State::make_entry(Schedule schedule) const {
  const Time now = clock.now();
  schedule.created_at = now;
  schedule.last_fired.reset();
  schedule.last_task = 0;
  const auto old = entries.find(schedule.name);
  if (old != entries.end()) {
    const Schedule& before = old->second.schedule;
    schedule.last_task = before.last_task;
    const bool is_in_future = before.last_fired && *before.last_fired > now + schedule_future_max;
    if (is_same_rule(before, schedule) && !is_in_future) {
      schedule.created_at = before.created_at;
      schedule.last_fired = before.last_fired;
    }
  }
  auto calendar = calendar_of(schedule);
  if (!calendar) return calendar.error();
  if (!calendar->next(now)) {
    return make_error("never_due",
                      schedule.language + ": the expression is not due within 100 years");
  }
  Entry entry;
  entry.due = calendar->next(schedule.last_fired.value_or(schedule.created_at));
  entry.calendar = std::move(calendar).value();
  entry.schedule = std::move(schedule);
  return entry;
}

void ScheduleEngine::State::put(Schedule schedule, ScheduleStore::Done<bool> done) {
  const std::string name = schedule.name;
  auto made = make_entry(std::move(schedule));
  if (!made) {
    return finish<bool>(name, done, made.error());
  }
  Schedule kept = made->schedule;
  store.put_schedule(std::move(kept), guarded<bool>([this, name, entry = std::move(made).value(),
                                                     done = std::move(done)](
                                                        bool is_here, Result<bool> result) mutable {
                       if (!is_here) return done(std::move(result));
                       if (result) entries.insert_or_assign(name, std::move(entry));
                       finish<bool>(name, done, std::move(result));
                     }));
}

void ScheduleEngine::State::remove(std::string name, ScheduleStore::Done<bool> done) {
  store.remove_schedule(name, guarded<bool>([this, name, done = std::move(done)](
                                                bool is_here, Result<bool> result) mutable {
                          if (!is_here) return done(std::move(result));
                          if (result) entries.erase(name);
                          finish<bool>(name, done, std::move(result));
                        }));
}

void ScheduleEngine::State::run_now(std::string name, ScheduleStore::Done<TaskId> done) {
  const auto found = entries.find(name);
  auto task =
      found == entries.end() ? Result<NewTask>{not_found(name)} : make_task(found->second.schedule);
  if (!task) {
    return finish<TaskId>(name, done, task.error());
  }
  // It is marked in the store as any other, but never for a regular due time or one after it:
  // those still have to fire.
  const Entry& entry = found->second;
  const Time now = clock.now();
  Time due = now;
  if (!entry.missed.empty()) {
    due = std::min(due, entry.missed.front() - Milliseconds{1});
  } else if (entry.due) {
    due = std::min(due, *entry.due - Milliseconds{1});
  }
  const auto& last = entry.schedule.last_fired;
  if (last) due = std::max(due, *last + Milliseconds{1});

  NewTask made = std::move(task).value();
  made.schedule = name;
  made.run_at = now;
  store.fire(name, due, std::move(made), /*skip_if_alive=*/false, now,
             guarded<TaskId>([this, name, due, done = std::move(done)](
                                 bool is_here, Result<TaskId> result) mutable {
               if (result && *result == 0) {
                 result = make_error("conflict",
                                     "another node fired or removed the schedule just now", true);
               }
               if (!is_here) return done(std::move(result));
               if (result) {
                 Schedule& schedule = entries.at(name).schedule;
                 schedule.last_task = *result;
                 schedule.last_fired = std::max(schedule.last_fired.value_or(due), due);
               }
               finish<TaskId>(name, done, std::move(result));
             }));
}

ScheduleEngine::ScheduleEngine(ScheduleStore& store, Clock& clock,
                               UniqueFunction<Result<NewTask>(const Schedule&)> make_task)
    : state_{std::make_unique<State>(store, clock, std::move(make_task))} {
  clock.on_wall_jump([state = state_.get(), here = std::weak_ptr<int>{state_->alive}] {
    if (!here.expired()) state->look();
  });
}

ScheduleEngine::~ScheduleEngine() { stop(); }

void ScheduleEngine::start(UniqueFunction<void(Result<std::size_t>)> done) {
  State& state = *state_;
  state.store.load_schedules(state.guarded<std::vector<Schedule>>(
      [&state, done = std::move(done)](bool is_here, Result<std::vector<Schedule>> result) mutable {
        if (!result) return done(result.error());
        const std::size_t count = result->size();
        if (is_here) {
          state.load(std::move(result).value());
          state.look();
        }
        done(count);
      }));
}

void ScheduleEngine::stop() noexcept { state_->stop(); }

void ScheduleEngine::put(Schedule schedule, ScheduleStore::Done<bool> done) {
  if (!is_schedule_name(schedule.name)) {
    return done(make_error("invalid_name", "name: it has to match [a-z0-9][a-z0-9._-]{0,63}"));
  }
  const std::string name = schedule.name;
  state_->run_alone(name, [state = state_.get(), schedule = std::move(schedule),
                           done = std::move(done)](bool is_stopped) mutable {
    if (is_stopped) return done(stopping());
    state->put(std::move(schedule), std::move(done));
  });
}

void ScheduleEngine::remove(std::string name, ScheduleStore::Done<bool> done) {
  state_->run_alone(name,
                    [state = state_.get(), name, done = std::move(done)](bool is_stopped) mutable {
                      if (is_stopped) return done(stopping());
                      state->remove(name, std::move(done));
                    });
}

void ScheduleEngine::run_now(std::string name, ScheduleStore::Done<TaskId> done) {
  state_->run_alone(name,
                    [state = state_.get(), name, done = std::move(done)](bool is_stopped) mutable {
                      if (is_stopped) return done(stopping());
                      state->run_now(name, std::move(done));
                    });
}

const Schedule* ScheduleEngine::find(std::string_view name) const noexcept {
  const auto found = state_->entries.find(name);
  return found == state_->entries.end() ? nullptr : &found->second.schedule;
}

std::vector<const Schedule*> ScheduleEngine::list() const {
  std::vector<const Schedule*> schedules;
  schedules.reserve(state_->entries.size());
  for (const auto& [name, entry] : state_->entries) schedules.push_back(&entry.schedule);
  return schedules;
}

std::vector<Time> ScheduleEngine::next_times(std::string_view name, int count) const {
  std::vector<Time> times;
  const auto found = state_->entries.find(name);
  if (found == state_->entries.end() || !found->second.calendar) return times;
  const Time now = state_->clock.now();
  Time after = std::max(now, found->second.schedule.last_fired.value_or(now));
  count = std::min(count, next_times_max);
  for (int i = 0; i < count; ++i) {
    const auto due = found->second.calendar->next(after);
    if (!due) break;
    times.push_back(*due);
    after = *due;
  }
  return times;
}

}  // namespace cofounder
