// SPDX-License-Identifier: Apache-2.0
// The sign of life that feeds the watchdog: it comes only as long as the store answers and due tasks
// are looked at.
#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "tests/scheduler/scheduler_fixture.hpp"

namespace cofounder {
namespace {

// A store that can stop answering, as one does whose disk hangs.
class MuteStore : public TaskStore {
 public:
  explicit MuteStore(TaskStore& store) : store_{store} {}
  bool is_mute = false;
  bool shared = false;  // as one that several nodes use
  UniqueFunction<void(bool, Error)> availability;
  UniqueFunction<void(std::vector<AttemptKey>)> lost;
  UniqueFunction<void(std::vector<AttemptKey>)> cancelled;

  bool is_shared() const noexcept override { return shared; }

  void open(Listener listener, Done<Opened> done) override {
    auto heard = std::make_shared<Listener>(std::move(listener));
    availability = [heard](bool available, Error why) {
      heard->on_availability(available, std::move(why));
    };
    lost = [heard](std::vector<AttemptKey> keys) { heard->on_lost(std::move(keys)); };
    cancelled = [heard](std::vector<AttemptKey> keys) { heard->on_cancelled(std::move(keys)); };
    Listener through;
    through.on_claimed = [this, heard](auto tasks) {
      if (!is_mute) heard->on_claimed(std::move(tasks));
    };
    through.on_next_due = [this, heard](Time when) {
      if (!is_mute) heard->on_next_due(when);
    };
    through.on_availability = [heard](bool available, Error why) {
      heard->on_availability(available, std::move(why));
    };
    store_.open(std::move(through), std::move(done));
  }
  void finish(std::vector<Verdict> verdicts, Done<std::vector<bool>> done) override {
    if (is_mute) {
      unanswered_.emplace_back(std::move(verdicts), std::move(done));
    } else {
      store_.finish(std::move(verdicts), std::move(done));
    }
  }
  void speak() {
    is_mute = false;
    for (auto& [verdicts, done] : std::exchange(unanswered_, {})) {
      store_.finish(std::move(verdicts), std::move(done));
    }
  }
  void submit(std::vector<NewTask> tasks, Time now, Done<std::vector<Submitted>> done) override {
    store_.submit(std::move(tasks), now, std::move(done));
  }
  void set_limits(ClaimLimits limits) override { store_.set_limits(std::move(limits)); }
  void claim_due(Time now) override { store_.claim_due(now); }
  void checkpoint(AttemptKey attempt, std::string state, Done<bool> done) override {
    store_.checkpoint(attempt, std::move(state), std::move(done));
  }
  void cancel(TaskId task, Time now, Done<CancelResult> done) override {
    store_.cancel(task, now, std::move(done));
  }
  void retry(TaskId task, Time now, Done<RetryResult> done) override {
    store_.retry(task, now, std::move(done));
  }
  void get(TaskId task, Done<std::optional<TaskRecord>> done) override {
    store_.get(task, std::move(done));
  }
  void list(TaskQuery query, Done<TaskPage> done) override {
    store_.list(std::move(query), std::move(done));
  }
  void counts(Time since, Done<TaskCounts> done) override { store_.counts(since, std::move(done)); }
  void purge(Time before, int rows_max, Done<std::int64_t> done) override {
    store_.purge(before, rows_max, std::move(done));
  }
  void close(UniqueFunction<void()> done) override { store_.close(std::move(done)); }

 private:
  TaskStore& store_;
  std::vector<std::pair<std::vector<Verdict>, Done<std::vector<bool>>>> unanswered_;
};

class HeartbeatTest : public SchedulerTest {
 protected:
  void begin() {
    watched.start([](auto opened) { ASSERT_TRUE(opened); });
    settle();
  }
  void ask() {
    watched.heartbeat([this] { ++beats; });
    settle();
  }

