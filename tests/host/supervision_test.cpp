// SPDX-License-Identifier: Apache-2.0
#include "core/process/sandbox_build.hpp"
#include "tests/host/host_world.hpp"

#include <gmock/gmock.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>

#include <unistd.h>

// Isolated plugins that fail.
namespace cofounder {
namespace {

using test::HostWorld;
using test::IsolatedWorld;
using testing::HasSubstr;
using Kind = Outcome::Kind;
using namespace std::chrono_literals;

bool is_gone(int pid) { return ::kill(pid, 0) != 0 && errno == ESRCH; }

PluginWhy why_of(const IsolatedWorld& world, const std::string& id) {
  return world.host->why(id).value_or(PluginWhy{});
}

TEST(Supervision, ACrashIsExplainedWithItsBacktrace) {
  const std::string id = "segv-in-invoke";
  IsolatedWorld world;
  world.add_isolated(id);
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run(id + ".work").error.code, "plugin_crashed");
  world.until([&] { return !why_of(world, id).backtrace.empty(); });
  const PluginWhy why = why_of(world, id);
  EXPECT_EQ(why.signal, SIGSEGV);
  EXPECT_THAT(why.backtrace, HasSubstr("SIGSEGV at 0x40"));
  EXPECT_THAT(why.backtrace, HasSubstr(id + ".so+0x"));
  EXPECT_THAT(why.backtrace, HasSubstr("invoke"));
  ASSERT_EQ(why.calls.size(), 1u);
  EXPECT_THAT(why.calls.front(), HasSubstr("work"));
  world.until([&] { return world.info(id).state == PluginState::ready; });
}

TEST(Supervision, OneThatFailsTooOftenIsQuarantinedUntilAnOperatorStartsIt) {
  const std::string id = "segv-in-invoke";
  IsolatedWorld world;
  world.add_isolated(id);
  world.plugin(id).restart_failures_max = 2;
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run(id + ".work").error.code, "plugin_crashed");
  world.until([&] { return world.info(id).state == PluginState::ready; });
  EXPECT_EQ(world.run(id + ".work").error.code, "plugin_crashed");
  world.until([&] { return world.info(id).state == PluginState::quarantined; });
  EXPECT_THAT(world.info(id).last_error.value().message, HasSubstr("failure 2 within 10min"));
  EXPECT_THAT(why_of(world, id).what, HasSubstr("failure 2 within 10min"));
  EXPECT_EQ(world.run(id + ".work").error.code, "plugin_quarantined");
  EXPECT_EQ(world.start_one(id), std::nullopt);
  EXPECT_EQ(world.info(id).state, PluginState::ready);
  EXPECT_EQ(world.run(id + ".work").error.code, "plugin_crashed");
  world.until([&] { return world.info(id).state == PluginState::ready; });
  EXPECT_TRUE(world.stop());
}

// The first restart comes at once; the second in a row waits, so what is between can be looked at.
TEST(Supervision, BetweenItsDeathAndItsRestartItHasFailed) {
  const std::string id = "segv-in-invoke";
  IsolatedWorld world;
  world.add_isolated(id);
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run(id + ".work").error.code, "plugin_crashed");
  world.until([&] { return world.info(id).state == PluginState::ready; });
  EXPECT_EQ(world.info(id).restarts, 1);
  EXPECT_EQ(world.run(id + ".work").error.code, "plugin_crashed");
  world.until([&] { return world.info(id).state == PluginState::failed && world.info(id).pid == 0; });
  EXPECT_EQ(world.info(id).restarts, 1) << "it does not come back at once";
  EXPECT_THAT(world.info(id).last_error.value_or(Error{}).message, HasSubstr("killed by signal 11"));
  EXPECT_FALSE(world.host->capacity().contains(id));
  const Error refused = world.run(id + ".work").error;
  EXPECT_EQ(refused.code, "plugin_unavailable");
  EXPECT_TRUE(refused.retryable);
  world.until([&] { return world.info(id).state == PluginState::ready; });
  EXPECT_EQ(world.info(id).restarts, 2);
  EXPECT_TRUE(world.host->capacity().contains(id));
  EXPECT_TRUE(world.stop());
}

