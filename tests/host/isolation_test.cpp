// SPDX-License-Identifier: Apache-2.0
#include "core/process/sandbox_build.hpp"
#include "tests/host/host_world.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <csignal>
#include <fstream>
#include <set>

#include <poll.h>
#include <unistd.h>

// Plugins in processes of their own, whatever the other tests run with.
namespace cofounder {
namespace {

using test::HostWorld;
using test::IsolatedWorld;
using testing::HasSubstr;
using Kind = Outcome::Kind;
using namespace std::chrono_literals;

bool is_gone(int pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

// A figure of /proc/PID/FILE in kB.
long kilobytes(int pid, const std::string& file, const std::string& name) {
  std::ifstream in{"/proc/" + std::to_string(pid) + "/" + file};
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name + ":")) return std::stol(line.substr(name.size() + 1));
  }
  return -1;
}

TEST(Isolation, IsChosenForEachPluginAndShown) {
  IsolatedWorld world;
  world.add_isolated("echo");
  world.add("slow");
  world.plugin("slow").isolation = "in-process";
  ASSERT_EQ(world.start(), std::nullopt);
  const PluginInfo echo = world.info("echo");
  EXPECT_EQ(echo.isolation, has_sandbox ? "process" : "process (no sandbox: sanitizer build)");
  EXPECT_GT(echo.pid, 1);
  EXPECT_EQ(world.info("slow").isolation, "in-process");
  EXPECT_EQ(world.info("slow").pid, 0);
  std::ifstream command{"/proc/" + std::to_string(echo.pid) + "/cmdline"};
  std::string line;
  std::getline(command, line);
  EXPECT_EQ(line, std::string("cofounderd-plugin-host\0echo\0", 28));
  EXPECT_EQ(world.run("echo.say", "{\"n\":1}").result, "{\"n\":1}");
  EXPECT_GT(world.info("echo").cpu_seconds, 0);
  EXPECT_GT(world.info("echo").memory_bytes.value_or(0), 500'000u);
  EXPECT_EQ(world.info("slow").memory_bytes, std::nullopt);
  EXPECT_EQ(world.info("echo").durations.count, 1u);
  EXPECT_TRUE(world.stop());
  EXPECT_TRUE(is_gone(echo.pid));
}

TEST(Isolation, LargeArgumentsAndResultsArrive) {
  IsolatedWorld world;
  world.add_isolated("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  for (const std::size_t size : {std::size_t{32'000}, std::size_t{33'000}, std::size_t{3'000'000}}) {
    const std::string args = "{\"a\":\"" + std::string(size, 'x') + "\"}";
    EXPECT_TRUE(world.run("echo.say", args).result == args) << size;
  }
}

TEST(Isolation, TasksOfAKilledChildAreRetryableAndItIsStartedAgain) {
  IsolatedWorld world;
  world.add_isolated("slow");
  world.add_isolated("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  const int pid = world.info("slow").pid;
  std::vector<std::shared_ptr<HostWorld::Attempt>> running;
  for (int i = 0; i < 5; ++i) running.push_back(world.begin("slow.wait"));
  EXPECT_EQ(world.run("slow.replies").kind, Kind::succeeded);  // so those are pending there

  ASSERT_EQ(::kill(pid, SIGKILL), 0);
  for (const auto& attempt : running) {
    const Outcome outcome = world.end_of(attempt);
    EXPECT_EQ(outcome.kind, Kind::failed);
    EXPECT_EQ(outcome.error.code, "plugin_crashed");
    EXPECT_TRUE(outcome.error.retryable);
    EXPECT_THAT(outcome.error.message, HasSubstr("killed by signal 9"));
  }
  const Mono dead = world.loop.clock().mono();
  world.until([&] { return world.info("slow").state == PluginState::ready; });
  std::printf("a killed child is ready again after %lld ms\n",
              static_cast<long long>((world.loop.clock().mono() - dead) / 1ms));
  EXPECT_EQ(world.run("echo.say").kind, Kind::succeeded) << "the neighbour";
  const PluginWhy why = world.host->why("slow").value_or(PluginWhy{});
  EXPECT_EQ(why.code, "plugin_crashed");
  EXPECT_EQ(why.signal, SIGKILL);
  EXPECT_EQ(why.calls.size(), 5u);
  EXPECT_EQ(world.run("slow.replies").kind, Kind::succeeded);
  EXPECT_EQ(world.info("slow").restarts, 1);
  EXPECT_NE(world.info("slow").pid, pid);
  EXPECT_TRUE(world.stop());
}

TEST(Isolation, AKilledChildIsRestartedMoreThanOnce) {
  IsolatedWorld world;
  world.add_isolated("echo");
  world.plugin("echo").restart_failures_max = 100;
  ASSERT_EQ(world.start(), std::nullopt);
  std::set<int> pids;
  for (int i = 0; i < 5; ++i) {
    const int pid = world.info("echo").pid;
    EXPECT_TRUE(pids.insert(pid).second);
    ::kill(pid, SIGKILL);
    world.until([&] { return world.info("echo").restarts == i + 1; });
    world.until([&] { return world.info("echo").state == PluginState::ready; });
    EXPECT_EQ(world.run("echo.say").kind, Kind::succeeded) << "so the next restart comes at once";
  }
}

TEST(Isolation, AStoppedChildIsEndedAfterItsGrace) {
  IsolatedWorld world;
  world.add_isolated("slow");
  world.plugin("slow").deadlines.grace = 50ms;
  ASSERT_EQ(world.start(), std::nullopt);
  const auto waiting = world.begin("slow.wait");
  EXPECT_EQ(world.run("slow.replies").kind, Kind::succeeded);
  const int pid = world.info("slow").pid;
  ::kill(pid, SIGSTOP);
  // It cannot know of the cancel, so only this call ends.
  EXPECT_EQ(world.cancel(waiting, CancelReason::requested).kind, Kind::cancelled);
  ::kill(pid, SIGCONT);
  EXPECT_EQ(world.run("slow.replies").kind, Kind::succeeded);
}

// ---- Both directions full ------------------------------------------------------------------------

// Runs the loop for a while.
void run_for(HostWorld& world, std::chrono::milliseconds time) {
  bool over = false;
  world.loop.clock().call_after(time, [&] { over = true; });
  world.until([&] { return over; });
}

// Waits, without running the loop, until the child does nothing more, for nobody reads what it says.
void until_blocked(int pid) {
  const auto used = [&] {
    std::ifstream stat{"/proc/" + std::to_string(pid) + "/schedstat"};
    long long nanoseconds = 0;
    stat >> nanoseconds;
    return nanoseconds;
  };
  long long before = -1;
  for (long long now = used(); now != before; now = used()) {
    before = now;
    ::poll(nullptr, 0, 300);
  }
}

void flood(std::chrono::milliseconds in_all, std::chrono::milliseconds stopped) {
  IsolatedWorld world;
  world.add_isolated("flood");
  ASSERT_EQ(world.start(), std::nullopt);
  const int pid = world.info("flood").pid;
  const long resident = kilobytes(::getpid(), "status", "VmRSS");
  const Mono end = world.loop.clock().mono() + in_all;
  int rounds = 0;
  do {
    ++rounds;
    std::vector<std::shared_ptr<HostWorld::Attempt>> running;
    for (int i = 0; i < 8; ++i) running.push_back(world.begin("flood.both", R"({"n":1000})"));
    world.until([&] { return world.info("flood").calls >= 8; });
    ::kill(pid, SIGSTOP);
    run_for(world, stopped);
    ::kill(pid, SIGCONT);
    run_for(world, 20ms);
    until_blocked(pid);
    for (const auto& one : running) EXPECT_EQ(world.end_of(one).result, "1000");
  } while (world.loop.clock().mono() < end);
#ifdef __SANITIZE_ADDRESS__
  const long bound_kb = 256 * 1024;  // what is freed stays resident for a while there
#else
  const long bound_kb = 64 * 1024;
#endif
  const long own = kilobytes(::getpid(), "status", "VmRSS");
  const long childs = kilobytes(pid, "status", "VmRSS");
  std::printf("%d rounds of 8 calls with 1000 requests and replies each; %ld kB more here than before "
              "(at most %ld), %ld kB in the child (at most %ld)\n",
              rounds, own - resident, kilobytes(::getpid(), "status", "VmHWM") - resident, childs,
              kilobytes(pid, "status", "VmHWM"));
  EXPECT_LT(own, resident + bound_kb);
  EXPECT_LT(childs, bound_kb);
  EXPECT_TRUE(world.stop());
}

TEST(Isolation, BothDirectionsFullAndOneSideStopped) { flood(0ms, 200ms); }

TEST(Isolation, BothDirectionsFullForAMinute) {
  if (std::getenv("COFOUNDER_LONG") == nullptr) GTEST_SKIP() << "for ctest -L long";
  flood(60s, 5s);
}

TEST(Isolation, AnIdleChildIsSmall) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs memory of its own";
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  GTEST_SKIP() << "a sanitizer needs memory of its own";
#endif
#endif
  IsolatedWorld world;
  world.add_isolated("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("echo.say").kind, Kind::succeeded);
  const long dirty = kilobytes(world.info("echo").pid, "smaps_rollup", "Private_Dirty");
  RecordProperty("private_dirty_kb", static_cast<int>(dirty));
  std::printf("Private_Dirty of an idle child: %ld kB\n", dirty);
  EXPECT_GT(dirty, 0);
  EXPECT_LT(dirty, 2'048);
}

}  // namespace
}  // namespace cofounder
