// SPDX-License-Identifier: Apache-2.0
#include "core/host/supervisor.hpp"

#include "tests/support/fake_clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace cofounder::host {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using State = Supervisor::State;

class SupervisorTest : public testing::Test {
 protected:
  Supervisor& make(Supervisor::Options options = {}) {
    supervisor = std::make_unique<Supervisor>(clock, "bad", options, [this] { ++starts; },
                                              [this] { return jitter; });
    return *supervisor;
  }
  void fail(const char* message = "it was killed") {
    supervisor->lost(make_error("plugin_crashed", message, true));
  }
  // It comes up and then fails.
  void crash() {
    supervisor->started();
    fail();
  }
  // How long it waits now.
  Milliseconds wait() const {
    return std::chrono::duration_cast<Milliseconds>(*supervisor->next_start() - clock.mono());
  }

  test::FakeClock clock;
  double jitter = 0.5;  // no spread
  int starts = 0;
  std::unique_ptr<Supervisor> supervisor;
};

TEST_F(SupervisorTest, RestartsAtOnceAndThenLaterAndLater) {
  Supervisor& it = make({.failures_max = 100});
  crash();
  EXPECT_EQ(it.state(), State::waiting);
  EXPECT_EQ(wait(), 0ms);
  clock.advance(0ms);
  EXPECT_EQ(starts, 1);
  const std::vector<Milliseconds> waits{1s, 2s, 4s, 8s, 16s, 32s, 64s, 128s, 256s, 300s, 300s};
  for (const Milliseconds expected : waits) {
    crash();
    EXPECT_EQ(wait(), expected);
    const int before = starts;
    clock.advance(expected - 1ms);
    EXPECT_EQ(starts, before);
    clock.advance(1ms);
    EXPECT_EQ(starts, before + 1);
  }
  EXPECT_EQ(it.restarts(), 12);
  EXPECT_EQ(it.last_error()->code, "plugin_crashed");
  EXPECT_EQ(it.last_error()->message, "it was killed");
}

TEST_F(SupervisorTest, SpreadsItsRestarts) {
  make({.failures_max = 100});
  crash();
  clock.advance(0ms);
  jitter = 0;
  crash();
  EXPECT_EQ(wait(), 750ms);
  clock.advance(1s);
  jitter = 0.999;
  crash();
  EXPECT_GT(wait(), 2400ms);
  EXPECT_LT(wait(), 2500ms);
  for (int i = 0; i < 20; ++i) {
    clock.advance(301s);
    crash();
    EXPECT_LE(wait(), 300s) << "the most is the most, also with jitter";
  }
}

TEST_F(SupervisorTest, IsPatientAgainOnceItHasWorked) {
  make({.failures_max = 100});
  for (int i = 0; i < 4; ++i) {
    crash();
    clock.advance(1min);
  }
  supervisor->started();
  supervisor->succeeded();
  fail();
  EXPECT_EQ(wait(), 0ms);
}

TEST_F(SupervisorTest, OnlyComingUpIsNoSuccess) {
  make({.failures_max = 100});
  crash();
  clock.advance(0ms);
  crash();
  EXPECT_EQ(wait(), 1s);
}

TEST_F(SupervisorTest, IsQuarantinedAfterTooManyFailures) {
  Supervisor& it = make({.failures_max = 5, .window = 10min});
  for (int i = 0; i < 4; ++i) {
    crash();
    clock.advance(30s);
    EXPECT_EQ(it.state(), State::starting);
    it.started();
    it.succeeded();  // what works between does not excuse it
  }
  crash();
  EXPECT_EQ(it.state(), State::quarantined);
  EXPECT_THAT(it.last_error()->message, HasSubstr("it was killed; that was failure 5 within 10min"));
  EXPECT_THAT(it.last_error()->hint, HasSubstr("plugin start bad"));
  const int before = starts;
  clock.advance(24h);
  EXPECT_EQ(starts, before);
  fail("late news");
  EXPECT_THAT(it.last_error()->message, HasSubstr("it was killed"));
}

TEST_F(SupervisorTest, ForgetsFailuresThatAreLongAgo) {
  Supervisor& it = make({.failures_max = 3, .window = 10min});
  for (int i = 0; i < 20; ++i) {
    crash();
    ASSERT_EQ(it.state(), State::waiting) << i;
    clock.advance(5min + 1s);
    ASSERT_EQ(it.state(), State::starting) << i;
  }
}

TEST_F(SupervisorTest, OneThatNeverComesUpFailsToo) {
  Supervisor& it = make({.failures_max = 2});
  fail();
  clock.advance(0ms);
  EXPECT_EQ(starts, 1);
  fail();
  EXPECT_EQ(it.state(), State::quarantined);
}

TEST_F(SupervisorTest, ForgottenWhileItWaitsStartsNothing) {
  make();
  crash();
  supervisor = nullptr;  // an operator stopped the plugin
  clock.advance(1h);
  EXPECT_EQ(starts, 0);
}

TEST_F(SupervisorTest, LateNewsChangesNothing) {
  Supervisor& it = make();
  crash();
  it.started();
  it.succeeded();
  fail();
  EXPECT_EQ(it.state(), State::waiting);
  clock.advance(1h);
  EXPECT_EQ(starts, 1);
}

}  // namespace
}  // namespace cofounder::host