  MuteStore store{stores.tasks};
  Scheduler watched{store, runner, clock, options};
  int beats = 0;
};

TEST_F(HeartbeatTest, ComesWhenTheStoreAnswers) {
  begin();
  for (int i = 1; i <= 3; ++i) {
    ask();
    EXPECT_EQ(beats, i);
    advance(10min);  // with nothing to do it is as alive as ever
    EXPECT_FALSE(watched.is_stuck(clock.mono()));
  }
}

TEST_F(HeartbeatTest, DoesNotComeWhileTheStoreHangs) {
  begin();
  store.is_mute = true;
  ask();
  advance(29s);
  EXPECT_FALSE(watched.is_stuck(clock.mono()));
  advance(2s);
  ask();
  EXPECT_EQ(beats, 0);
  EXPECT_TRUE(watched.is_stuck(clock.mono()));
  store.speak();
  settle();
  EXPECT_GE(beats, 1) << "it is back";
  EXPECT_FALSE(watched.is_stuck(clock.mono()));
}

TEST_F(HeartbeatTest, DoesNotComeWhileDueTasksAreNotLookedAt) {
  begin();
  NewTask later = task();
  later.run_at = clock.now() + 1min;
  std::vector<NewTask> tasks;
  tasks.push_back(std::move(later));
  watched.submit(std::move(tasks), [](const auto& answer) { EXPECT_TRUE(answer); });
  settle();
  store.is_mute = true;  // the answer to "what is due?" is lost
  advance(61s);
  store.is_mute = false;
  ask();
  EXPECT_EQ(beats, 1) << "not yet overdue";
  advance(31s);
  ask();
  EXPECT_EQ(beats, 1) << "the store answers, but the task was never begun";
  EXPECT_TRUE(watched.is_stuck(clock.mono()));
}

TEST_F(HeartbeatTest, AStoreThatSaysThatItIsAwayIsNoReasonToDie) {
  begin();
  NewTask later = task();
  later.run_at = clock.now() + 1min;
  std::vector<NewTask> tasks;
  tasks.push_back(std::move(later));
  watched.submit(std::move(tasks), [](const auto& answer) { EXPECT_TRUE(answer); });
  settle();
  store.is_mute = true;
  advance(61s);
  store.is_mute = false;
  store.availability(false, make_error("store_unavailable", "The disk is full.", true));
  advance(10min);
  ask();
  EXPECT_EQ(beats, 1);
  EXPECT_FALSE(watched.is_stuck(clock.mono()));
}

// ---- what a store of several nodes says besides ---------------------------------------------------

TEST_F(HeartbeatTest, AnAttemptWhoseLeaseIsLostEndsWithoutBeingUsedUp) {
  begin();
  TaskId id = 0;
  std::vector<NewTask> tasks;
  tasks.push_back(task());
  watched.submit(std::move(tasks), [&](auto answer) { id = answer.value()[0].id; });
  settle();
  ASSERT_EQ(runner.started.size(), 1u);
  store.lost({runner.started[0].key, AttemptKey{77, 1}});
  ASSERT_EQ(runner.cancelled.size(), 1u);
  EXPECT_EQ(runner.cancelled[0].second, CancelReason::lease_lost);
  runner.fail(id, false);
  settle();
  ASSERT_EQ(runner.started.size(), 2u);
  EXPECT_EQ(runner.started[1].counted_attempt(), 1);
  EXPECT_EQ(record(id).attempts[0].outcome, "stopped");
  EXPECT_EQ(record(id).attempts[0].error.value_or(Error{}).code, "lease_lost");
  // Somebody asked another node to cancel it.
  store.cancelled({runner.started[1].key});
  EXPECT_EQ(runner.cancelled.back().second, CancelReason::requested);
  runner.fail(id, true);
  settle();
  EXPECT_EQ(record(id).state, TaskState::cancelled);
}

TEST_F(HeartbeatTest, WhoWaitsSeesWhatEndedElsewhere) {
  for (const bool is_shared : {true, false}) {
    store.shared = is_shared;
    if (is_shared) begin();
    TaskId id = 0;
    std::vector<NewTask> tasks;
    tasks.push_back(task());
    tasks[0].run_at = clock.now() + 1h;
    watched.submit(std::move(tasks), [&](auto answer) { id = answer.value()[0].id; });
    settle();
    bool answered = false;
    watched.wait(id, clock.mono() + 30s, [&](auto) { answered = true; });
    advance(3s);
    EXPECT_FALSE(answered);
    stores.tasks.cancel(id, clock.now(), [](auto) {});  // not by this scheduler
    settle();
    advance(2s);
    EXPECT_EQ(answered, is_shared);
    EXPECT_EQ(watched.waiting_count(), is_shared ? 0u : 1u);
    advance(30s);
    EXPECT_TRUE(answered);
  }
}

}  // namespace
}  // namespace cofounder
