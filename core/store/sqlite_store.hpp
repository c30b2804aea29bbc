// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/sqlite_upkeep.hpp"
#include "core/store/sqlite_writer.hpp"
#include "core/store/stores.hpp"

#include <string>
#include <utility>
#include <vector>

namespace cofounder {

// The face of the SQLite store on the loop: turns calls into operations for its two threads.
class SqliteStore final : public TaskStore,
                          public ScheduleStore,
                          public KeyValueStore,
                          public UsageStore {
 public:
  template <class T>
  using Done = TaskStore::Done<T>;

  SqliteStore(Loop& loop, const Clock& clock, SqliteOptions options)
      : clock_{clock}, upkeep_{loop, options}, writer_{loop, std::move(options)} {}

  StoreUpkeep& upkeep() noexcept { return upkeep_; }

  void open(Listener listener, Done<Opened> done) override;
  void submit(std::vector<NewTask> tasks, Time now, Done<std::vector<Submitted>> done) override;
  void set_limits(ClaimLimits limits) override;
  void claim_due(Time now) override;
  void finish(std::vector<Verdict> verdicts, Done<std::vector<bool>> done) override;
  void checkpoint(AttemptKey attempt, std::string state, Done<bool> done) override;
  void cancel(TaskId task, Time now, Done<CancelResult> done) override;
  void retry(TaskId task, Time now, Done<RetryResult> done) override;
  void get(TaskId task, Done<std::optional<TaskRecord>> done) override;
  void list(TaskQuery query, Done<TaskPage> done) override;
  void counts(Time since, Done<TaskCounts> done) override;
  void purge(Time before, int rows_max, Done<std::int64_t> done) override;
  void close(UniqueFunction<void()> done) override;

  void put_schedule(Schedule schedule, Done<bool> done) override;
  void remove_schedule(std::string name, Done<bool> done) override;
  void load_schedules(Done<std::vector<Schedule>> done) override;
  void fire(std::string name, Time due, NewTask task, bool skip_if_alive, Time now,
            Done<TaskId> done) override;

  void kv_get(std::string space, std::string key, Time now,
              Done<std::optional<Value>> done) override;
  void kv_put(std::string space, std::string key, std::string bytes, std::int64_t expected,
              Time expires, Time now, std::int64_t space_bytes_max, Done<Written> done) override;
  void kv_remove(std::string space, std::string key, std::int64_t expected, Time now,
                 Done<Written> done) override;
  void kv_take(std::string space, std::string key, Time now,
               Done<std::optional<Value>> done) override;
  void kv_scan(std::string space, std::string prefix, std::string after, int count, Time now,
               Done<Page> done) override;

  void usage_record(Record record, Done<bool> done) override;
  void usage_sum(By by, Time from, Time to, Done<std::vector<Sum>> done) override;

 private:
  struct Size {  // what it adds to a commit
    std::size_t rows = 1;
    std::size_t bytes = 0;
  };
  template <class T, class Work>
  void write(Time now, Done<T> done, Work work, Size size);
  template <class T, class Work>
  void write(Time now, Done<T> done, Work work) {
    write<T>(now, std::move(done), std::move(work), Size{1, 0});
  }
  template <class T, class Work>
  void read(Done<T> done, Work work);

  const Clock& clock_;
  SqliteUpkeep upkeep_;
  SqliteWriter writer_;
};

}  // namespace cofounder
