// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/scheduler/due_times.hpp"
#include "core/scheduler/schedule.hpp"

#include <algorithm>
#include <cassert>
#include <deque>
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
// A schedule that fired this far in the future fired while the clock was wrong.
constexpr std::chrono::hours future_max{24};
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

struct ScheduleEngine::State {
  struct Entry {
    Schedule schedule;
    std::optional<Calendar> calendar;  // nothing: it came from the store and is no longer valid
    std::optional<Time> due;           // the next one; nothing: never again
    std::deque<Time> missed;           // due times before `due` that are still to be fired
    Milliseconds again{0};             // wait before the store is asked again; 0: it answered
    std::optional<Mono> again_at;
  };

  State(ScheduleStore& store_, Clock& clock_,
        UniqueFunction<Result<NewTask>(const Schedule&)> make_task_)
      : store{store_}, clock{clock_}, make_task{std::move(make_task_)} {}

  // What changes a schedule runs alone for its name: a put() must not overwrite the mark of a fire
  // that is on its way.  An operation that waits when everything stops is called with true: it
  // answers with an error.
  using Operation = UniqueFunction<void(bool is_stopped)>;
  void run_alone(const std::string& name, Operation operation);
  void release(const std::string& name);
  void stop() noexcept;

  // Wraps a handler of the store, which may be called when this is gone already.
  template <class T, class F>
  ScheduleStore::Done<T> guarded(F action) {
    return [here = std::weak_ptr<int>{alive}, action = std::move(action)](Result<T> result) mutable {
      action(!here.expired(), std::move(result));
    };
  }

  void load(std::vector<Schedule> schedules);
  void look();
  Mono look_at(const std::string& name, Entry& entry);
  void arm(Mono when);
  bool catch_up(Entry& entry, Time now);
  bool fire(const std::string& name, Entry& entry, Time due);
  void fired(const std::string& name, Time due, Result<TaskId> result);
  void move_on(Entry& entry, Time fired_for);
  Result<Entry> make_entry(Schedule schedule) const;
  void put(Schedule schedule, ScheduleStore::Done<bool> done);
  void remove(std::string name, ScheduleStore::Done<bool> done);
  void run_now(std::string name, ScheduleStore::Done<TaskId> done);

  ScheduleStore& store;
  Clock& clock;
  UniqueFunction<Result<NewTask>(const Schedule&)> make_task;
  std::map<std::string, Entry, std::less<>> entries;
  std::map<std::string, std::deque<Operation>> lanes;
  TimerId timer = 0;
  Mono armed_for{};
  bool started = false;
  bool stopped = false;
  std::shared_ptr<int> alive = std::make_shared<int>(0);
};

void ScheduleEngine::State::load(std::vector<Schedule> schedules) {
  const Time now = clock.now();
  for (Schedule& schedule : schedules) {
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
      if (last && *last > now + future_max) {
        log::warning("schedule " + name + " fired for " + to_rfc3339(*last) +
                     ", which is yet to come: the clock was set back; it waits for that time unless "
                     "it is put again");
      }
    }
    entries.insert_or_assign(name, std::move(entry));
  }
  started = true;
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
  const auto entry = entries.find(name);
  if (!started || stopped || entry == entries.end()) return;
  const Mono wake = look_at(entry->first, entry->second);
  if (timer == 0 || wake < armed_for) arm(wake);
}

void ScheduleEngine::State::stop() noexcept {
  stopped = true;
  if (timer != 0) clock.cancel(timer);
  timer = 0;
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
    entry.again = std::clamp(entry.again * 2, again_first, again_most);
    entry.again_at = clock.mono() + entry.again;
    log::warning("schedule " + name + " could not fire: " + result.error().message +
                 ", trying again");
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
    const bool is_in_future = before.last_fired && *before.last_fired > now + future_max;
    if (is_same_rule(before, schedule) && !is_in_future) {
      schedule.created_at = before.created_at;
      schedule.last_fired = before.last_fired;
    }
  }
  auto calendar = calendar_of(schedule);
  if (!calendar) return calendar.error();
  if (!calendar->next(now)) {
    return make_error("never_due", schedule.language + ": the expression is not due within 100 years");
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
    release(name);
    return done(made.error());
  }
  Schedule kept = made->schedule;
  store.put_schedule(std::move(kept), guarded<bool>([this, name, entry = std::move(made).value(),
                                                     done = std::move(done)](
                                                        bool is_here, Result<bool> result) mutable {
    if (is_here) {
      if (result) entries.insert_or_assign(name, std::move(entry));
      release(name);
    }
    done(std::move(result));
  }));
}

void ScheduleEngine::State::remove(std::string name, ScheduleStore::Done<bool> done) {
  store.remove_schedule(name, guarded<bool>([this, name, done = std::move(done)](
                                                bool is_here, Result<bool> result) mutable {
    if (is_here) {
      if (result) entries.erase(name);
      release(name);
    }
    done(std::move(result));
  }));
}

void ScheduleEngine::State::run_now(std::string name, ScheduleStore::Done<TaskId> done) {
  const auto found = entries.find(name);
  auto task = found == entries.end() ? Result<NewTask>{not_found(name)}
                                     : make_task(found->second.schedule);
  if (!task) {
    release(name);
    return done(task.error());
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
    if (is_here) {
      if (result && *result != 0) {
        Schedule& schedule = entries.at(name).schedule;
        schedule.last_task = *result;
        schedule.last_fired = std::max(schedule.last_fired.value_or(due), due);
      }
      release(name);
    }
    if (result && *result == 0) {
      result = make_error("conflict", "another node fired or removed the schedule just now", true);
    }
    done(std::move(result));
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
  state_->run_alone(name, [state = state_.get(), name, done = std::move(done)](
                              bool is_stopped) mutable {
    if (is_stopped) return done(stopping());
    state->remove(name, std::move(done));
  });
}

void ScheduleEngine::run_now(std::string name, ScheduleStore::Done<TaskId> done) {
  state_->run_alone(name, [state = state_.get(), name, done = std::move(done)](
                              bool is_stopped) mutable {
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
