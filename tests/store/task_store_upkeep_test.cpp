// SPDX-License-Identifier: Apache-2.0
// The contract of TaskStore, second half: cancel, retry, queries, purge, recovery, close.
#include "tests/store/store_fixture.hpp"

#include <gmock/gmock.h>

namespace cofounder::test {
namespace {

using ::testing::ElementsAre;

class TaskStoreUpkeep : public StoreContract {};
INSTANTIATE_TEST_SUITE_P(Stores, TaskStoreUpkeep, ::testing::Values("memory", "sqlite", "postgres"),
                         store_name);

TEST_P(TaskStoreUpkeep, CancelEndsOnlyWhatWaits) {
  const Submitted waiting = submit(new_task());
  EXPECT_EQ(driver.cancel(waiting.id), CancelResult::cancelled);
  const auto record = driver.get(waiting.id);
  EXPECT_EQ(record->state, TaskState::cancelled);
  EXPECT_EQ(record->ended_at, clock.now());
  EXPECT_EQ(driver.cancel(waiting.id), CancelResult::over);
  const Submitted other = submit(new_task());
  const ClaimedTask claim = claim_one();
  EXPECT_EQ(claim.key.task, other.id);
  EXPECT_EQ(driver.cancel(other.id), CancelResult::running);
  EXPECT_TRUE(driver.finish(verdict(claim, Outcome::Kind::cancelled, TaskState::cancelled)));
  EXPECT_EQ(driver.cancel(other.id), CancelResult::over);
  EXPECT_EQ(driver.cancel(other.id + 1), CancelResult::not_found);
}

TEST_P(TaskStoreUpkeep, RetryBeginsAnewWithHigherNumbers) {
  const Submitted submitted = submit(new_task());
  const ClaimedTask first = claim_one();
  EXPECT_EQ(driver.retry(submitted.id).value(), RetryResult::not_over);
  EXPECT_TRUE(driver.checkpoint(first.key, "old"));
  EXPECT_TRUE(driver.finish(verdict(first, Outcome::Kind::failed, TaskState::failed)));
  driver.limit(0);
  clock.advance(seconds{5});
  EXPECT_EQ(driver.retry(submitted.id).value(), RetryResult::scheduled);
  EXPECT_EQ(driver.retry(submitted.id).value(), RetryResult::not_over);
  EXPECT_EQ(driver.retry(submitted.id + 1).value(), RetryResult::not_found);
  const auto record = driver.get(submitted.id);
  EXPECT_EQ(record->state, TaskState::ready);
  EXPECT_EQ(record->run_at, clock.now());
  EXPECT_FALSE(record->ended_at);
  EXPECT_EQ(record->attempts.size(), 1U);
  const ClaimedTask second = claim_one();
  EXPECT_EQ(second.key.attempt, 2);
  EXPECT_EQ(second.counted_attempt(), 1);
  EXPECT_EQ(second.args, R"({"name":"Ada"})");
  EXPECT_EQ(second.checkpoint, "");
  EXPECT_FALSE(succeed(first));
  EXPECT_TRUE(succeed(second));
  EXPECT_EQ(driver.get(submitted.id)->attempts.size(), 2U);
  EXPECT_FALSE(driver.get(submitted.id)->error);
}

TEST_P(TaskStoreUpkeep, RetryRespectsAUniqueKeyThatIsTaken) {
  NewTask task = new_task();
  task.unique_key = "k";
  const Submitted first = submit(task);
  EXPECT_EQ(driver.cancel(first.id), CancelResult::cancelled);
  const Submitted second = submit(task);
  const auto refused = driver.retry(first.id);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "unique_key_in_use");
  EXPECT_EQ(driver.cancel(second.id), CancelResult::cancelled);
  EXPECT_EQ(driver.retry(first.id).value(), RetryResult::scheduled);
  EXPECT_EQ(submit(task).id, first.id);
}

TEST_P(TaskStoreUpkeep, ListsNewestFirstByPages) {
  std::vector<NewTask> tasks(5, new_task());
  tasks[1].op = "hello.other";
  tasks[2].queue = "mail";
  const auto ids = driver.submit(tasks).value();
  EXPECT_EQ(driver.cancel(ids[3].id), CancelResult::cancelled);
  TaskQuery query;
  query.limit = 2;
  std::vector<TaskId> seen;
  for (;;) {
    const TaskPage page = driver.list(query);
    for (const TaskRecord& task : page.tasks) {
      seen.push_back(task.id);
      EXPECT_EQ(task.args, "");
    }
    if (page.next == 0) break;
    EXPECT_EQ(page.tasks.size(), 2U);
    query.after = page.next;
  }
  EXPECT_THAT(seen, ElementsAre(ids[4].id, ids[3].id, ids[2].id, ids[1].id, ids[0].id));
  const auto found = [&](auto change) {
    TaskQuery filter;
    change(filter);
    std::vector<TaskId> list;
    for (const TaskRecord& task : driver.list(filter).tasks) list.push_back(task.id);
    return list;
  };
  EXPECT_THAT(found([](TaskQuery& q) { q.op = "hello.other"; }), ElementsAre(ids[1].id));
  EXPECT_THAT(found([](TaskQuery& q) { q.queue = "mail"; }), ElementsAre(ids[2].id));
  EXPECT_THAT(found([](TaskQuery& q) { q.state = TaskState::cancelled; }), ElementsAre(ids[3].id));
  EXPECT_THAT(found([](TaskQuery& q) { q.state = TaskState::scheduled; }), ElementsAre());
  EXPECT_EQ(found([](TaskQuery& q) { q.state = TaskState::ready; }).size(), 4U);
}

TEST_P(TaskStoreUpkeep, CountsAreKept) {
  NewTask later = new_task();
  later.run_at = clock.now() + seconds{60};
  later.queue = "mail";
  driver.submit({new_task(), new_task(), later}).value();
  driver.limit(2);
  auto claims = driver.take_claimed();
  ASSERT_EQ(claims.size(), 2U);
  const Time middle = clock.now() + seconds{1};
  clock.advance(seconds{1});
  driver.submit({new_task(), new_task(), new_task()}).value();
  EXPECT_TRUE(succeed(claims[0]));
  for (int again = 0; again < 2; ++again) {
    const TaskCounts all = driver.counts();
    EXPECT_EQ(all.by_state.at(TaskState::scheduled), 1);
    EXPECT_EQ(all.by_state.at(TaskState::ready), again == 0 ? 2 : 4);
    EXPECT_EQ(all.by_state.count(TaskState::running), again == 0 ? 1U : 0U);
    EXPECT_EQ(all.by_state.at(TaskState::succeeded), 1);
    EXPECT_EQ(all.waiting_by_queue.at("mail"), 1);
    EXPECT_EQ(all.waiting_by_queue.at("default"), again == 0 ? 2 : 4);
    ASSERT_EQ(all.ended.size(), 1U);
    EXPECT_EQ(all.ended[0].op, "hello.greet");
    EXPECT_EQ(all.ended[0].state, TaskState::succeeded);
    EXPECT_EQ(all.ended[0].count, 1);
    EXPECT_DOUBLE_EQ(all.ended[0].seconds, 1.5);
    if (again == 0) {
      EXPECT_EQ(all.by_state.at(TaskState::running), 2);
      const TaskCounts young = driver.counts(middle);
      EXPECT_EQ(young.by_state.at(TaskState::ready), 2);
      EXPECT_EQ(young.by_state.at(TaskState::running), 1);
      EXPECT_TRUE(young.ended.empty());
      EXPECT_EQ(young.waiting_by_queue.at("default"), 2);
      EXPECT_EQ(driver.counts(Time{Milliseconds{1}}).by_state, all.by_state);
      driver.limit(0);
      restart();  // what ran is ready again after its backoff
      clock.advance(seconds{10});
    }
  }
}

TEST_P(TaskStoreUpkeep, PurgeDeletesOldEnds) {
  std::vector<TaskId> ids;
  for (int i = 0; i < 4; ++i) {
    ids.push_back(submit(new_task()).id);
    EXPECT_EQ(driver.cancel(ids.back()), CancelResult::cancelled);
    clock.advance(seconds{10});
  }
  const TaskId waiting = submit(new_task()).id;
  const Time before = clock.now() - seconds{15};  // the fourth ended after it
  EXPECT_EQ(driver.purge(before, 2), 2);
  EXPECT_FALSE(driver.get(ids[0]));
  EXPECT_FALSE(driver.get(ids[1]));
  EXPECT_TRUE(driver.get(ids[2]));
  EXPECT_EQ(driver.purge(before), 1);
  EXPECT_EQ(driver.purge(before), 0);
  EXPECT_TRUE(driver.get(ids[3]));
  EXPECT_TRUE(driver.get(waiting));
  EXPECT_EQ(driver.counts().by_state.at(TaskState::cancelled), 1);
}

TEST_P(TaskStoreUpkeep, ADeadDaemonsAttemptsAreLostAndTriedAgain) {
  NewTask once = new_task();
  once.attempts_max = 1;
  const auto ids = driver.submit({new_task(), once, new_task()}).value();
  driver.limit(2);
  ASSERT_EQ(driver.take_claimed().size(), 2U);
  clock.advance(seconds{1});
  const TaskStore::Opened opened = restart();
  EXPECT_EQ(opened.recovered, 2);
  EXPECT_EQ(opened.waiting, 2);
  const auto again = driver.get(ids[0].id);
  EXPECT_EQ(again->state, TaskState::scheduled);
  EXPECT_GT(again->run_at, clock.now());
  ASSERT_EQ(again->attempts.size(), 1U);
  EXPECT_EQ(again->attempts[0].outcome, "lost");
  EXPECT_EQ(again->attempts[0].ended_at, clock.now());
  const auto over = driver.get(ids[1].id);
  EXPECT_EQ(over->state, TaskState::failed);
  EXPECT_EQ(over->error->code, "crashed_host");
  driver.limit(10);
  clock.advance(seconds{10});
  driver.claim_due();
  ASSERT_EQ(driver.claimed.size(), 2U);
  EXPECT_EQ(driver.claimed[1].key, (AttemptKey{ids[0].id, 2}));
  EXPECT_EQ(driver.claimed[1].counted_attempt(), 2);
  EXPECT_GT(submit(new_task()).id, ids[2].id);
}

TEST_P(TaskStoreUpkeep, CloseDoesWhatWasAskedAndClaimsNothing) {
  driver.limit(10);
  std::vector<std::string> order;
  TaskId id = 0;
  std::vector<NewTask> list{new_task()};
  driver.tasks().submit(std::move(list), clock.now(), [&](Result<std::vector<Submitted>> done) {
    id = done.value().at(0).id;
    order.emplace_back("submitted");
  });
  driver.tasks().get(1, [&](Result<std::optional<TaskRecord>> done) {
    EXPECT_TRUE(done);
    order.emplace_back("read");
  });
  bool closed = false;
  driver.tasks().close([&] {
    order.emplace_back("closed");
    closed = true;
  });
  driver.until([&] { return closed; });
  EXPECT_THAT(order, ElementsAre("submitted", "read", "closed"));
  const auto refused = driver.submit(std::vector<NewTask>{new_task()});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, "store_unavailable");
  EXPECT_TRUE(refused.error().retryable);
}

TEST_P(TaskStoreUpkeep, HandlersComeInTheOrderOfTheCalls) {
  std::vector<int> order;
  for (int i = 0; i < 200; ++i) {
    std::vector<NewTask> list{new_task()};
    driver.tasks().submit(std::move(list), clock.now(),
                          [&order, i](Result<std::vector<Submitted>> done) {
                            EXPECT_TRUE(done);
                            order.push_back(i);
                          });
  }
  driver.until([&] { return order.size() == 200; });
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

}  // namespace
}  // namespace cofounder::test
