// SPDX-License-Identifier: Apache-2.0
#include "core/host/supervisor.hpp"

#include "tests/support/fake_clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace cofounder::host {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using State = Supervisor::State;

class SupervisorTest : public testing::Test {
 protected:
  Supervisor& make(Supervisor::Options options = {}) {
    Supervisor::Hands hands;
    hands.start = [this] { acts.emplace_back("start"); };
    hands.terminate = [this] { acts.emplace_back("terminate"); };
    hands.kill = [this] { acts.emplace_back("kill"); };
    hands.changed = [this](State state) { states.emplace_back(to_string(state)); };
    supervisor = std::make_unique<Supervisor>(clock, "bad", options, std::move(hands),
                                              [this] { return jitter; });
    return *supervisor;
  }
  // A start that comes up and then ends so.
  void crash(int signal = SIGSEGV) {
    supervisor->started();
    supervisor->ended(0, signal);
  }
  int starts() const { return static_cast<int>(std::count(acts.begin(), acts.end(), "start")); }
  // How long it waits now.
  Milliseconds wait() const {
    return std::chrono::duration_cast<Milliseconds>(*supervisor->next_start() - clock.mono());
  }

  test::FakeClock clock;
  double jitter = 0.5;  // no spread
  std::vector<std::string> acts;
  std::vector<std::string> states;
  std::unique_ptr<Supervisor> supervisor;
};

TEST_F(SupervisorTest, StartsAndStops) {
  Supervisor& it = make();
  EXPECT_EQ(it.state(), State::stopped);
  it.start();
  it.start();
  it.started();
  it.stop();
  it.stop();
  it.ended(0, SIGTERM);
  EXPECT_THAT(acts, ElementsAre("start", "terminate"));
  EXPECT_THAT(states, ElementsAre("starting", "running", "ending", "stopped"));
  EXPECT_EQ(it.last_error(), std::nullopt) << "it was asked to end";
  clock.advance(1h);
  EXPECT_EQ(acts.size(), 2u);
}

TEST_F(SupervisorTest, KillsWhatDoesNotEndWhenItIsStopped) {
  Supervisor& it = make();
  it.start();
  it.started();
  it.stop();
  clock.advance(1999ms);
  EXPECT_THAT(acts, ElementsAre("start", "terminate"));
  clock.advance(1ms);
  EXPECT_THAT(acts, ElementsAre("start", "terminate", "kill"));
  it.ended(0, SIGKILL);
  EXPECT_EQ(it.state(), State::stopped);
}

TEST_F(SupervisorTest, RestartsAtOnceAndThenLaterAndLater) {
  Supervisor& it = make({.failures_max = 100});
  it.start();
  crash();
  EXPECT_EQ(it.state(), State::waiting);
  EXPECT_EQ(wait(), 0ms);
  clock.advance(0ms);
  EXPECT_EQ(starts(), 2);
  const std::vector<Milliseconds> waits{1s, 2s, 4s, 8s, 16s, 32s, 64s, 128s, 256s, 300s, 300s};
  for (const Milliseconds expected : waits) {
    crash();
    EXPECT_EQ(wait(), expected);
    const int before = starts();
    clock.advance(expected - 1ms);
    EXPECT_EQ(starts(), before);
    clock.advance(1ms);
    EXPECT_EQ(starts(), before + 1);
  }
  EXPECT_EQ(it.restarts(), 12);
  EXPECT_EQ(it.last_error()->code, "plugin_crashed");
  EXPECT_THAT(it.last_error()->message, HasSubstr("signal 11 (SIGSEGV)"));
}

TEST_F(SupervisorTest, SpreadsItsRestarts) {
  make({.failures_max = 100});
  supervisor->start();
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
  supervisor->start();
  for (int i = 0; i < 4; ++i) {
    crash();
    clock.advance(1min);
  }
  supervisor->started();
  supervisor->succeeded();
  supervisor->ended(3, 0);
  EXPECT_EQ(wait(), 0ms);
  EXPECT_THAT(supervisor->last_error()->message, HasSubstr("exit code 3"));
}

TEST_F(SupervisorTest, OnlyComingUpIsNoSuccess) {
  make({.failures_max = 100});
  supervisor->start();
  crash();
  clock.advance(0ms);
  crash();
  EXPECT_EQ(wait(), 1s);
}

TEST_F(SupervisorTest, IsQuarantinedAfterTooManyFailures) {
  Supervisor& it = make({.failures_max = 5, .window = 10min});
  it.start();
  for (int i = 0; i < 4; ++i) {
    crash();
    clock.advance(30s);
    EXPECT_EQ(it.state(), State::starting);
    it.started();
    it.succeeded();  // what works between does not excuse it
  }
  it.ended(0, SIGABRT);
  EXPECT_EQ(it.state(), State::quarantined);
  EXPECT_THAT(it.last_error()->message, HasSubstr("failure 5 within 10min"));
  EXPECT_THAT(it.last_error()->hint, HasSubstr("plugin start bad"));
  const int before = starts();
  clock.advance(5min);  // the window is not over
  EXPECT_EQ(starts(), before);
  it.start();
  EXPECT_EQ(it.state(), State::starting);
  crash();
  EXPECT_EQ(it.state(), State::waiting) << "the past is forgotten";
}

TEST_F(SupervisorTest, ForgetsFailuresThatAreLongAgo) {
  Supervisor& it = make({.failures_max = 3, .window = 10min});
  it.start();
  for (int i = 0; i < 20; ++i) {
    crash();
    ASSERT_EQ(it.state(), State::waiting) << i;
    clock.advance(5min + 1s);
    ASSERT_EQ(it.state(), State::starting) << i;
  }
}

