// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/schedule.hpp"

#include <deque>
#include <optional>
#include <set>

// What is behind ScheduleEngine.  schedule_firing.cpp fires, schedule_engine.cpp changes,
// schedule_refresh.cpp sees what other nodes changed.
namespace cofounder {

// A schedule that fired this far in the future fired while the clock was wrong.
inline constexpr std::chrono::hours schedule_future_max{24};

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
    return [here = std::weak_ptr<int>{alive}, action = std::move(action)](
               Result<T> result) mutable { action(!here.expired(), std::move(result)); };
  }

  // Ends an operation with its answer, which may be the end of this too.
  template <class T>
  void finish(const std::string& name, ScheduleStore::Done<T>& done, Result<T> result) {
    const std::weak_ptr<int> here = alive;
    done(std::move(result));
    if (!here.expired()) release(name);
  }

  void load(std::vector<Schedule> schedules);
  void load_one(Schedule schedule);
  void refresh_later();
  void refresh();
  void merge(std::vector<Schedule> schedules);
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
  // Names that were changed here since a refresh asked the store: its answer may be older.
  std::optional<std::set<std::string>> changed_meanwhile;
  TimerId refresh_timer = 0;
  TimerId timer = 0;
  Mono armed_for{};
  bool started = false;
  bool stopped = false;
  std::shared_ptr<int> alive = std::make_shared<int>(0);
};

}  // namespace cofounder
