// SPDX-License-Identifier: Apache-2.0
// Coroutines: waiting, unwinding after a cancel, background work, deferral.
#include <cofounder/plugin.hpp>
#include <cofounder/testkit.hpp>

#include <gtest/gtest.h>

#include <chrono>

namespace {

namespace sdk = cofounder::sdk;
namespace testkit = cofounder::testkit;
using namespace std::chrono_literals;
using sdk::Context;
using sdk::Failed;
using sdk::Json;
using sdk::Result;
using sdk::Task;

constexpr std::int64_t second = 1'000'000'000;

// Counts what lives in coroutine frames.
struct Alive {
  explicit Alive(int& count) : count_{count} { ++count_; }
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;
  ~Alive() { --count_; }
  int& count_;
};

class Waits : public sdk::Plugin {
 public:
  static inline int alive = 0;
  static inline int ticks = 0;

  Waits() {
    operation("sleep", &Waits::sleep);
    operation("stubborn", &Waits::stubborn);
    operation("deep", &Waits::deep);
    operation("many", &Waits::many);
    operation("both", &Waits::both);
    operation("defer", &Waits::defer);
    operation("defer_now", &Waits::defer_now);
    operation("drops", &Waits::drops);
    operation("spin", &Waits::spin);
    on_event("task.*", &Waits::seen);
  }
  Task<void> start(Context) override {
    spawn(tick(background()));
    spawn(breaks(background()));
    co_return;
  }
  Task<void> stop(Context ctx) override {
    auto slept = co_await ctx.sleep(0s);
    slept.value();
  }

