// SPDX-License-Identifier: Apache-2.0
#include "core/process/sandbox_build.hpp"
#include "tests/host/host_world.hpp"
#include "tests/process/fake_cgroups.hpp"

#include <gmock/gmock.h>

#include <csignal>
#include <optional>

#include <sys/stat.h>
#include <unistd.h>

// The control groups of isolated plugins: on a fake tree, and where there is one on the real.
namespace cofounder {
namespace {

namespace fs = std::filesystem;
using test::FakeCgroups;
using test::IsolatedWorld;
using testing::EndsWith;
using testing::HasSubstr;

class ControlGroup : public testing::Test {
 protected:
  // One plugin with a group that was made before, as the kernel would make its files.
  std::optional<Error> start(const std::string& fixture) {
    world.add_isolated(fixture);
    world.groups = std::make_unique<ChildGroups>(world.loop.clock(), tree.root);
    world.groups->open();
    for (int i = 1; i <= 3; ++i) tree.put_group("plugin-" + fixture + "." + std::to_string(i));
    return world.start();
  }

  FakeCgroups tree;
  IsolatedWorld world;
};

TEST_F(ControlGroup, HoldsTheProcessWithItsLimits) {
  auto& limits = world.plugin("echo").limits;
  limits.memory_bytes_max = 96u << 20;
  limits.threads_max = 7;
  limits.cpu_percent_max = 50;
  ASSERT_EQ(start("echo"), std::nullopt);
  EXPECT_EQ(tree.at("plugin-echo.1/cgroup.procs"), "0") << "the child joined";
  EXPECT_EQ(tree.at("plugin-echo.1/memory.max"), has_sandbox ? "100663296" : "max");
  EXPECT_EQ(tree.at("plugin-echo.1/pids.max"), "9") << "its own, one for calls, one for beats";
  EXPECT_EQ(tree.at("plugin-echo.1/cpu.max"), "50000 100000");
  EXPECT_TRUE(world.host->control_groups().memory);
  EXPECT_EQ(tree.at("plugin-echo.1/cgroup.kill"), "");
  EXPECT_TRUE(world.stop());
  EXPECT_EQ(tree.at("plugin-echo.1/cgroup.kill"), "1");
}

TEST_F(ControlGroup, ANewGenerationHasOneOfItsOwn) {
  ASSERT_EQ(start("echo"), std::nullopt);
  bool done = false;
  world.host->reload_plugin("echo", [&](const std::optional<Error>& error) {
    EXPECT_EQ(error, std::nullopt);
    done = true;
  });
  world.until([&] { return done; });
  EXPECT_EQ(tree.at("plugin-echo.2/cgroup.procs"), "0");
  world.until([&] { return tree.at("plugin-echo.1/cgroup.kill") == "1"; });
  EXPECT_EQ(tree.at("plugin-echo.2/cgroup.kill"), "");
}

TEST_F(ControlGroup, ThatWasOverItsMemoryIsTheReason) {
  ASSERT_EQ(start("slow"), std::nullopt);
  const auto waiting = world.begin("slow.wait");
  EXPECT_EQ(world.run("slow.replies").kind, Outcome::Kind::succeeded);
  tree.put("plugin-slow.1/memory.events", "low 0\nmax 9\noom 1\noom_kill 1\n");
  ::kill(world.info("slow").pid, SIGKILL);
  EXPECT_EQ(world.end_of(waiting).error.code, "memory_limit");
  const PluginWhy why = world.host->why("slow").value_or(PluginWhy{});
  EXPECT_EQ(why.code, "memory_limit");
  EXPECT_THAT(why.what, HasSubstr("it needed more than limits.memory_bytes_max"));
  world.until([&] { return world.info("slow").state == PluginState::ready; });
  EXPECT_EQ(tree.at("plugin-slow.2/cgroup.procs"), "0") << "started again in another group";
}

TEST_F(ControlGroup, ThatCannotBeJoinedMeansNoStart) {
  world.plugin("echo").on_start_error = "ignore";
  world.add_isolated("echo");
  world.groups = std::make_unique<ChildGroups>(world.loop.clock(), tree.root);
  world.groups->open();
  tree.put_group("plugin-echo.1");
  fs::remove(tree.root / "plugin-echo.1/cgroup.procs");
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.info("echo").state, PluginState::failed);
  EXPECT_EQ(world.info("echo").last_error.value().code, "cgroup_unusable");
  EXPECT_THAT(world.info("echo").last_error.value().message, HasSubstr("cgroup.procs"));
}

// Where this process may make groups; `controller` must be handed down to them.
std::optional<fs::path> real_place(std::string_view controller) {
  for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    std::ifstream file{std::string{place} + "/cgroup.controllers"};
    if (!file || ::access(place, W_OK) != 0) continue;
    std::string text;  // empty where another version has them
    std::getline(file, text);
    if (text.find(controller) != std::string::npos) return place;
  }
  return std::nullopt;
}

class RealControlGroup : public testing::Test {
 protected:
  bool open(std::string_view controller) {
    const auto place = real_place(controller);
    if (!place) return false;
    if (!controller.empty()) std::ofstream{*place / "cgroup.subtree_control"} << "+memory";
    root = *place / ("cofounder-host-test-" + std::to_string(::getpid()));
    if (::mkdir(root.c_str(), 0755) != 0) return false;
    world.groups = std::make_unique<ChildGroups>(world.loop.clock(), root);
    return world.groups->open().usable;
  }
  ~RealControlGroup() override {
    world.host.reset();
    while (world.loop.poll()) {
    }
    if (!root.empty()) ::rmdir(root.c_str());
  }

  fs::path root;
  IsolatedWorld world;
};

TEST_F(RealControlGroup, HoldsTheProcessUntilItsEnd) {
  if (!open("")) GTEST_SKIP() << "no cgroup2 mount that this user may write to";
  world.add_isolated("echo");
  ASSERT_EQ(world.start(), std::nullopt);
  const std::string file = "/proc/" + std::to_string(world.info("echo").pid) + "/cgroup";
  EXPECT_THAT(world.read(file), HasSubstr(root.filename().string() + "/plugin-echo.1\n"));
  EXPECT_EQ(world.run("echo.say").kind, Outcome::Kind::succeeded);
  EXPECT_TRUE(world.stop());
  world.until([&] { return !fs::exists(root / "plugin-echo.1"); });
}

TEST_F(RealControlGroup, EndsAPluginThatNeedsTooMuch) {
  if (!has_sandbox) GTEST_SKIP() << "a sanitizer needs memory without end";
  if (!open("memory")) {
    GTEST_SKIP() << "no writable cgroup2 mount has the memory controller: memory.max was tried on "
                    "a fake tree only";
  }
  // What setrlimit(2) does not count: what lies in files in memory.
  world.add_isolated("eat-shared-memory");
  world.plugin("eat-shared-memory").limits.memory_bytes_max = 64u << 20;
  ASSERT_EQ(world.start(), std::nullopt);
  EXPECT_EQ(world.run("eat-shared-memory.work").error.code, "memory_limit");
  const PluginWhy why = world.host->why("eat-shared-memory").value_or(PluginWhy{});
  EXPECT_EQ(why.signal, SIGKILL) << why.what;
}

}  // namespace
}  // namespace cofounder