TEST(Supervision, ANewFileEndsTheQuarantine) {
  const std::string id = "segv-in-invoke";
  IsolatedWorld world;
  world.add_isolated(id);
  world.plugin(id).restart_failures_max = 1;
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run(id + ".work").error.code, "plugin_crashed");
  world.until([&] { return world.info(id).state == PluginState::quarantined; });
  std::filesystem::remove(world.folder / "plugins" / (id + ".so"));
  world.add(id);
  world.until([&] { return world.info(id).state == PluginState::ready; });
}

// Within its grace and three seconds: cancel, then SIGTERM, then SIGKILL.
void ends_in_time(const std::string& id, int signal) {
  IsolatedWorld world;
  world.add_isolated(id);
  world.plugin(id).deadlines.grace = 100ms;
  ASSERT_EQ(world.start(), std::nullopt);
  const int pid = world.info(id).pid;
  const auto attempt = world.begin(id + ".work");
  world.until([&] { return world.is_inside(id); });
  const Mono cancelled = world.loop.clock().mono();
  EXPECT_NE(world.cancel(attempt, CancelReason::requested).kind, Kind::succeeded);
  world.until([&] { return is_gone(pid); });
  EXPECT_LT(world.loop.clock().mono() - cancelled, 100ms + 3s);
  world.until([&] { return world.info(id).state == PluginState::ready; });
  EXPECT_EQ(why_of(world, id).code, "plugin_stuck");
  EXPECT_EQ(why_of(world, id).signal, signal);
}

TEST(Supervision, OneThatSpinsIsEndedInTime) { ends_in_time("spin", SIGTERM); }
TEST(Supervision, OneThatIgnoresSigtermIsKilledInTime) { ends_in_time("ignore-sigterm", SIGKILL); }

TEST(Supervision, OneThatIsStoppedForGoodIsMissed) {
  IsolatedWorld world;
  world.add_isolated("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  const int pid = world.info("echo").pid;
  ::kill(pid, SIGSTOP);
  world.until([&] { return world.info("echo").restarts == 1; });
  EXPECT_TRUE(is_gone(pid));
  EXPECT_EQ(why_of(world, "echo").code, "plugin_silent");
}

// Soft limit of CPU time in seconds; "unlimited" when there is none.
std::string cpu_limit_of(int pid) {
  std::ifstream in{"/proc/" + std::to_string(pid) + "/limits"};
  for (std::string line; std::getline(in, line);) {
    std::istringstream words{line};
    std::string max, cpu, time, soft;
    if (words >> max >> cpu >> time >> soft && cpu == "cpu") return soft;
  }
  return "?";
}

TEST(Supervision, OneThatComputesForNobodyIsEnded) {
  const std::string id = "spin-in-threads";
  IsolatedWorld world;
  world.add_isolated(id);
  world.plugin(id).limits.idle_cpu_max = 1s;
  ASSERT_EQ(world.start(), std::nullopt);
  const int pid = world.info(id).pid;
  EXPECT_NE(cpu_limit_of(pid), "unlimited");
  EXPECT_NE(cpu_limit_of(pid), "?");
  EXPECT_EQ(world.run(id + ".work").kind, Kind::succeeded);  // and leaves threads that spin
  world.until([&] { return world.info(id).restarts == 1; });
  EXPECT_TRUE(is_gone(pid));
  EXPECT_EQ(why_of(world, id).code, "plugin_spinning");
  EXPECT_THAT(why_of(world, id).what, HasSubstr("CPU time while nothing was asked of it"));
  world.until([&] { return world.info(id).state == PluginState::ready; });
  EXPECT_TRUE(world.stop());
}

TEST(Supervision, OneThatComputesForACallIsNot) {
  IsolatedWorld world;
  world.add_isolated("spin");
  world.plugin("spin").limits.idle_cpu_max = 1s;
  world.plugin("spin").deadlines.grace = 100ms;
  ASSERT_EQ(world.start(), std::nullopt);
  const int pid = world.info("spin").pid;
  const auto attempt = world.begin("spin.work");
  for (int looks = 0; looks < 2; ++looks) {
    const std::string before = cpu_limit_of(pid);
    world.until([&] { return cpu_limit_of(pid) != before; });  // it moves on
  }
  EXPECT_FALSE(attempt->outcome);
  EXPECT_EQ(world.info("spin").restarts, 0);
  EXPECT_NE(world.cancel(attempt, CancelReason::requested).kind, Kind::succeeded);
}

TEST(Supervision, ItsMemoryIsLimited) {
  if (!has_sandbox) GTEST_SKIP() << "a sanitizer needs memory without end";
  IsolatedWorld world;
  world.add_isolated("eat-memory");
  world.plugin("eat-memory").limits.memory_bytes_max = 128u << 20;
  ASSERT_EQ(world.start(), std::nullopt);
  const Error error = world.run("eat-memory.work").error;
  EXPECT_EQ(error.code, "memory_limit");
  EXPECT_TRUE(error.retryable);
  EXPECT_THAT(error.message, HasSubstr("limits.memory_bytes_max = 134217728"));
  EXPECT_EQ(why_of(world, "eat-memory").code, "memory_limit");
  EXPECT_EQ(why_of(world, "eat-memory").signal, SIGABRT);
}

TEST(Supervision, AnObjectThatIsTooLargeIsAMatterOfMemory) {
  if (!has_sandbox) GTEST_SKIP() << "a sanitizer needs memory without end";
  IsolatedWorld world;
  world.add_isolated("huge-object");
  world.plugin("huge-object").limits.memory_bytes_max = 128u << 20;
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("huge-object.work").error.code, "memory_limit")
      << why_of(world, "huge-object").what;
}

