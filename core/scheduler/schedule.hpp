// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/function.hpp"
#include "core/scheduler/calendar.hpp"
#include "core/scheduler/task_store.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cofounder {

// A rule that creates tasks at times.
struct Schedule {
  enum class Missed { skip, once, all };  // due times that passed while no daemon ran
  enum class Overlap { allow, skip };     // a due time while a task of this schedule is alive

  std::string name;      // [a-z0-9][a-z0-9._-]{0,63}
  std::string op;
  std::string args;      // JSON object
  std::string language;  // "cron", "calendar" or "every"
  std::string text;      // the expression
  std::string timezone;  // empty: UTC
  Missed missed = Missed::once;
  Overlap overlap = Overlap::skip;
  std::string queue = "default";
  int priority = 0;
  Milliseconds timeout{0};
  int attempts_max = 0;
  Time created_at{};
  std::optional<Time> last_fired;  // the due time that fired last; the next is computed from it
  TaskId last_task = 0;
};

Result<Calendar> calendar_of(const Schedule& schedule);

// Where schedules survive a crash.  Rules of TaskStore hold: asynchronous, handlers on the loop.
class ScheduleStore {
 public:
  template <class T>
  using Done = UniqueFunction<void(Result<T>)>;

  virtual ~ScheduleStore() = default;
  virtual void put_schedule(Schedule schedule, Done<bool> done) = 0;  // true: it is new
  virtual void remove_schedule(std::string name, Done<bool> done) = 0;
  virtual void load_schedules(Done<std::vector<Schedule>> done) = 0;
  // Whether other nodes change schedules here, too: then the engine looks at them now and then.
  virtual bool is_shared() const noexcept { return false; }

  // Inserts the task and marks the schedule as fired for `due`, in one transaction.  Nothing (id 0)
  // when it was fired for `due` or a later time already (another node), is gone, or when
  // `skip_if_alive` and its last task is alive; `due` counts as fired in that last case too.
  virtual void fire(std::string name, Time due, NewTask task, bool skip_if_alive, Time now,
                    Done<TaskId> done) = 0;
};

// Fires schedules.  Of a shared store it takes over what other nodes changed, within
// refresh_every.  On the loop only.  `make_task` turns a schedule into the task to submit (adds
// defaults, checks the op) or says why not; an error is logged and that due time is lost.
class ScheduleEngine {
 public:
  static constexpr Milliseconds refresh_every{30'000};

  ScheduleEngine(ScheduleStore& store, Clock& clock,
                 UniqueFunction<Result<NewTask>(const Schedule&)> make_task);
  ~ScheduleEngine();

  // Loads the schedules, handles due times that were missed, and begins.
  void start(UniqueFunction<void(Result<std::size_t>)> done);
  void stop() noexcept;

  // Code "invalid_..." of Calendar, "never_due" for an expression without a due time.  A changed
  // expression starts anew from now.
  void put(Schedule schedule, ScheduleStore::Done<bool> done);
  void remove(std::string name, ScheduleStore::Done<bool> done);
  // Fires now, besides its times.  Code "not_found".
  void run_now(std::string name, ScheduleStore::Done<TaskId> done);

  const Schedule* find(std::string_view name) const noexcept;  // valid until the next change
  std::vector<const Schedule*> list() const;                   // by name
  std::vector<Time> next_times(std::string_view name, int count) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
