// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/postgres_store.hpp"
#include "core/store/stores.hpp"
#include "tests/store/postgres_cluster.hpp"
#include "tests/support/fake_clock.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cofounder::test {

using std::chrono::seconds;

// A folder of its own that goes with the test.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "cofounder-store-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"mkdtemp"};
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

// A store with what its listener heard.  Calls wait for their handler.
class StoreDriver {
 public:
  StoreDriver(Loop& loop, const Clock& clock) : loop_{loop}, clock_{clock} {}

  void use(Stores stores) {
    stores_.reset();
    stores_.emplace(std::move(stores));
  }
  Stores& stores() { return *stores_; }
  TaskStore& tasks() { return stores_->tasks; }
  void drop() { stores_.reset(); }

  // Runs the loop until `ready`, which has to become true.
  template <class Ready>
  void until(Ready ready) {
    const auto deadline = std::chrono::steady_clock::now() + seconds{60};
    while (!ready()) {
      if (!loop_.poll()) std::this_thread::yield();
      if (std::chrono::steady_clock::now() > deadline) throw std::runtime_error{"timed out"};
    }
  }

  template <class T, class Start>
  Result<T> ask(Start start) {
    // Shared: a handler that comes after a timeout must not write into a frame that is gone.
    auto answer = std::make_shared<std::optional<Result<T>>>();
    start(UniqueFunction<void(Result<T>)>{[answer](Result<T> result) {
      if (*answer) throw std::runtime_error{"a handler was called twice"};
      answer->emplace(std::move(result));
    }});
    until([&] { return answer->has_value(); });
    return std::move(**answer);
  }

  Result<TaskStore::Opened> open() {
    TaskStore::Listener listener;
    listener.on_claimed = [this](std::vector<ClaimedTask> tasks) {
      for (ClaimedTask& task : tasks) claimed.push_back(std::move(task));
    };
    listener.on_next_due = [this](Time when) {
      next_due = when;
      ++next_due_told;
    };
    listener.on_availability = [this](bool is_available, Error why) {
      available = is_available;
      unavailable_why = std::move(why);
    };
    listener.on_lost = [this](const std::vector<AttemptKey>& keys) {
      lost.insert(lost.end(), keys.begin(), keys.end());
    };
    listener.on_cancelled = [this](const std::vector<AttemptKey>& keys) {
      cancelled.insert(cancelled.end(), keys.begin(), keys.end());
    };
    return ask<TaskStore::Opened>(
        [&](auto done) { tasks().open(std::move(listener), std::move(done)); });
  }
  void close() {
    auto closed = std::make_shared<bool>(false);
    tasks().close([closed] { *closed = true; });
    until([&] { return *closed; });
  }
  // After it whatever was under way has been heard.
  void settle() { static_cast<void>(checkpoint(AttemptKey{}, "")); }

  Result<std::vector<Submitted>> submit(std::vector<NewTask> list) {
    return ask<std::vector<Submitted>>(
        [&](auto done) { tasks().submit(std::move(list), clock_.now(), std::move(done)); });
  }
  Submitted submit(NewTask task) {
    std::vector<NewTask> list;
    list.push_back(std::move(task));
    return submit(std::move(list)).value().at(0);
  }
  void limit(int running_max, std::map<std::string, int> plugins = {{"hello", 1000}},
             std::map<std::string, int> queues = {}) {
    ClaimLimits limits;
    limits.running_max = running_max;
    limits.plugin_max = std::move(plugins);
    limits.queue_max = std::move(queues);
    tasks().set_limits(std::move(limits));
    settle();
  }
  void claim_due() {
    tasks().claim_due(clock_.now());
    settle();
  }
  std::vector<ClaimedTask> take_claimed() { return std::exchange(claimed, {}); }

  Result<std::vector<bool>> finish(std::vector<Verdict> verdicts) {
    return ask<std::vector<bool>>(
        [&](auto done) { tasks().finish(std::move(verdicts), std::move(done)); });
  }
  bool finish(Verdict verdict) {
    std::vector<Verdict> verdicts;
    verdicts.push_back(std::move(verdict));
    return finish(std::move(verdicts)).value().at(0);
  }
  std::optional<TaskRecord> get(TaskId task) {
    return ask<std::optional<TaskRecord>>([&](auto done) { tasks().get(task, std::move(done)); })
        .value();
  }
  TaskPage list(TaskQuery query) {
    return ask<TaskPage>([&](auto done) { tasks().list(query, std::move(done)); }).value();
  }
  TaskCounts counts(Time since = Time{}) {
    return ask<TaskCounts>([&](auto done) { tasks().counts(since, std::move(done)); }).value();
  }
  CancelResult cancel(TaskId task) {
    return ask<CancelResult>(
               [&](auto done) { tasks().cancel(task, clock_.now(), std::move(done)); })
        .value();
  }
  Result<RetryResult> retry(TaskId task) {
    return ask<RetryResult>([&](auto done) { tasks().retry(task, clock_.now(), std::move(done)); });
  }
  bool checkpoint(AttemptKey attempt, std::string state) {
    return ask<bool>([&](auto done) { tasks().checkpoint(attempt, state, std::move(done)); })
        .value();
  }
  std::int64_t purge(Time before, int rows_max = 1000) {
    return ask<std::int64_t>([&](auto done) { tasks().purge(before, rows_max, std::move(done)); })
        .value();
  }

