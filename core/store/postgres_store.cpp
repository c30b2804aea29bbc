// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_store.hpp"

#include "core/store/postgres_values.hpp"
#include "core/store/postgres_writer.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {
namespace {

// Each completion leaves a row or two of changed counts.
constexpr std::uint64_t fold_every = 2'000;

class PostgresStore final : public TaskStore,
                            public ScheduleStore,
                            public KeyValueStore,
                            public UsageStore,
                            public NodeStore {
 public:
  template <class T>
  using Done = TaskStore::Done<T>;

  PostgresStore(Loop& loop, const Clock& clock, PostgresOptions options)
      : loop_{loop},
        options_{std::move(options)},
        dialect_{options_.schema},
        writer_{loop, clock, options_, dialect_} {}

  // TaskStore.
  void open(Listener listener, Done<Opened> done) override {
    writer_.open(std::move(listener), std::move(done));
  }
  void submit(std::vector<NewTask> tasks, Time now, Done<std::vector<Submitted>> done) override {
    writer_.write(std::make_unique<PostgresSubmit>(std::move(tasks), now, std::move(done)));
  }
  void set_limits(ClaimLimits limits) override { writer_.set_limits(std::move(limits)); }
  void claim_due(Time) override { writer_.claim_due(); }
  void finish(std::vector<Verdict> verdicts, Done<std::vector<bool>> done) override {
    if (!verdicts.empty() && ++finishes_ % fold_every == 0) fold_counts();
    writer_.write(std::make_unique<PostgresFinish>(std::move(verdicts), std::move(done)));
  }
  void checkpoint(AttemptKey attempt, std::string state, Done<bool> done) override {
    writer_.write(
        std::make_unique<PostgresCheckpoint>(attempt, std::move(state), std::move(done)));
  }
  void cancel(TaskId task, Time, Done<CancelResult> done) override {
    auto is_elsewhere = std::make_shared<bool>(false);
    write<CancelResult>(
        [this, is_elsewhere, done = std::move(done)](Result<CancelResult> result) mutable {
          if (result && *is_elsewhere) writer_.tell_others();
          done(std::move(result));
        },
        [task](PostgresTrip& trip, const PostgresPlace& place) { ask_cancel(trip, place, task); },
        [is_elsewhere](Answers rows) {
          *is_elsewhere = !rows[0].empty() && rows[0].boolean(0, 1);
          return take_cancel(rows);
        });
  }
  void retry(TaskId task, Time, Done<RetryResult> done) override {
    write<RetryResult>(
        std::move(done),
        [task](PostgresTrip& trip, const PostgresPlace& place) { ask_retry(trip, place, task); },
        [](Answers rows) { return take_retry(rows); });
  }
  void get(TaskId task, Done<std::optional<TaskRecord>> done) override {
    read<std::optional<TaskRecord>>(get_of(writer_.place(), task), std::move(done),
                                    [](const auto& rows) { return read_record(rows); });
  }
  void list(TaskQuery query, Done<TaskPage> done) override {
    const int limit = query.limit;
    read<TaskPage>(list_of(writer_.place(), query), std::move(done),
                   [limit](const auto& rows) { return read_list(rows[0], limit); });
  }
  void counts(Time since, Done<TaskCounts> done) override {
    read<TaskCounts>(counts_of(writer_.place(), since), std::move(done),
                     [](const auto& rows) { return read_counts(rows); });
  }
  void purge(Time before, int rows_max, Done<std::int64_t> done) override {
    write<std::int64_t>(
        std::move(done),
        [before, rows_max](PostgresTrip& trip, const PostgresPlace& place) {
          const Time limit = place.to_database(before);
          // A younger id cannot have ended before.  The second is for ids that ran ahead of the
          // clock.
          const auto bound =
              static_cast<std::int64_t>(first_task_id(limit + std::chrono::seconds{1}));
          trip.add(place.dialect.purge, PostgresParams{}.add(bound).add(limit).add(rows_max));
        },
        [](Answers rows) { return rows[0].integer(0, 0); });
  }
  void close(UniqueFunction<void()> done) override { writer_.close(std::move(done)); }

  // TaskStore and ScheduleStore.
  bool is_shared() const noexcept override { return true; }

  // NodeStore.
  void nodes(Done<std::vector<Node>> done) override {
    PostgresTrip trip;
    trip.add(dialect_.nodes, PostgresParams{}.add(writer_.place().now).add(options_.lease));
    read<std::vector<Node>>(std::move(trip), std::move(done),
                            [](const auto& rows) { return read_nodes(rows[0]); });
  }

  // ScheduleStore.
  void put_schedule(Schedule schedule, Done<bool> done) override {
    write<bool>(
        std::move(done),
        [schedule = std::move(schedule)](PostgresTrip& trip, const PostgresPlace& place) {
          ask_put_schedule(trip, place, schedule);
        },
        [](Answers rows) { return rows[0].empty(); });
  }
  void remove_schedule(std::string name, Done<bool> done) override {
    write<bool>(
        std::move(done),
        [name = std::move(name)](PostgresTrip& trip, const PostgresPlace& place) {
          trip.add(place.dialect.remove_schedule, PostgresParams{}.add(name));
        },
        [](Answers rows) { return !rows[0].empty(); });
  }
  void load_schedules(Done<std::vector<Schedule>> done) override {
    PostgresTrip trip;
    trip.add(dialect_.schedules);
    read<std::vector<Schedule>>(std::move(trip), std::move(done),
                                [](const auto& rows) { return read_schedules(rows[0]); });
  }
  void fire(std::string name, Time due, NewTask task, bool skip_if_alive, Time now,
            Done<TaskId> done) override {
    // Our clock is ahead, and by the database's it is not due yet.
    if (writer_.ahead() < Milliseconds{0} && due - now > writer_.ahead()) {
      const Milliseconds wait = (due - now) - writer_.ahead();
      auto later = std::make_shared<Firing>(
          Firing{std::move(name), due, std::move(task), skip_if_alive, now + wait, std::move(done)});
      loop_.clock().call_after(wait, [this, alive = std::weak_ptr<int>{alive_}, later] {
        if (!alive.expired()) fire_now(std::move(*later));
      });
      return;
    }
    fire_now({std::move(name), due, std::move(task), skip_if_alive, now, std::move(done)});
  }

  // KeyValueStore.
  void kv_get(std::string space, std::string key, Time,
              Done<std::optional<Value>> done) override {
    PostgresTrip trip;
    trip.add(dialect_.kv_get,
             PostgresParams{}.add(writer_.place().now).add(space).add(PostgresParams::Bytes{key}));
    read<std::optional<Value>>(std::move(trip), std::move(done),
                               [](const auto& rows) { return read_value(rows[0]); });
  }
  void kv_put(std::string space, std::string key, std::string bytes, std::int64_t expected,
              Time expires, Time, std::int64_t space_bytes_max, Done<Written> done) override {
    auto value = std::make_shared<PostgresValue>(PostgresValue{
        std::move(space), std::move(key), std::move(bytes), expected, expires, space_bytes_max});
    write<Written>(
        std::move(done),
        [value](PostgresTrip& trip, const PostgresPlace& place) { ask_put(trip, place, *value); },
        [value](Answers rows) { return take_put(rows, *value); }, value->bytes.size());
  }
  void kv_remove(std::string space, std::string key, std::int64_t expected, Time,
                 Done<Written> done) override {
    PostgresValue value;
    value.space = std::move(space);
    value.key = std::move(key);
    value.expected = expected;
    write<Written>(
        std::move(done),
        [value = std::move(value)](PostgresTrip& trip, const PostgresPlace& place) {
          ask_remove(trip, place, value);
        },
        [](Answers rows) { return take_remove(rows); });
  }
  void kv_take(std::string space, std::string key, Time,
               Done<std::optional<Value>> done) override {
    PostgresValue value;
    value.space = std::move(space);
    value.key = std::move(key);
    write<std::optional<Value>>(
        std::move(done),
        [value = std::move(value)](PostgresTrip& trip, const PostgresPlace& place) {
          ask_take(trip, place, value);
        },
        [](Answers rows) { return read_value(rows[1]); });
  }
  void kv_scan(std::string space, std::string prefix, std::string after, int count, Time,
               Done<Page> done) override {
    read<Page>(scan_of(writer_.place(), space, prefix, after, count), std::move(done),
               [count](const auto& rows) { return read_page(rows[0], count); });
  }

  // UsageStore.
  void usage_record(Record record, Done<bool> done) override {
    write<bool>(
        std::move(done),
        [record = std::move(record)](PostgresTrip& trip, const PostgresPlace& place) {
          ask_record(trip, place, record);
        },
        [](Answers) { return true; });
  }
  void usage_sum(By by, Time from, Time to, Done<std::vector<Sum>> done) override {
    read<std::vector<Sum>>(sum_of(writer_.place(), by, from, to), std::move(done),
                           [](const auto& rows) { return read_sums(rows[0]); });
  }

 private:
  using Answers = std::span<const PostgresRows>;
  struct Firing {
    std::string name;
    Time due;
    NewTask task;
    bool skip_if_alive;
    Time now;
    Done<TaskId> done;
  };

  void fold_counts() {
    write<bool>(
        nullptr,
        [](PostgresTrip& trip, const PostgresPlace& place) {
          trip.add(place.dialect.fold_counts);
        },
        [](Answers) { return true; });
  }

  void fire_now(Firing firing) {
    auto done = std::move(firing.done);
    write<TaskId>(
        std::move(done),
        [firing = std::move(firing)](PostgresTrip& trip, const PostgresPlace& place) {
          ask_fire(trip, place, firing.name, firing.due, firing.task, firing.skip_if_alive,
                   firing.now);
        },
        [](Answers rows) { return rows[1].empty() ? TaskId{0} : rows[1].id(0, 0); });
  }

  template <class T, class Ask, class Take>
  void write(Done<T> done, Ask ask, Take take, std::size_t bytes = 0) {
    auto made = make_postgres_write<T>(std::move(done), std::move(ask), std::move(take));
    made->bytes = bytes;
    writer_.write(std::move(made));
  }

  // `parse` gets the rows of all statements of the trip.
  template <class T, class Parse>
  void read(PostgresTrip trip, Done<T> done, Parse parse) {
    auto shared = std::make_shared<Done<T>>(std::move(done));
    PostgresRead question;
    question.trip = std::move(trip);
    question.answer = [this, shared, parse](const std::vector<PostgresRows>& rows) {
      writer_.post([shared, value = Result<T>{parse(rows)}]() mutable {
        (*shared)(std::move(value));
      });
    };
    question.fail = [this, shared](const Error& why) {
      writer_.post([shared, why] { (*shared)(why); });
    };
    writer_.read(std::move(question));
  }

  Loop& loop_;
  const PostgresOptions options_;
  const PostgresDialect dialect_;
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);
  std::uint64_t finishes_ = 0;
  PostgresWriter writer_;
};

}  // namespace

Stores make_postgres_store(Loop& loop, const Clock& clock, PostgresOptions options) {
  auto store = std::make_unique<PostgresStore>(loop, clock, std::move(options));
  PostgresStore& all = *store;
  return Stores{std::move(store), all, all, all, all, &all};
}

}  // namespace cofounder
