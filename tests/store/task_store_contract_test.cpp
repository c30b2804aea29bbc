// SPDX-License-Identifier: Apache-2.0
#include "tests/store/store_fixture.hpp"

#include <gmock/gmock.h>

namespace cofounder::test {
namespace {

using ::testing::ElementsAre;

class TaskStoreContract : public StoreContract {};
INSTANTIATE_TEST_SUITE_P(Stores, TaskStoreContract, ::testing::Values("memory", "sqlite", "postgres"),
                         store_name);

TEST_P(TaskStoreContract, KeepsAllThatASubmitSays) {
  NewTask task = new_task();
  task.queue = "mail";
  task.priority = -7;
  task.unique_key = "k1";
  task.schedule = "nightly";
  task.run_at = clock.now() + seconds{60};
  const Submitted submitted = submit(task);
  EXPECT_TRUE(submitted.is_new);
  EXPECT_EQ(submitted.state, TaskState::scheduled);
  EXPECT_EQ(submitted.submitted_at, clock.now());
  const auto record = driver.get(submitted.id);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->id, submitted.id);
  EXPECT_EQ(record->state, TaskState::scheduled);
  EXPECT_EQ(record->op, "hello.greet");
  EXPECT_EQ(record->args, R"({"name":"Ada"})");
  EXPECT_EQ(record->queue, "mail");
  EXPECT_EQ(record->priority, -7);
  EXPECT_EQ(record->timeout, seconds{30});
  EXPECT_EQ(record->attempt, 0);
  EXPECT_EQ(record->attempts_max, 3);
  EXPECT_EQ(record->unique_key, "k1");
  EXPECT_EQ(record->schedule, "nightly");
  EXPECT_EQ(record->submitter, "uid:1000");
  EXPECT_EQ(record->submitted_at, clock.now());
  EXPECT_EQ(record->run_at, task.run_at);
  EXPECT_FALSE(record->started_at);
  EXPECT_FALSE(record->ended_at);
  EXPECT_TRUE(record->attempts.empty());
  clock.advance(seconds{60});
  EXPECT_EQ(driver.get(submitted.id)->state, TaskState::ready);
  EXPECT_FALSE(driver.get(submitted.id + 1));
}

TEST_P(TaskStoreContract, ARunAtInThePastMeansNow) {
  NewTask task = new_task();
  task.run_at = clock.now() - seconds{60};
  const Submitted submitted = submit(task);
  EXPECT_EQ(submitted.state, TaskState::ready);
  EXPECT_EQ(driver.get(submitted.id)->run_at, clock.now());
}

TEST_P(TaskStoreContract, AnArrayIsInOrderWithItsDuplicates) {
  NewTask keyed = new_task();
  keyed.unique_key = "k";
  const auto answer = driver.submit({new_task(), keyed, keyed, new_task()}).value();
  ASSERT_EQ(answer.size(), 4U);
  EXPECT_LT(answer[0].id, answer[1].id);
  EXPECT_EQ(answer[2].id, answer[1].id);
  EXPECT_TRUE(answer[1].is_new);
  EXPECT_FALSE(answer[2].is_new);
  EXPECT_LT(answer[1].id, answer[3].id);
}

TEST_P(TaskStoreContract, AUniqueKeyHoldsWhileItsTaskLives) {
  NewTask task = new_task();
  task.unique_key = "k";
  const Submitted first = submit(task);
  clock.advance(seconds{1});
  const Submitted second = submit(task);
  EXPECT_EQ(second.id, first.id);
  EXPECT_FALSE(second.is_new);
  EXPECT_EQ(second.submitted_at, first.submitted_at);
  const ClaimedTask claim = claim_one();
  EXPECT_EQ(submit(task).state, TaskState::running);
  EXPECT_TRUE(succeed(claim));
  const Submitted third = submit(task);
  EXPECT_TRUE(third.is_new);
  EXPECT_NE(third.id, first.id);
}

TEST_P(TaskStoreContract, NothingIsClaimedBeforeThereAreLimits) {
  submit(new_task());
  driver.claim_due();
  EXPECT_TRUE(driver.claimed.empty());
}

TEST_P(TaskStoreContract, AClaimTellsAllThatARunnerNeeds) {
  NewTask task = new_task();
  task.retry_on_timeout = true;
  const Submitted submitted = submit(task);
  clock.advance(seconds{2});
  const ClaimedTask claim = claim_one();
  EXPECT_EQ(claim.key, (AttemptKey{submitted.id, 1}));
  EXPECT_EQ(claim.counted_attempt(), 1);
  EXPECT_EQ(claim.op, "hello.greet");
  EXPECT_EQ(claim.args, R"({"name":"Ada"})");
  EXPECT_EQ(claim.queue, "default");
  EXPECT_EQ(claim.timeout, seconds{30});
  EXPECT_EQ(claim.attempts_max, 3);
  EXPECT_TRUE(claim.retry_on_timeout);
  EXPECT_EQ(claim.submitted_at, submitted.submitted_at);
  EXPECT_EQ(claim.run_at, submitted.submitted_at);
  EXPECT_EQ(claim.started_at, clock.now());
  EXPECT_EQ(claim.checkpoint, "");
  const auto record = driver.get(submitted.id);
  EXPECT_EQ(record->state, TaskState::running);
  EXPECT_EQ(record->attempt, 1);
  EXPECT_EQ(record->started_at, clock.now());
  ASSERT_EQ(record->attempts.size(), 1U);
  EXPECT_EQ(record->attempts[0].outcome, "running");
  EXPECT_EQ(record->attempts[0].node, "n1");
  EXPECT_FALSE(record->attempts[0].ended_at);
}

TEST_P(TaskStoreContract, ASubmitIsClaimedByItselfWhenASlotIsFree) {
  driver.limit(1);
  const Submitted first = submit(new_task());
  const Submitted second = submit(new_task());
  driver.settle();
  ASSERT_EQ(driver.claimed.size(), 1U);
  EXPECT_EQ(driver.claimed[0].key.task, first.id);
  // A completion frees the slot.
  const ClaimedTask running = driver.take_claimed().front();
  EXPECT_TRUE(succeed(running));
  driver.settle();
  ASSERT_EQ(driver.claimed.size(), 1U);
  EXPECT_EQ(driver.claimed[0].key.task, second.id);
}

TEST_P(TaskStoreContract, ClaimsStayWithinTheLimitsOfQueuesAndPlugins) {
  NewTask mail = new_task();
  mail.queue = "mail";
  std::vector<NewTask> tasks;
  for (int i = 0; i < 3; ++i) tasks.push_back(new_task("hello.greet"));
  for (int i = 0; i < 3; ++i) tasks.push_back(mail);
  for (int i = 0; i < 3; ++i) tasks.push_back(new_task("other.op"));
  for (int i = 0; i < 3; ++i) tasks.push_back(new_task("absent.op"));
  ASSERT_TRUE(driver.submit(tasks));
  driver.limit(100, {{"hello", 4}, {"other", 2}}, {{"mail", 1}});
  std::map<std::string, int> ops;
  std::map<std::string, int> queues;
  for (const ClaimedTask& task : driver.claimed) {
    ++ops[task.op];
    ++queues[task.queue];
  }
  EXPECT_EQ(ops["hello.greet"], 4);
  EXPECT_EQ(ops["other.op"], 2);
  EXPECT_EQ(ops["absent.op"], 0);
  EXPECT_EQ(queues["mail"], 1);
  // All is held back by limits: the clock changes nothing.
  EXPECT_EQ(driver.next_due, Time::max());
  driver.limit(0);
  driver.take_claimed();
  driver.limit(8, {{"hello", 9}, {"other", 9}});
  EXPECT_EQ(driver.claimed.size(), 2U);  // 6 run already
}

TEST_P(TaskStoreContract, HigherPriorityThenEarlierDueThenOlderIsFirst) {
  NewTask low = new_task();
  low.priority = -1;
  NewTask high = new_task();
  high.priority = 5;
  NewTask late = new_task();
  late.run_at = clock.now() + seconds{2};
  NewTask early = new_task();
  early.run_at = clock.now() + seconds{1};
  const auto ids = driver.submit({low, late, early, high, high}).value();
  clock.advance(seconds{10});
  driver.limit(100);
  std::vector<TaskId> order;
  for (const ClaimedTask& task : driver.claimed) order.push_back(task.key.task);
  EXPECT_THAT(order, ElementsAre(ids[3].id, ids[4].id, ids[2].id, ids[1].id, ids[0].id));
}

TEST_P(TaskStoreContract, TellsWhenTheNextTaskIsDue) {
  driver.limit(1);
  NewTask task = new_task();
  task.run_at = clock.now() + seconds{60};
  submit(task);
  driver.settle();
  EXPECT_EQ(driver.next_due, task.run_at);
  NewTask sooner = new_task();
  sooner.run_at = clock.now() + seconds{30};
  const Submitted submitted = submit(sooner);
  driver.settle();
  EXPECT_EQ(driver.next_due, sooner.run_at);
  // A clock that came too early asks in vain, and is told again.
  const int told = driver.next_due_told;
  clock.advance(seconds{29});
  driver.claim_due();
  EXPECT_TRUE(driver.claimed.empty());
  EXPECT_GT(driver.next_due_told, told);
  EXPECT_EQ(driver.next_due, sooner.run_at);
  clock.advance(seconds{1});
  driver.claim_due();
  ASSERT_EQ(driver.claimed.size(), 1U);
  EXPECT_EQ(driver.claimed[0].key.task, submitted.id);
  // The only slot is taken: whatever is due cannot start.
  EXPECT_EQ(driver.next_due, Time::max());
  EXPECT_TRUE(succeed(driver.take_claimed().front()));
  driver.settle();
  EXPECT_EQ(driver.next_due, task.run_at);
  EXPECT_EQ(driver.cancel(driver.list({}).tasks.at(1).id), CancelResult::cancelled);
  driver.settle();
  EXPECT_EQ(driver.next_due, Time::max());
}

TEST_P(TaskStoreContract, ASuccessIsKept) {
  const Submitted submitted = submit(new_task());
  const ClaimedTask claim = claim_one();
  clock.advance(seconds{3});
  EXPECT_TRUE(succeed(claim));
  const auto record = driver.get(submitted.id);
  EXPECT_EQ(record->state, TaskState::succeeded);
  EXPECT_EQ(record->result, R"({"text":"Hello"})");
  EXPECT_EQ(record->args, R"({"name":"Ada"})");
  EXPECT_EQ(record->ended_at, clock.now());
  EXPECT_EQ(record->started_at, claim.started_at);
  EXPECT_FALSE(record->error);
  ASSERT_EQ(record->attempts.size(), 1U);
  EXPECT_EQ(record->attempts[0].outcome, "succeeded");
  EXPECT_EQ(record->attempts[0].ended_at, clock.now());
}

TEST_P(TaskStoreContract, AFailedAttemptWaitsAndCountsUp) {
  const Submitted submitted = submit(new_task());
  const ClaimedTask first = claim_one();
  Verdict again = verdict(first, Outcome::Kind::failed, TaskState::scheduled);
  again.run_at = clock.now() + seconds{10};
  EXPECT_TRUE(driver.finish(again));
  driver.settle();
  EXPECT_EQ(driver.next_due, again.run_at);
  auto record = driver.get(submitted.id);
  EXPECT_EQ(record->state, TaskState::scheduled);
  EXPECT_EQ(record->run_at, again.run_at);
  ASSERT_TRUE(record->error);
  EXPECT_EQ(record->error->code, "broken");
  EXPECT_TRUE(record->error->retryable);
  clock.advance(seconds{10});
  driver.claim_due();
  const ClaimedTask second = driver.take_claimed().at(0);
  EXPECT_EQ(second.key.attempt, 2);
  EXPECT_EQ(second.counted_attempt(), 2);
  EXPECT_TRUE(driver.finish(verdict(second, Outcome::Kind::failed, TaskState::failed)));
  record = driver.get(submitted.id);
  EXPECT_EQ(record->state, TaskState::failed);
  EXPECT_EQ(record->error->message, "It broke.");
  ASSERT_EQ(record->attempts.size(), 2U);
  EXPECT_EQ(record->attempts[0].error->code, "broken");
}

TEST_P(TaskStoreContract, ALateCompletionLosesItsLease) {
  submit(new_task());
  const ClaimedTask first = claim_one();
  EXPECT_TRUE(driver.finish(verdict(first, Outcome::Kind::stopped, TaskState::scheduled)));
  driver.settle();
  const ClaimedTask second = driver.take_claimed().at(0);
  EXPECT_EQ(second.key.attempt, 2);
  EXPECT_FALSE(succeed(first));
  EXPECT_FALSE(driver.checkpoint(first.key, "x"));
  EXPECT_EQ(driver.get(first.key.task)->state, TaskState::running);
  EXPECT_TRUE(succeed(second));
  EXPECT_FALSE(succeed(second));
  EXPECT_FALSE(driver.checkpoint(second.key, "x"));
  EXPECT_EQ(driver.get(first.key.task)->attempts.size(), 2U);
  // In one call each verdict stands for itself.
  submit(new_task());
  driver.settle();
  const ClaimedTask third = driver.take_claimed().at(0);
  const auto applied = driver
                           .finish(std::vector<Verdict>{
                               verdict(second, Outcome::Kind::succeeded, TaskState::succeeded),
                               verdict(third, Outcome::Kind::succeeded, TaskState::succeeded),
                               verdict(third, Outcome::Kind::succeeded, TaskState::succeeded)})
                           .value();
  EXPECT_THAT(applied, ElementsAre(false, true, false));
}

TEST_P(TaskStoreContract, ADeferredAttemptDoesNotCountAndBringsItsCheckpoint) {
  submit(new_task());
  const ClaimedTask first = claim_one();
  EXPECT_TRUE(driver.checkpoint(first.key, "half"));
  Verdict later = verdict(first, Outcome::Kind::deferred, TaskState::scheduled);
  later.run_at = clock.now() + seconds{5};
  later.outcome.checkpoint = std::string{"poll\0 2", 7};
  EXPECT_TRUE(driver.finish(later));
  clock.advance(seconds{5});
  driver.claim_due();
  const ClaimedTask second = driver.take_claimed().at(0);
  EXPECT_EQ(second.key.attempt, 2);
  EXPECT_EQ(second.uncounted, 1);
  EXPECT_EQ(second.counted_attempt(), 1);
  EXPECT_EQ(second.checkpoint, (std::string{"poll\0 2", 7}));
  // A failed attempt leaves the newest checkpoint to the next one.
  EXPECT_TRUE(driver.checkpoint(second.key, "page 7"));
  EXPECT_TRUE(driver.finish(verdict(second, Outcome::Kind::failed, TaskState::scheduled)));
  driver.settle();
  const ClaimedTask third = driver.take_claimed().at(0);
  EXPECT_EQ(third.checkpoint, "page 7");
  EXPECT_EQ(third.counted_attempt(), 2);
  Verdict last = verdict(third, Outcome::Kind::deferred, TaskState::scheduled);
  EXPECT_TRUE(driver.finish(last));
  driver.settle();
  EXPECT_EQ(driver.take_claimed().at(0).checkpoint, "");  // replaced by nothing
}

}  // namespace
}  // namespace cofounder::test
