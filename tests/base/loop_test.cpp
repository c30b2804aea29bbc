// SPDX-License-Identifier: Apache-2.0
#include "core/base/loop.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

namespace cofounder {
namespace {

TEST(Loop, RunsWhatManyThreadsPostInTheOrderOfEach) {
  Loop loop;
  std::vector<int> last(4, -1);
  int left = 4 * 10'000;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 10'000; ++i) {
        loop.post([&, t, i] {
          EXPECT_EQ(last[static_cast<std::size_t>(t)], i - 1);
          last[static_cast<std::size_t>(t)] = i;
          EXPECT_TRUE(loop.is_this_thread());
          if (--left == 0) loop.stop();
        });
      }
    });
  }
  loop.run();
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(left, 0);
  EXPECT_TRUE(loop.is_this_thread());
}

TEST(Loop, WhatAnActionPostsRunsLater) {
  Loop loop;
  std::vector<int> order;
  loop.post([&] {
    loop.post([&] { order.push_back(3); });
    order.push_back(1);
  });
  loop.post([&] { order.push_back(2); });
  while (loop.poll()) {
  }
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(Loop, ABurstOfPostsLeavesTimeForOthers) {
  Loop loop;
  int ran = 0;
  int ran_before_timer = -1;
  bool in_order = true;
  loop.clock().call_after(Milliseconds{1}, [&] { ran_before_timer = ran; });
  for (int i = 0; i < 1'000; ++i) {
    loop.post([&, i] {
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds{100};
      while (std::chrono::steady_clock::now() < until) {
      }
      in_order = in_order && ran == i;
      ++ran;
      if (ran == 500) loop.post([&] { loop.stop(); });  // behind all that were posted
    });
  }
  loop.run();
  EXPECT_EQ(ran, 1'000);
  EXPECT_TRUE(in_order);
  EXPECT_GE(ran_before_timer, 0);
  EXPECT_LT(ran_before_timer, 1'000) << "it waited for the whole burst";
}

TEST(Loop, TimersFireInOrderAndNotEarly) {
  Loop loop;
  Clock& clock = loop.clock();
  const Mono start = clock.mono();
  std::vector<int> order;
  clock.call_after(Milliseconds{20}, [&] {
    order.push_back(3);
    EXPECT_GE(clock.mono() - start, Milliseconds{20});
    loop.stop();
  });
  clock.call_after(Milliseconds{5}, [&] { order.push_back(1); });
  const TimerId never = clock.call_after(Milliseconds{7}, [&] { order.push_back(99); });
  clock.call_after(Milliseconds{6}, [&] {
    order.push_back(2);
    clock.cancel(never);
  });
  loop.run();
  EXPECT_EQ(order, (std::vector{1, 2, 3}));
}

TEST(Loop, ATimerMaySetTimers) {
  Loop loop;
  int fired = 0;
  UniqueFunction<void()> again;
  std::function<void()> tick = [&] {
    if (++fired == 50) {
      loop.stop();
    } else {
      loop.clock().call_after(Nanoseconds{0}, [&] { tick(); });
    }
  };
  tick();
  loop.run();
  EXPECT_EQ(fired, 50);
}

TEST(Loop, AnExceptionOfAnActionReachesTheCaller) {
  Loop loop;
  loop.post([] { throw std::runtime_error{"broken"}; });
  EXPECT_THROW(loop.run(), std::runtime_error);
}

}  // namespace
}  // namespace cofounder