  std::vector<NodeStore::Node> nodes() {
    return ask<std::vector<NodeStore::Node>>(
               [&](auto done) { stores_->nodes->nodes(std::move(done)); })
        .value();
  }

  std::vector<ClaimedTask> claimed;
  std::vector<AttemptKey> lost;
  std::vector<AttemptKey> cancelled;
  Time next_due = Time::max();
  int next_due_told = 0;
  bool available = true;
  Error unavailable_why;

 private:
  Loop& loop_;
  const Clock& clock_;
  std::optional<Stores> stores_;
};

inline NewTask new_task(std::string op = "hello.greet") {
  NewTask task;
  task.op = std::move(op);
  task.args = R"({"name":"Ada"})";
  task.timeout = seconds{30};
  task.attempts_max = 3;
  task.submitter = "uid:1000";
  return task;
}

inline Verdict verdict_of(const ClaimedTask& task, Outcome::Kind kind, TaskState state, Time now) {
  Verdict verdict;
  verdict.key = task.key;
  verdict.outcome.kind = kind;
  verdict.state = state;
  verdict.ended_at = now;
  verdict.run_at = now;
  verdict.took = Milliseconds{1'500};
  if (kind == Outcome::Kind::succeeded) verdict.outcome.result = R"({"text":"Hello"})";
  if (kind == Outcome::Kind::failed)
    verdict.outcome.error = make_error("broken", "It broke.", true);
  if (kind == Outcome::Kind::deferred || kind == Outcome::Kind::stopped) verdict.counts = false;
  return verdict;
}

// Runs each test on every store.
class StoreContract : public ::testing::TestWithParam<const char*> {
 protected:
  StoreContract() : driver{loop, clock} {
    if (is_postgres() && !postgres_absent().empty()) return;
    make();
    driver.open().value();
  }
  void SetUp() override {
    if (is_postgres() && !postgres_absent().empty()) GTEST_SKIP() << postgres_absent();
  }
  bool is_memory() const { return std::string{GetParam()} == "memory"; }
  bool is_postgres() const { return std::string{GetParam()} == "postgres"; }
  void make() {
    if (is_memory()) {
      driver.use(make_memory_store(loop, clock, "n1"));
      return;
    }
    driver.drop();
    if (is_postgres()) {
      if (!schema) schema.emplace();
      PostgresOptions options;
      options.dsn = postgres_dsn();
      options.schema = schema->name();
      options.node = "n1";
      options.test_clock = &clock;
      options.poll_every = options.poll_listening_every = Milliseconds{0};
      // Nothing happens but what the test asks for.
      options.beat_every = options.lease = options.end_claims_after = std::chrono::hours{10};
      driver.use(make_postgres_store(loop, clock, std::move(options)));
      return;
    }
    SqliteOptions options;
    options.file = folder.path() / "state.db";
    options.node = "n1";
    options.synchronous = "OFF";  // durability has tests of its own
    driver.use(make_sqlite_store(loop, clock, options));
  }
  // Ends the daemon, and another one begins.
  TaskStore::Opened restart() {
    driver.close();
    if (!is_memory()) make();
    driver.claimed.clear();
    driver.next_due = Time::max();
    return driver.open().value();
  }
  Submitted submit(NewTask task) { return driver.submit(std::move(task)); }
  ClaimedTask claim_one() {
    driver.limit(100);
    auto tasks = driver.take_claimed();
    if (tasks.size() != 1) throw std::runtime_error{"one claim expected"};
    return tasks.front();
  }
  Verdict verdict(const ClaimedTask& task, Outcome::Kind kind, TaskState state) {
    return verdict_of(task, kind, state, clock.now());
  }
  bool succeed(const ClaimedTask& task) {
    return driver.finish(verdict(task, Outcome::Kind::succeeded, TaskState::succeeded));
  }

  Loop loop;
  FakeClock clock;
  TemporaryFolder folder;
  std::optional<PostgresSchema> schema;
  StoreDriver driver;
};

inline std::string store_name(const ::testing::TestParamInfo<const char*>& info) {
  return info.param;
}

}  // namespace cofounder::test
