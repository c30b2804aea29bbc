// SPDX-License-Identifier: Apache-2.0
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
using testing::HasSubstr;
using Kind = Outcome::Kind;
using namespace std::chrono_literals;

class IsolatedWorld : public HostWorld {
 public:
  void add_isolated(const std::string& fixture) {
    add(fixture);
    plugin(fixture).isolation = "process";
  }
  std::optional<Error> start_one(const std::string& id) {
    std::optional<std::optional<Error>> result;
    host->start_plugin(id, [&](std::optional<Error> error) { result = std::move(error); });
    until([&] { return result.has_value(); });
    return result.value_or(std::nullopt);
  }
};

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
  EXPECT_EQ(echo.isolation, "process");
  EXPECT_GT(echo.pid, 1);
  EXPECT_EQ(world.info("slow").isolation, "in-process");
  EXPECT_EQ(world.info("slow").pid, 0);
  std::ifstream command{"/proc/" + std::to_string(echo.pid) + "/cmdline"};
  std::string line;
  std::getline(command, line);
  EXPECT_EQ(line, std::string("cofounderd-plugin-host\0echo\0", 28));
  EXPECT_EQ(world.run("echo.say", "{\"n\":1}").result, "{\"n\":1}");
  EXPECT_GT(world.info("echo").cpu_seconds, 0);
  EXPECT_TRUE(world.stop());
  world.until([&] { return is_gone(echo.pid); });
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

TEST(Isolation, TasksOfAKilledChildAreRetryableAndRunAfterARestart) {
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
  const PluginInfo dead = world.info("slow");
  EXPECT_EQ(dead.state, PluginState::failed);
  EXPECT_EQ(dead.last_error.value().code, "plugin_crashed");
  EXPECT_EQ(dead.pid, 0);
  EXPECT_FALSE(world.host->capacity().contains("slow"));
  EXPECT_EQ(world.run("slow.replies").error.code, "plugin_unavailable");
  EXPECT_EQ(world.run("echo.say").kind, Kind::succeeded) << "the neighbour";

  EXPECT_EQ(world.start_one("slow"), std::nullopt);
  EXPECT_EQ(world.run("slow.replies").kind, Kind::succeeded);
  EXPECT_EQ(world.info("slow").restarts, 1);
  EXPECT_NE(world.info("slow").pid, pid);
  EXPECT_TRUE(world.stop());
}

TEST(Isolation, AKilledChildIsRestartedMoreThanOnce) {
  IsolatedWorld world;
  world.add_isolated("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  std::set<int> pids;
  for (int i = 0; i < 5; ++i) {
    const int pid = world.info("echo").pid;
    EXPECT_TRUE(pids.insert(pid).second);
    ::kill(pid, SIGKILL);
    world.until([&] { return world.info("echo").state == PluginState::failed; });
    ASSERT_EQ(world.start_one("echo"), std::nullopt);
    EXPECT_EQ(world.run("echo.say").kind, Kind::succeeded);
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
  do {
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
  EXPECT_LT(kilobytes(::getpid(), "status", "VmRSS"), resident + 64 * 1024);
  EXPECT_LT(kilobytes(pid, "status", "VmRSS"), 64 * 1024);
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