TEST_F(SupervisorTest, ANewFileEndsTheQuarantineAndTheWait) {
  Supervisor& it = make({.failures_max = 3});
  it.start();
  crash();
  clock.advance(0ms);
  crash();
  EXPECT_EQ(it.state(), State::waiting);
  it.file_changed();
  EXPECT_EQ(it.state(), State::starting);
  for (int i = 0; i < 3; ++i) {
    crash();
    clock.advance(1min);
  }
  EXPECT_EQ(it.state(), State::quarantined);
  it.file_changed();
  EXPECT_EQ(it.state(), State::starting);
  it.started();
  const int before = starts();
  it.file_changed();
  EXPECT_EQ(starts(), before) << "one that runs is for a reload";
  it.stop();
  it.ended(0, SIGTERM);
  it.file_changed();
  EXPECT_EQ(it.state(), State::stopped) << "nobody wants it";
}

TEST_F(SupervisorTest, OneThatNeverComesUpFailsToo) {
  Supervisor& it = make({.failures_max = 2});
  it.start();
  it.ended(1, 0);
  clock.advance(0ms);
  EXPECT_EQ(starts(), 2);
  it.ended(1, 0);
  EXPECT_EQ(it.state(), State::quarantined);
}

TEST_F(SupervisorTest, KillsAtOnceWhatCannotBeTrusted) {
  struct Case {
    std::function<void(Supervisor&)> tell;
    const char* code;
    const char* words;
  };
  const std::vector<Case> cases{
      {[](Supervisor& it) { it.missed_heartbeat(); }, "plugin_silent", "no sign of life"},
      {[](Supervisor& it) { it.broken_frame("a size of 9"); }, "plugin_broken_frame", "a size of 9"},
      {[](Supervisor& it) { it.memory_exceeded("600 MiB"); }, "plugin_out_of_memory", "600 MiB"}};
  for (const Case& one : cases) {
    acts.clear();
    Supervisor& it = make();
    it.start();
    it.started();
    one.tell(it);
    EXPECT_THAT(acts, ElementsAre("start", "kill"));
    one.tell(it);  // nothing more comes of it
    EXPECT_EQ(acts.size(), 2u);
    it.ended(0, SIGKILL);
    EXPECT_EQ(it.last_error()->code, one.code);
    EXPECT_THAT(it.last_error()->message, HasSubstr(one.words));
    EXPECT_EQ(it.state(), State::waiting);
  }
}

TEST_F(SupervisorTest, OneThatOverrunsIsAskedAndThenKilled) {
  Supervisor& it = make();
  it.start();
  it.started();
  it.overran("operation \"work\"");
  EXPECT_THAT(acts, ElementsAre("start", "terminate"));
  EXPECT_EQ(it.state(), State::ending);
  clock.advance(2s);
  EXPECT_THAT(acts, ElementsAre("start", "terminate", "kill"));
  it.ended(0, SIGKILL);
  EXPECT_EQ(it.last_error()->code, "plugin_overran");
  EXPECT_THAT(it.last_error()->message, HasSubstr("operation \"work\""));
  clock.advance(0ms);
  EXPECT_EQ(it.state(), State::starting) << "the first restart is at once";
}

TEST_F(SupervisorTest, OneThatFollowsSigtermIsNotKilled) {
  Supervisor& it = make();
  it.start();
  it.started();
  it.overran("stop");
  clock.advance(1s);
  it.ended(0, SIGTERM);
  clock.advance(1h);
  EXPECT_EQ(std::count(acts.begin(), acts.end(), "kill"), 0);
}

TEST_F(SupervisorTest, LosesItsPatienceWithOneThatBreaksFramesWhileItEnds) {
  Supervisor& it = make();
  it.start();
  it.started();
  it.overran("start");
  it.broken_frame("rubbish");
  EXPECT_THAT(acts, ElementsAre("start", "terminate", "kill"));
  it.ended(0, SIGKILL);
  EXPECT_EQ(it.last_error()->code, "plugin_overran") << "the first reason counts";
}

TEST_F(SupervisorTest, StoppedWhileItEndsForAReasonStaysStopped) {
  Supervisor& it = make();
  it.start();
  it.started();
  it.missed_heartbeat();
  it.stop();
  it.ended(0, SIGKILL);
  EXPECT_EQ(it.state(), State::stopped);
  EXPECT_EQ(it.last_error()->code, "plugin_silent");
  clock.advance(1h);
  EXPECT_EQ(starts(), 1);
}

TEST_F(SupervisorTest, StartedWhileItEndsComesBack) {
  Supervisor& it = make();
  it.start();
  it.started();
  it.stop();
  it.start();
  EXPECT_EQ(starts(), 1) << "never two of them";
  it.ended(0, SIGTERM);
  EXPECT_EQ(it.state(), State::starting);
  EXPECT_EQ(starts(), 2);
}

TEST_F(SupervisorTest, StoppedWhileItWaitsStaysStopped) {
  Supervisor& it = make();
  it.start();
  crash();
  it.stop();
  EXPECT_EQ(it.state(), State::stopped);
  clock.advance(1h);
  EXPECT_EQ(starts(), 1);
}

TEST_F(SupervisorTest, LateNewsOfAnEndChangesNothing) {
  Supervisor& it = make();
  it.ended(0, SIGKILL);
  it.missed_heartbeat();
  it.started();
  EXPECT_EQ(it.state(), State::stopped);
  EXPECT_TRUE(states.empty());
}

}  // namespace
}  // namespace cofounder::host