TEST(Supervision, AnAbortWithMemoryToSpareIsACrash) {
  IsolatedWorld world;
  world.add_isolated("abort-in-invoke");
  world.plugin("abort-in-invoke").limits.memory_bytes_max = 128u << 20;
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("abort-in-invoke.work").error.code, "plugin_crashed");
}

// ThreadSanitizer keeps a signal back until the thread makes a system call, and this one makes none:
// there the kernel's hard limit, a second later, ends it.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COFOUNDER_KEEPS_SIGNALS_BACK
#endif
#endif
#ifdef COFOUNDER_KEEPS_SIGNALS_BACK
constexpr int signal_of_the_limit = SIGKILL;
#else
constexpr int signal_of_the_limit = SIGXCPU;
#endif

TEST(Supervision, ItsProcessorTimeIsLimited) {
  IsolatedWorld world;
  world.add_isolated("spin");
  world.plugin("spin").limits.cpu_seconds_max = 1;
  ASSERT_EQ(world.start(), std::nullopt);
  const Error error = world.run("spin.work").error;
  EXPECT_TRUE(error.retryable);
  EXPECT_EQ(why_of(world, "spin").signal, signal_of_the_limit);
  if (signal_of_the_limit == SIGKILL) return;  // which says nothing of a limit
  EXPECT_EQ(error.code, "cpu_limit");
  EXPECT_THAT(error.message, HasSubstr("limits.cpu_seconds_max = 1"));
}

// The kernel's own limit of a spinning thread, for when the daemon does not come to look: it stays
// where it was when there was work last, however large the budget of its life is.
TEST(Supervision, TheBudgetOfItsLifeLeavesTheGuardAgainstSpinning) {
  for (const int budget : {0, 100'000}) {
    IsolatedWorld world;
    world.add_isolated("echo");
    world.plugin("echo").limits.cpu_seconds_max = budget;
    world.plugin("echo").limits.idle_cpu_max = 3s;
    ASSERT_EQ(world.start(), std::nullopt);
    const std::string limit = cpu_limit_of(world.info("echo").pid);
    const long processors = ::sysconf(_SC_NPROCESSORS_ONLN);
    EXPECT_GE(std::atol(limit.c_str()), 3 + 10 * processors) << limit;
    EXPECT_LE(std::atol(limit.c_str()), 4 + 10 * processors) << limit;
  }
  IsolatedWorld world;
  world.add_isolated("echo");
  world.plugin("echo").limits.cpu_seconds_max = 2;
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(cpu_limit_of(world.info("echo").pid), "2") << "the smaller one counts";
}

TEST(Supervision, TheSandboxStandsBeforeConstructorsRun) {
  if (!has_sandbox) GTEST_SKIP() << "this build has no sandbox";
  for (const char* id : {"socket-in-constructor", "file-in-constructor", "read-in-constructor",
                         "fork-in-constructor"}) {
    IsolatedWorld world;
    world.add_isolated(id);
    world.plugin(id).on_start_error = "ignore";
    ASSERT_EQ(world.start(), std::nullopt);
    EXPECT_EQ(world.info(id).state, PluginState::failed) << id;
    EXPECT_EQ(why_of(world, id).signal, SIGABRT) << id << ": " << why_of(world, id).what;
  }
}

}  // namespace
}  // namespace cofounder
