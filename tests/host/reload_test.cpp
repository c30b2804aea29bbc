// SPDX-License-Identifier: Apache-2.0
#include "core/process/sandbox_build.hpp"
#include "tests/host/host_world.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>

// Plugins that are replaced while they run.
namespace cofounder {
namespace {

using test::HostWorld;
using test::IsolatedWorld;
using testing::HasSubstr;
using Kind = Outcome::Kind;

// Under a sanitizer each new process takes a second.
constexpr bool slow_build = !has_sandbox;

bool is_gone(int pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

PluginWhy why_of(const IsolatedWorld& world, const std::string& id) {
  return world.host->why(id).value_or(PluginWhy{});
}

std::optional<Error> reload(IsolatedWorld& world, const std::string& id) {
  std::optional<std::optional<Error>> result;
  world.host->reload_plugin(id, [&](std::optional<Error> error) { result = std::move(error); });
  world.until([&] { return result.has_value(); });
  return result.value_or(std::nullopt);
}

// Events of the fixture "generation": "generation.WHAT {"born": N, ...}".
int count_events(const IsolatedWorld& world, const std::string& part) {
  return static_cast<int>(std::count_if(world.events.begin(), world.events.end(), [&](const auto& event) {
    return event.find(part) != std::string::npos;
  }));
}

// Tasks that run and tasks that come all end well, and each was entered once, whichever generation has them.
TEST(Reload, NoTaskFailsOrRunsTwiceInAHundredOfThem) {
  constexpr std::size_t times = slow_build ? 20 : 100;
  IsolatedWorld world;
  world.add_isolated("generation");
  ASSERT_EQ(world.start(), std::nullopt);
  std::set<int> pids;
  std::vector<std::shared_ptr<HostWorld::Attempt>> attempts;
  for (std::size_t i = 0; i < times; ++i) {
    EXPECT_TRUE(pids.insert(world.info("generation").pid).second);
    std::optional<std::optional<Error>> result;
    world.host->reload_plugin("generation", [&](std::optional<Error> error) { result = std::move(error); });
    while (!result) {
      for (int n = 0; n < 10; ++n) attempts.push_back(world.begin("generation.who"));
      const std::size_t last = attempts.size() - 1;
      world.until([&] { return result || attempts[last]->outcome; });
    }
    EXPECT_EQ(*result, std::nullopt);
  }
  for (const auto& attempt : attempts) world.end_of(attempt);
  std::map<std::string, int> entered;
  for (const std::string& event : world.events) ++entered[event];
  std::set<std::string> generations;
  for (const auto& attempt : attempts) {
    const Outcome outcome = world.end_of(attempt);
    EXPECT_EQ(outcome.kind, Kind::succeeded);
    generations.insert(outcome.result);
    EXPECT_EQ(entered["generation.ran {\"task\": \"" + to_string(attempt->key.task) + "\"}"], 1);
  }
  EXPECT_GE(attempts.size(), 10 * times);
  std::printf("%zu reloads, %zu tasks\n", times, attempts.size());
  EXPECT_GE(generations.size(), times);
  EXPECT_EQ(world.info("generation").restarts, 0);
  EXPECT_EQ(world.info("generation").failures, 0u);
  const int last = world.info("generation").pid;
  for (const int pid : pids) world.until([&] { return pid == last || is_gone(pid); });
  EXPECT_TRUE(world.stop());
}

std::string ask_route(IsolatedWorld& world) {
  std::string answer;
  bool ended = false;
  RouteSink sink;
  sink.head = [](int, auto) {};
  sink.piece = [&](std::string_view piece) {
    answer += piece;
    return true;
  };
  sink.end = [&](std::optional<Error> error) {
    EXPECT_EQ(error, std::nullopt);
    ended = true;
  };
  world.host->call_route({"generation", "who", "{}", ""}, std::move(sink));
  world.until([&] { return ended; });
  return answer;
}

// As soon as the command is answered, all that comes goes to the new one.
TEST(Reload, RoutesTimersAndTasksAreTheNewGenerationsAtOnce) {
  for (const char* isolation : {"process", "in-process"}) {
    SCOPED_TRACE(isolation);
    IsolatedWorld world;
    world.add("generation");
    world.plugin("generation").isolation = isolation;
    ASSERT_EQ(world.start(), std::nullopt);
    const std::string first = world.run("generation.who").result;
    ASSERT_NE(first, "");
    EXPECT_EQ(ask_route(world), first);
    world.until([&] { return count_events(world, "generation.tick " + first) >= 3; });
    // Otherwise the loader would give the code that it has.
    const auto file = world.folder / "plugins/generation.so";
    const auto next = world.folder / "next.so";
    std::filesystem::copy_file(file, next);
    std::ofstream{next, std::ios::app} << 'x';
    std::filesystem::rename(next, file);

    const int pid = world.info("generation").pid;
    EXPECT_EQ(reload(world, "generation"), std::nullopt);
    const std::string second = world.run("generation.who").result;
    EXPECT_NE(second, first);
    EXPECT_EQ(ask_route(world), second);
    world.until([&] { return count_events(world, "generation.tick " + second) >= 3; });
    // The old one has nothing that runs, so it ends, and its timers with it.
    world.until([&] { return count_events(world, "generation.stopped " + first) == 1; });
    if (pid != 0) world.until([&] { return is_gone(pid); });
    world.events.clear();
    world.until([&] { return count_events(world, "generation.tick " + second) >= 3; });
    EXPECT_EQ(count_events(world, "generation.tick " + first), 0);
    EXPECT_TRUE(world.stop());
  }
}

TEST(Reload, WhatRunsEndsInTheGenerationThatHasIt) {
  IsolatedWorld world;
  world.add_isolated("slow");
  ASSERT_EQ(world.start(), std::nullopt);
  const int pid = world.info("slow").pid;
  const auto waiting = world.begin("slow.wait");
  EXPECT_EQ(world.run("slow.replies").kind, Kind::succeeded);
  EXPECT_EQ(reload(world, "slow"), std::nullopt);
  EXPECT_NE(world.info("slow").pid, pid);
  EXPECT_FALSE(waiting->outcome);
  EXPECT_FALSE(is_gone(pid));
  EXPECT_EQ(world.cancel(waiting, CancelReason::requested).kind, Kind::cancelled);
  world.until([&] { return is_gone(pid); });
  EXPECT_EQ(world.info("slow").state, PluginState::ready);
}

TEST(Reload, ANewGenerationThatFailsLeavesTheOldOne) {
  for (const char* isolation : {"process", "in-process"}) {
    IsolatedWorld world;
    world.add("echo");
    world.plugin("echo").isolation = isolation;
    ASSERT_EQ(world.start(), std::nullopt);
    const int pid = world.info("echo").pid;
    const auto file = world.folder / "plugins/echo.so";
    std::filesystem::remove(file);
    std::ofstream{file} << "no library";
    const std::optional<Error> error = reload(world, "echo");
    ASSERT_TRUE(error);
    EXPECT_THAT(error->message, HasSubstr("echo.so"));
    EXPECT_EQ(world.info("echo").pid, pid);
    EXPECT_EQ(world.info("echo").state, PluginState::ready);
    EXPECT_EQ(world.run("echo.say").kind, Kind::succeeded);
    EXPECT_TRUE(world.stop());
  }
}

TEST(Reload, OneThatCannotBeProbedLeavesTheOldOne) {
  IsolatedWorld world;
  world.add_isolated("segv-in-probe");
  ASSERT_EQ(world.start(), std::nullopt) << "only a reload probes";
  const int pid = world.info("segv-in-probe").pid;
  EXPECT_EQ(reload(world, "segv-in-probe").value_or(Error{}).code, "plugin_crashed");
  EXPECT_EQ(why_of(world, "segv-in-probe").signal, SIGSEGV);
  EXPECT_EQ(world.info("segv-in-probe").pid, pid);
  EXPECT_EQ(world.run("segv-in-probe.work").kind, Kind::succeeded);
  EXPECT_TRUE(world.stop());
}

TEST(Reload, InThisProcessOnlySoOften) {
  IsolatedWorld world;
  world.add("echo");
  world.plugin("echo").isolation = "in-process";
  ASSERT_EQ(world.start(), std::nullopt);
  const auto file = world.folder / "plugins/echo.so";
  for (int i = 0; i < 9; ++i) {
    // Another file each time: bytes after the end of an ELF file do no harm.
    const auto next = world.folder / "next.so";
    std::filesystem::copy_file(file, next, std::filesystem::copy_options::overwrite_existing);
    std::ofstream{next, std::ios::app} << i;
    std::filesystem::rename(next, file);
    const Error error = reload(world, "echo").value_or(Error{});
    EXPECT_EQ(error.code, i < 7 ? "" : "too_many_generations") << i << ": " << error.message;
    EXPECT_EQ(world.run("echo.say").kind, Kind::succeeded);
  }
  EXPECT_TRUE(world.stop());
}

}  // namespace
}  // namespace cofounder
