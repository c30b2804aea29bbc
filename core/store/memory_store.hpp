// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/ready_index.hpp"
#include "core/store/stores.hpp"

#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace cofounder {

// All stores in plain containers, as simple as they can be: the meaning of the interfaces.  An
// operation is done when it is called; its handler is posted.  close() and open() again is what a
// crash and a restart are to the others.
class MemoryStore final : public TaskStore,
                          public ScheduleStore,
                          public KeyValueStore,
                          public UsageStore {
 public:
  template <class T>
  using Done = TaskStore::Done<T>;

  MemoryStore(Loop& loop, const Clock& clock, std::string node, RetryPolicy retry);

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
  struct Task {
    TaskRecord record;
    int uncounted = 0;
    bool retry_on_timeout = false;
    std::string checkpoint;
    Milliseconds took{0};
  };
  struct Kept {
    Value value;
    Time expires{};
  };
  using Values = std::map<std::pair<std::string, std::string>, Kept>;
  struct Shared {
    Listener listener;
  };

  // Posts the handler with its answer, and after it what the operation made possible.
  template <class T>
  void answer(Done<T> done, Result<T> result, Time now);
  void settle(Time now, UniqueFunction<void()> first);

  Submitted submit_one(NewTask task, Time now);
  void wait_again(Task& task, Time run_at);
  bool apply(Verdict verdict);
  ClaimedTask claimed(const Task& task) const;
  TaskRecord shown(const Task& task, Time now) const;
  Values::iterator find_value(const std::string& space, const std::string& key, Time now);

  Loop& loop_;
  const Clock& clock_;
  std::string node_;
  RetryPolicy policy_;
  IdSource ids_;
  std::minstd_rand random_;
  std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
  bool is_open_ = false;
  ClaimLimits limits_;
  ReadyIndex index_;
  Time told_due_ = Time::max();
  bool tell_due_ = false;
  std::map<TaskId, Task> tasks_;
  std::map<std::string, TaskId> by_unique_key_;  // of living tasks
  std::map<std::string, Schedule> schedules_;
  Values values_;
  std::int64_t kv_version_ = 0;
  std::vector<Record> usage_;
};

}  // namespace cofounder
