// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_store.hpp"

#include <cstddef>

namespace cofounder {

template <class T, class Work>
void SqliteStore::write(Time now, Done<T> done, Work work, Size size) {
  auto operation = make_sqlite_operation<SqliteEngine, T>(now, std::move(done), std::move(work));
  operation->rows = size.rows;
  operation->bytes = size.bytes;
  writer_.write(std::move(operation));
}

template <class T, class Work>
void SqliteStore::read(Done<T> done, Work work) {
  writer_.read(
      make_sqlite_operation<SqliteReads, T>(clock_.now(), std::move(done), std::move(work)));
}

void SqliteStore::open(Listener listener, Done<Opened> done) {
  writer_.open(std::move(listener), clock_.now(), std::move(done));
}

void SqliteStore::submit(std::vector<NewTask> tasks, Time now, Done<std::vector<Submitted>> done) {
  Size size{tasks.size(), 0};
  for (const NewTask& task : tasks) size.bytes += task.args.size();
  write<std::vector<Submitted>>(
      now, std::move(done),
      [tasks = std::move(tasks), now](SqliteEngine& engine) mutable {
        std::vector<Submitted> submitted;
        submitted.reserve(tasks.size());
        for (NewTask& task : tasks) submitted.push_back(engine.submit(std::move(task), now));
        return submitted;
      },
      size);
}

void SqliteStore::set_limits(ClaimLimits limits) {
  writer_.set_limits(std::move(limits), clock_.now());
}

void SqliteStore::claim_due(Time now) { writer_.claim_due(now); }

void SqliteStore::finish(std::vector<Verdict> verdicts, Done<std::vector<bool>> done) {
  Size size{verdicts.size(), 0};
  for (const Verdict& verdict : verdicts) size.bytes += verdict.outcome.result.size();
  write<std::vector<bool>>(
      clock_.now(), std::move(done),
      [verdicts = std::move(verdicts)](SqliteEngine& engine) mutable {
        std::vector<bool> applied;
        applied.reserve(verdicts.size());
        for (Verdict& verdict : verdicts) applied.push_back(engine.finish(verdict));
        return applied;
      },
      size);
}

void SqliteStore::checkpoint(AttemptKey attempt, std::string state, Done<bool> done) {
  const Size size{1, state.size()};
  write<bool>(
      clock_.now(), std::move(done),
      [attempt, state = std::move(state)](SqliteEngine& engine) {
        return engine.checkpoint(attempt, state);
      },
      size);
}

void SqliteStore::cancel(TaskId task, Time now, Done<CancelResult> done) {
  write<CancelResult>(now, std::move(done),
                      [task, now](SqliteEngine& engine) { return engine.cancel(task, now); });
}

void SqliteStore::retry(TaskId task, Time now, Done<RetryResult> done) {
  write<RetryResult>(now, std::move(done),
                     [task, now](SqliteEngine& engine) { return engine.retry(task, now); });
}

void SqliteStore::get(TaskId task, Done<std::optional<TaskRecord>> done) {
  read<std::optional<TaskRecord>>(std::move(done), [task, now = clock_.now()](SqliteReads& reads) {
    return reads.get(task, now);
  });
}

void SqliteStore::list(TaskQuery query, Done<TaskPage> done) {
  read<TaskPage>(std::move(done), [query = std::move(query), now = clock_.now()](
                                      SqliteReads& reads) { return reads.list(query, now); });
}

void SqliteStore::counts(Time since, Done<TaskCounts> done) {
  const Time now = clock_.now();
  if (since != Time{}) {
    return read<TaskCounts>(std::move(done),
                            [since, now](SqliteReads& reads) { return reads.counts(since, now); });
  }
  // All of it is in the writer's memory.
  write<TaskCounts>(now, std::move(done),
                    [now](SqliteEngine& engine) { return engine.counts(now); });
}

void SqliteStore::purge(Time before, int rows_max, Done<std::int64_t> done) {
  write<std::int64_t>(
      clock_.now(), std::move(done),
      [before, rows_max](SqliteEngine& engine) { return engine.purge(before, rows_max); },
      Size{static_cast<std::size_t>(rows_max), 0});
}

void SqliteStore::close(UniqueFunction<void()> done) { writer_.close(std::move(done)); }

void SqliteStore::put_schedule(Schedule schedule, Done<bool> done) {
  write<bool>(clock_.now(), std::move(done),
              [schedule = std::move(schedule)](SqliteEngine& engine) {
                engine.begin();
                return engine.side().put_schedule(schedule);
              });
}

void SqliteStore::remove_schedule(std::string name, Done<bool> done) {
  write<bool>(clock_.now(), std::move(done), [name = std::move(name)](SqliteEngine& engine) {
    engine.begin();
    return engine.side().remove_schedule(name);
  });
}

void SqliteStore::load_schedules(Done<std::vector<Schedule>> done) {
  read<std::vector<Schedule>>(std::move(done),
                              [](SqliteReads& reads) { return reads.schedules(); });
}

void SqliteStore::fire(std::string name, Time due, NewTask task, bool skip_if_alive, Time now,
                       Done<TaskId> done) {
  write<TaskId>(now, std::move(done),
                [name = std::move(name), due, task = std::move(task), skip_if_alive,
                 now](SqliteEngine& engine) mutable {
                  return engine.fire(name, due, std::move(task), skip_if_alive, now);
                });
}

void SqliteStore::kv_get(std::string space, std::string key, Time now,
                         Done<std::optional<Value>> done) {
  read<std::optional<Value>>(
      std::move(done), [space = std::move(space), key = std::move(key), now](SqliteReads& reads) {
        return reads.value(space, key, now);
      });
}

void SqliteStore::kv_put(std::string space, std::string key, std::string bytes,
                         std::int64_t expected, Time expires, Time now,
                         std::int64_t space_bytes_max, Done<Written> done) {
  const Size size{1, bytes.size()};
  write<Written>(
      now, std::move(done),
      [space = std::move(space), key = std::move(key), bytes = std::move(bytes), expected, expires,
       now, space_bytes_max](SqliteEngine& engine) {
        engine.begin();
        return engine.side().put(space, key, bytes, expected, expires, now, space_bytes_max);
      },
      size);
}

void SqliteStore::kv_remove(std::string space, std::string key, std::int64_t expected, Time now,
                            Done<Written> done) {
  write<Written>(
      now, std::move(done),
      [space = std::move(space), key = std::move(key), expected, now](SqliteEngine& engine) {
        engine.begin();
        return engine.side().remove(space, key, expected, now);
      });
}

void SqliteStore::kv_take(std::string space, std::string key, Time now,
                          Done<std::optional<Value>> done) {
  write<std::optional<Value>>(
      now, std::move(done), [space = std::move(space), key = std::move(key), now](SqliteEngine& e) {
        e.begin();
        return e.side().take(space, key, now);
      });
}

void SqliteStore::kv_scan(std::string space, std::string prefix, std::string after, int count,
                          Time now, Done<Page> done) {
  read<Page>(std::move(done),
             [space = std::move(space), prefix = std::move(prefix), after = std::move(after), count,
              now](SqliteReads& reads) { return reads.scan(space, prefix, after, count, now); });
}

void SqliteStore::usage_record(Record record, Done<bool> done) {
  write<bool>(clock_.now(), std::move(done), [record = std::move(record)](SqliteEngine& engine) {
    engine.begin();
    engine.side().record(record);
    return true;
  });
}

void SqliteStore::usage_sum(By by, Time from, Time to, Done<std::vector<Sum>> done) {
  read<std::vector<Sum>>(std::move(done), [by, from, to](SqliteReads& reads) {
    return reads.usage_sum(by, from, to);
  });
}

Stores make_sqlite_store(Loop& loop, const Clock& clock, SqliteOptions options) {
  auto store = std::make_unique<SqliteStore>(loop, clock, std::move(options));
  SqliteStore& all = *store;
  return Stores{std::move(store), all, all, all, all, nullptr, &all.upkeep()};
}

}  // namespace cofounder