 private:
  Task<Json> sleep(Context ctx) {
    const Alive here{alive};
    auto slept = co_await ctx.sleep(60s);
    slept.value();
    co_return "rested";
  }
  // Saves its work after a cancel, as abi.h allows.
  Task<Result<Json>> stubborn(Context ctx) {
    const Alive here{alive};
    auto slept = co_await ctx.sleep(60s);
    if (slept) co_return Json("rested");
    const int reason = ctx.cancel_reason();
    auto saved = co_await ctx.checkpoint("half done");
    if (!saved) co_return saved.failure();
    sdk::Failure failure = slept.failure();
    failure.message = "reason " + std::to_string(reason);
    co_return failure;
  }
  Task<int> level(Context ctx, int depth) {
    const Alive here{alive};
    if (depth == 0) {
      auto slept = co_await ctx.sleep(1s);
      slept.value();
      co_return 0;
    }
    const int below = co_await level(ctx, depth - 1);
    co_return below + 1;
  }
  Task<Json> deep(Context ctx, Json args) {
    const int depth = co_await level(ctx, args.at("depth").get<int>());
    co_return depth;
  }
  Task<int> one() { co_return 1; }
  // A loop over tasks that never wait: the stack must not grow.
  Task<Json> many() {
    int sum = 0;
    for (int i = 0; i < 200'000; ++i) {
      const int more = co_await one();
      sum += more;
    }
    co_return sum;
  }
  Task<Json> both(Context ctx) {
    auto slow = ctx.sleep(3s);
    auto fast = ctx.sleep(1s);
    auto first = co_await slow;
    first.value();
    auto second_one = co_await fast;
    second_one.value();
    co_return true;
  }
  Task<Result<Json>> defer(Context ctx) {
    auto slept = co_await ctx.sleep(1s);
    if (!slept) co_return slept.failure();
    co_return ctx.defer(ctx.host().wall() + 1h, "poll 2");
  }
  Result<Json> defer_now(Context ctx) { return ctx.defer(ctx.host().wall() + 1min); }
  Task<Json> drops(Context ctx) {
    ctx.sleep(5s).ignore();
    auto slept = co_await ctx.sleep(1s);
    slept.value();
    co_return true;
  }
  Json spin(Context ctx) {
    int rounds = 0;
    while (!ctx.cancelled() && rounds < 10) ++rounds;
    return rounds;
  }
  void seen(Context ctx, const Json& event) {
    ctx.log(std::string{ctx.name()} + " " + event.at("id").get<std::string>());
  }
  Task<void> tick(Context ctx) {
    const Alive here{alive};
    for (;;) {
      auto slept = co_await ctx.sleep(10s);
      if (!slept) co_return;
      ++ticks;
    }
  }
  Task<void> breaks(Context ctx) {
    auto slept = co_await ctx.sleep(1s);
    slept.value();
    throw std::runtime_error{"a background fault"};
  }
};

class CoroutineTest : public testing::Test {
 protected:
  testkit::Host host{sdk::plugin_table<Waits>()};
  void SetUp() override {
    Waits::alive = 0;
    Waits::ticks = 0;
    host.start();
  }
  void TearDown() override {
    host.stop();
    EXPECT_EQ(host.violations, std::vector<std::string>{});
    EXPECT_EQ(host.open_tags(), 0u);
    EXPECT_EQ(Waits::alive, 0) << "a coroutine was not unwound";
  }
};

TEST_F(CoroutineTest, UnwindsByItselfWhenItIsCancelled) {
  auto& call = host.operation("sleep", "{}");
  EXPECT_EQ(Waits::alive, 2);
  host.cancel(call);
  host.run();
  ASSERT_TRUE(call.ended);
  EXPECT_EQ(call.ended->status, COF_ECANCELLED);
  EXPECT_EQ(call.ended->error_code, "cancelled");
  EXPECT_EQ(Waits::alive, 1);
}

TEST_F(CoroutineTest, UnwindsAtItsDeadline) {
  const auto& call = host.operation("sleep", "{}", {.timeout_ns = 2 * second});
  host.advance(3 * second);
  EXPECT_EQ(call.ended->status, COF_ECANCELLED);
  EXPECT_EQ(call.cancel_reason, COF_CANCEL_DEADLINE);
}

TEST_F(CoroutineTest, MaySaveItsWorkAfterACancel) {
  auto& call = host.operation("stubborn", "{}");
  host.cancel(call, COF_CANCEL_STOPPING);
  host.run();
  EXPECT_EQ(call.checkpoint, "half done");
  EXPECT_EQ(call.ended->status, COF_ECANCELLED);
  EXPECT_EQ(call.ended->error_message, "reason 3");
}

TEST_F(CoroutineTest, WaitsThroughManyLevels) {
  const auto& call = host.operation("deep", R"({"depth": 500})");
  host.advance(second);
  EXPECT_EQ(call.ended->result, "500");
}

TEST_F(CoroutineTest, RunsTasksThatNeverWaitWithoutGrowingTheStack) {
  EXPECT_EQ(host.operation("many", "{}").ended->result, "200000");
}

TEST_F(CoroutineTest, WaitsForSeveralThingsAtOnce) {
  const auto& call = host.operation("both", "{}");
  host.advance(3 * second);
  ASSERT_TRUE(call.ended);
  EXPECT_EQ(call.ended->status, COF_OK);
}

TEST_F(CoroutineTest, DefersAnAttempt) {
  const auto& later = host.operation("defer", "{}");
  host.advance(second);
  EXPECT_EQ(later.ended->status, COF_DEFERRED);
  EXPECT_EQ(later.deferred_to_ms, host.wall_ms + 3'600'000);
  EXPECT_EQ(later.checkpoint, "poll 2");

  const auto& now = host.operation("defer_now", "{}");
  EXPECT_EQ(now.ended->status, COF_DEFERRED);
  EXPECT_EQ(now.deferred_to_ms, host.wall_ms + 60'000);
}

TEST_F(CoroutineTest, MayDropWhatItWaitsFor) {
  const auto& call = host.operation("drops", "{}");
  host.advance(second);
  EXPECT_EQ(call.ended->status, COF_OK);
}

TEST_F(CoroutineTest, LetsALoopSeeItsCancel) {
  EXPECT_EQ(host.operation("spin", "{}").ended->result, "10");
}

TEST_F(CoroutineTest, RunsBackgroundWorkUntilItStops) {
  host.advance(35 * second);
  EXPECT_EQ(Waits::ticks, 3);
  EXPECT_TRUE(host.logged("a background fault"));
}

TEST_F(CoroutineTest, GetsTheEventsOfItsPrefix) {
  EXPECT_TRUE(host.subscribed.contains("task.*"));
  EXPECT_EQ(host.event("task.failed", R"({"id": "T1"})").ended->status, COF_OK);
  EXPECT_TRUE(host.logged("task.failed T1"));
  EXPECT_EQ(host.event("other", "{}").ended->error_code, "unknown_topic");
}

}  // namespace
