// SPDX-License-Identifier: Apache-2.0
#include "tests/host/services/service_fixture.hpp"

namespace cofounder::host::test {
namespace {

class TimerTest : public ServiceTest {
 protected:
  const cof_timer_service* timers = table<cof_timer_service>(COF_TIMER_IID);
};

TEST_F(TimerTest, FiresOnceAndNeverEarly) {
  load();
  std::uint64_t handle = 0;
  EXPECT_EQ(timers->after(host, 0, 1'000, 1, &handle), COF_OK);
  EXPECT_NE(handle, 0u);
  loop.poll();
  advance(Nanoseconds{999});
  EXPECT_TRUE(replies(1).empty());
  advance(Nanoseconds{1});
  EXPECT_EQ(last(1).status, COF_OK);
  advance(std::chrono::hours{1});
  EXPECT_EQ(replies(1).size(), 1u);
  EXPECT_EQ(timers->cancel(host, handle), COF_EGONE);
}

TEST_F(TimerTest, NegativeDelaysFireAtOnceAndHugeOnesNever) {
  load();
  EXPECT_EQ(timers->after(host, 0, INT64_MIN, 1, nullptr), COF_OK);
  EXPECT_EQ(timers->after(host, 0, INT64_MAX, 2, nullptr), COF_OK);
  loop.poll();
  advance(Nanoseconds{0});
  EXPECT_EQ(last(1).status, COF_OK);
  EXPECT_TRUE(replies(2).empty());
}

TEST_F(TimerTest, ACancelledOneRepliesAtOnce) {
  load();
  std::uint64_t handle = 0;
  EXPECT_EQ(timers->after(host, 0, 1'000'000, 1, &handle), COF_OK);
  EXPECT_EQ(timers->cancel(host, handle), COF_OK) << "also before the loop has seen it";
  EXPECT_EQ(last(1).status, COF_ECANCELLED);
  EXPECT_EQ(timers->cancel(host, handle), COF_EGONE);
  EXPECT_EQ(timers->cancel(host, 0), COF_EGONE);

  EXPECT_EQ(timers->after(host, 0, 1'000'000, 2, &handle), COF_OK);
  loop.poll();
  EXPECT_EQ(timers->cancel(host, handle), COF_OK);
  EXPECT_EQ(last(2).status, COF_ECANCELLED);
  wait_for([&] { return clock.timers() == 0; });
}

TEST_F(TimerTest, EndsWithItsCall) {
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  EXPECT_EQ(timers->after(host, call->id, 1'000'000, 1, nullptr), COF_OK);
  EXPECT_EQ(timers->after(host, 0, 1'000'000, 2, nullptr), COF_OK);
  loop.poll();
  end(call);
  EXPECT_EQ(last(1).status, COF_ECANCELLED);
  EXPECT_TRUE(replies(2).empty());
  EXPECT_EQ(timers->after(host, call->id, 1, 3, nullptr), COF_EGONE);
  EXPECT_EQ(metric("cofounderd_plugin_left_open", "kind", "timer"), 1);
}

TEST_F(TimerTest, EndsWithACancelUnlessItWasStartedAfterIt) {
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  EXPECT_EQ(timers->after(host, call->id, 1'000, 1, nullptr), COF_OK);
  loop.poll();
  cancel(*call);
  EXPECT_EQ(last(1).status, COF_ECANCELLED);
  EXPECT_EQ(timers->after(host, call->id, 1'000, 2, nullptr), COF_OK);
  loop.poll();
  advance(Nanoseconds{1'000});
  EXPECT_EQ(last(2).status, COF_OK) << "time to clean up";
}

TEST_F(TimerTest, RefusesWhatCannotBeAndHasALimit) {
  load();
  EXPECT_EQ(timers->after(host, 0, 0, 0, nullptr), COF_EINVALID);
  EXPECT_EQ(timers->after(host, no_call, 0, 1, nullptr), COF_EGONE);
  EXPECT_EQ(timers->now_ns(host), clock.mono().time_since_epoch().count());
  EXPECT_EQ(timers->wall_ms(host), clock.now().time_since_epoch().count());
  const auto call = add_call(COF_CALL_OPERATION);
  int taken = 0;
  while (timers->after(host, call->id, 1'000'000'000, 5, nullptr) == COF_OK && taken < 300'000) {
    ++taken;
  }
  EXPECT_EQ(taken, 262'144);
  EXPECT_EQ(timers->after(host, call->id, 1, 5, nullptr), COF_ELIMIT);
}

// What others post meanwhile does not wait for all of them.
TEST_F(TimerTest, ManyAtOnceLeaveTheLoopToOthers) {
  load();
  for (std::uint64_t tag = 1; tag <= 10'000; ++tag) {
    ASSERT_EQ(timers->after(host, 0, 1'000'000, tag, nullptr), COF_OK);
  }
  std::size_t started = 0;
  loop.post([&] { started = clock.timers(); });
  loop.poll();
  EXPECT_LT(started, 1'000u);
  EXPECT_GE(clock.timers(), 10'000u) << "all come, one turn after the other";
}

TEST_F(TimerTest, WorksFromManyThreads) {
  load();
  std::atomic<int> running{4};
  {
    std::vector<std::jthread> threads;
    for (std::uint64_t thread = 1; thread <= 4; ++thread) {
      threads.emplace_back([&, thread] {
        for (std::uint64_t i = 0; i < 200; ++i) {
          std::uint64_t handle = 0;
          EXPECT_EQ(timers->after(host, 0, 1'000'000, thread * 1'000 + i, &handle), COF_OK);
          if (i % 2 == 0) {
              EXPECT_EQ(timers->cancel(host, handle), COF_OK);
            }
        }
        --running;
      });
    }
    wait_for([&] { return running == 0; });
  }
  wait_for([&] { return clock.timers() == 400; });
  advance(std::chrono::seconds{1});
  wait_for([&] { return instance->operations_open() == 0; });
  for (std::uint64_t thread = 1; thread <= 4; ++thread) {
    for (std::uint64_t i = 0; i < 200; ++i) {
      const auto got = replies(thread * 1'000 + i);
      ASSERT_EQ(got.size(), 1u);
      EXPECT_EQ(got[0].status, i % 2 == 0 ? COF_ECANCELLED : COF_OK);
    }
  }
}

}  // namespace
}  // namespace cofounder::host::test
