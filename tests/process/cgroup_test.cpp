// SPDX-License-Identifier: Apache-2.0
#include "core/process/cgroup.hpp"

#include "tests/process/fake_cgroups.hpp"
#include "tests/process/process_world.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <iostream>

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using testing::HasSubstr;

class FakeTree : public FakeCgroups, public testing::Test {};

TEST_F(FakeTree, HandsDownTheControllersThatWereDelegated) {
  CgroupTree tree{root};
  const CgroupStatus expected{true, true, true, true, ""};
  EXPECT_EQ(tree.open(), expected);
  // A file keeps only the last of three writes, from its beginning; the kernel takes each.
  EXPECT_EQ(at("cgroup.subtree_control").substr(0, 4), "+cpu");
}

TEST_F(FakeTree, SaysWhichControllersAreMissing) {
  put("cgroup.controllers", "cpuset memory\n");
  CgroupTree tree{root};
  const auto status = tree.open();
  EXPECT_TRUE(status.usable);
  EXPECT_TRUE(status.memory);
  EXPECT_FALSE(status.processes);
  EXPECT_FALSE(status.cpu);
  EXPECT_EQ(status.reason,
            "no pids controller in " + (root / "cgroup.controllers").string() +
                "; no cpu controller in " + (root / "cgroup.controllers").string());
}

TEST_F(FakeTree, IsNotUsableWithoutCgroup2) {
  CgroupTree tree{root / "none"};
  const auto status = tree.open();
  EXPECT_FALSE(status.usable);
  EXPECT_THAT(status.reason, HasSubstr("is no cgroup v2 folder"));
  const auto made = tree.make("plugin-hello", {});
  ASSERT_TRUE(made.has_error());
  EXPECT_EQ(made.error().code, "cgroup_unusable");
  EXPECT_THAT(made.error().message, HasSubstr("is no cgroup v2 folder"));
}

TEST_F(FakeTree, IsNotUsableWhenItCannotEnableControllers) {
  fs::remove(root / "cgroup.subtree_control");
  CgroupTree tree{root};
  const auto status = tree.open();
  EXPECT_TRUE(status.usable) << "groups can still be killed";
  EXPECT_FALSE(status.memory);
  EXPECT_THAT(status.reason, HasSubstr("cgroup.subtree_control: No such file"));
  EXPECT_THAT(status.reason, HasSubstr("(+memory)"));
}

TEST_F(FakeTree, LeavesControllersAloneThatAreEnabled) {
  put("cgroup.subtree_control", "cpu memory pids\n");
  CgroupTree tree{root};
  EXPECT_TRUE(tree.open().memory);
  EXPECT_EQ(at("cgroup.subtree_control"), "cpu memory pids\n");
}

TEST_F(FakeTree, TheDaemonMovesOutOfTheWay) {
  put("cgroup.procs", "4711\n");
  put("daemon/cgroup.procs", "");
  CgroupTree tree{root, 4711};
  EXPECT_TRUE(tree.open().usable);
  EXPECT_EQ(at("daemon/cgroup.procs"), "4711");
}

TEST_F(FakeTree, ATreeThatIsNotDelegatedIsLeftAlone) {
  put("cgroup.procs", "4711\n");
  fs::create_directory(root / "daemon");  // without its files: writing fails
  CgroupTree tree{root, 4711};
  const auto status = tree.open();
  EXPECT_FALSE(status.usable);
  EXPECT_THAT(status.reason, HasSubstr("not delegated?"));
  EXPECT_EQ(at("cgroup.subtree_control"), "");
}

// A daemon that somebody starts in a shell is in the group of the shell.
TEST_F(FakeTree, ATreeWithProcessesOfOthersIsLeftAlone) {
  put("cgroup.procs", "1\n4711\n4712\n");
  put("daemon/cgroup.procs", "");
  CgroupTree tree{root, 4711};
  const auto status = tree.open();
  EXPECT_FALSE(status.usable);
  EXPECT_THAT(status.reason, HasSubstr("has 2 processes besides the daemon"));
  EXPECT_EQ(at("daemon/cgroup.procs"), "");
  EXPECT_EQ(at("cgroup.subtree_control"), "");
}

TEST_F(FakeTree, TheGroupsOfAnotherDaemonAreFound) {
  put_group("plugin-a.1");
  put_group("plugin-b.2");
  put_group("daemon");
  put("plugin-file", "");
  std::vector<std::string> found;
  for (const Cgroup& group : CgroupTree{root}.groups("plugin-")) {
    found.push_back(group.folder().filename());
  }
  EXPECT_THAT(found, testing::UnorderedElementsAre("plugin-a.1", "plugin-b.2"));
  EXPECT_TRUE(CgroupTree{root / "none"}.groups("plugin-").empty());
}

TEST_F(FakeTree, AGroupHasItsLimits) {
  put_group("plugin-hello");
  CgroupTree tree{root};
  tree.open();
  const CgroupLimits limits{64U << 20, 16, 150};
  ASSERT_TRUE(tree.make("plugin-hello", limits));
  EXPECT_EQ(at("plugin-hello/memory.max"), "67108864");
  EXPECT_EQ(at("plugin-hello/memory.oom.group"), "1");
  EXPECT_EQ(at("plugin-hello/memory.swap.max"), "0");
  EXPECT_EQ(at("plugin-hello/pids.max"), "16");
  EXPECT_EQ(at("plugin-hello/cpu.max"), "150000 100000");
}

TEST_F(FakeTree, AGroupWithoutLimitsLosesThoseOfItsPast) {
  put_group("plugin-hello");
  put("plugin-hello/memory.max", "67");
  CgroupTree tree{root};
  tree.open();
  ASSERT_TRUE(tree.make("plugin-hello", {}));
  EXPECT_EQ(at("plugin-hello/memory.max").substr(0, 3), "max");
  EXPECT_EQ(at("plugin-hello/pids.max"), "max");
  EXPECT_EQ(at("plugin-hello/cpu.max"), "max 100000");
  EXPECT_EQ(at("plugin-hello/memory.swap.max"), "");
}

TEST_F(FakeTree, ALimitThatCannotBeSetIsAnError) {
  put_group("plugin-hello");
  fs::remove(root / "plugin-hello/pids.max");
  CgroupTree tree{root};
  tree.open();
  const auto made = tree.make("plugin-hello", {});
  ASSERT_TRUE(made.has_error());
  EXPECT_EQ(made.error().code, "cgroup_unusable");
  EXPECT_THAT(made.error().message, HasSubstr("pids.max: No such file or directory"));
}

TEST_F(FakeTree, OnlyLimitsOfControllersThatAreThereAreSet) {
  put("cgroup.controllers", "pids\n");
  put("plugin-hello/pids.max", "");
  CgroupTree tree{root};
  tree.open();
  EXPECT_TRUE(tree.make("plugin-hello", {64U << 20, 16, 150}));
  EXPECT_EQ(at("plugin-hello/pids.max"), "16");
}

TEST_F(FakeTree, NamesDoNotLeadOut) {
  CgroupTree tree{root};
  tree.open();
  for (const std::string name : {"", ".", "..", "../x", "a/b", ".hidden", "a b", "a\n"}) {
    EXPECT_TRUE(tree.make(name, {}).has_error()) << name;
  }
  EXPECT_TRUE(tree.make(std::string(65, 'a'), {}).has_error());
}

TEST_F(FakeTree, TellsWhatAGroupUses) {
  put("x/memory.current", "4096\n");
  put("x/memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 1\n");
  put("x/pids.current", "3\n");
  put("x/cpu.stat", "usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n");
  put("x/cgroup.events", "populated 1\nfrozen 0\n");
  const Cgroup group{root / "x"};
  const auto usage = group.usage();
  EXPECT_EQ(usage.memory_bytes, 4096U);
  EXPECT_EQ(usage.oom_kills, 1U);
  EXPECT_EQ(usage.processes, 3U);
  EXPECT_EQ(usage.cpu, 1500us);
  EXPECT_EQ(group.is_populated(), true);
}

TEST_F(FakeTree, WhatIsNotSaidIsUnknownNotZero) {
  put("x/memory.current", "garbage\n");
  const Cgroup group{root / "x"};
  const auto usage = group.usage();
  EXPECT_FALSE(usage.memory_bytes);
  EXPECT_FALSE(usage.oom_kills);
  EXPECT_FALSE(usage.cpu);
  EXPECT_FALSE(group.is_populated());
}

TEST_F(FakeTree, KillsAndRemoves) {
  put_group("x");
  const Cgroup group{root / "x"};
  EXPECT_FALSE(group.kill());
  EXPECT_EQ(at("x/cgroup.kill"), "1");
  EXPECT_TRUE(group.processes_file());
  EXPECT_EQ(group.remove()->code, "cgroup_unusable") << "a folder with files is not empty";
  fs::remove_all(root / "x");
  EXPECT_FALSE(group.remove()) << "gone is gone";
  EXPECT_EQ(group.kill()->code, "cgroup_unusable");
  EXPECT_EQ(group.processes_file().error().code, "cgroup_unusable");
}

TEST(OwnCgroup, IsFoundInTheLineOfVersion2) {
  EXPECT_EQ(own_cgroup("0::/system.slice/cofounderd.service\n", "/sys/fs/cgroup"),
            "/sys/fs/cgroup/system.slice/cofounderd.service");
  EXPECT_EQ(own_cgroup("4:memory:/x\n0::/\n", "/cg"), "/cg");
  EXPECT_FALSE(own_cgroup("4:memory:/x\n", "/cg"));
  EXPECT_FALSE(own_cgroup("", "/cg"));
}

TEST(DelegatedRoot, IsWhereTheServicesGroupIsMounted) {
  const std::string mounts =
      "22 20 0:5 / /proc rw shared:12 - proc proc rw\n"
      "30 23 0:25 / /sys/fs/cgroup rw,nosuid shared:9 master:1 - cgroup2 cgroup2 rw\n";
  const std::string service = "0::/system.slice/cofounderd.service";
  EXPECT_EQ(delegated_root(service + "\n", mounts).value(),
            "/sys/fs/cgroup/system.slice/cofounderd.service");
  // With DelegateSubgroup=daemon it is born in its leaf.
  EXPECT_EQ(delegated_root(service + "/daemon\n", mounts).value(),
            "/sys/fs/cgroup/system.slice/cofounderd.service");
  EXPECT_EQ(delegated_root("0::/\n", mounts).value(), "/sys/fs/cgroup");
  EXPECT_EQ(delegated_root("4:memory:/x\n", mounts).error().message,
            "the daemon is in no control group of version 2");
  const std::string old = "30 23 0:25 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
  const auto part = [](const std::string& group) {
    return "30 23 0:25 " + group + " /cg rw - cgroup2 cgroup2 rw\n";
  };
  EXPECT_EQ(delegated_root(service + "\n", part("/system.slice")).value(), "/cg/cofounderd.service");
  EXPECT_EQ(delegated_root(service + "\n", part("/system.slice/cofounderd.service")).value(), "/cg");
  for (const char* elsewhere : {"/a", "/system", "/../.."}) {
    const auto root = delegated_root(service + "\n", part(elsewhere));
    ASSERT_TRUE(root.has_error()) << elsewhere << " " << *root;
    EXPECT_EQ(root.error().message, "the daemon's control group is not below /cg");
  }
  for (const std::string& other : {old, std::string{}, std::string{"- cgroup2\n"}}) {
    const auto root = delegated_root(service + "\n", other);
    ASSERT_TRUE(root.has_error()) << other;
    EXPECT_EQ(root.error().message, "no cgroup2 file system is mounted");
  }
}

// -- the real thing --

// A cgroup2 mount that this user may write to; `with` must be among its controllers.
std::optional<fs::path> real_tree(std::string_view with) {
  for (const char* place : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
    std::ifstream file{std::string{place} + "/cgroup.controllers"};
    if (!file || ::access(place, W_OK) != 0) continue;
    std::string text;
    std::getline(file, text);
    if (text.find(with) != std::string::npos) return place;
  }
  return std::nullopt;
}

class RealTree : public testing::Test {
 protected:
  // A tree of our own in it, so that nobody else's processes are moved.
  bool open(std::string_view controllers) {
    const auto place = real_tree(controllers);
    if (!place) return false;
    if (!controllers.empty()) {
      std::ofstream{*place / "cgroup.subtree_control"} << "+memory +pids";
    }
    root = *place / ("cofounder-test-" + std::to_string(::getpid()));
    return ::mkdir(root.c_str(), 0755) == 0;
  }
  ~RealTree() override {
    if (root.empty()) return;
    ::rmdir((root / "plugin-x").c_str());
    ::rmdir(root.c_str());
  }

  ProcessWorld world;
  fs::path root;
};

TEST_F(RealTree, AChildIsBornIntoItsGroupAndDiesWithIt) {
  if (!open("")) GTEST_SKIP() << "no cgroup2 mount that this user may write to";
  CgroupTree tree{root};
  const auto status = tree.open();
  ASSERT_TRUE(status.usable) << status.reason;
  std::cout << "cgroup controllers here: "
            << (status.reason.empty() ? "all that we use" : status.reason) << '\n';
  const auto group = tree.make("plugin-x", {});
  ASSERT_TRUE(group) << group.error().message;
  EXPECT_EQ(group->is_populated(), false);

  auto spec = world.probe("wait_stubbornly");
  auto processes = group->processes_file();
  ASSERT_TRUE(processes) << processes.error().message;
  spec.cgroup = std::move(*processes);
  auto child = world.start(std::move(spec));
  ASSERT_TRUE(child) << child.error().message;
  std::ifstream members{group->folder() / "cgroup.procs"};
  pid_t member = 0;
  members >> member;
  EXPECT_EQ(member, child->pid());
  EXPECT_EQ(group->is_populated(), true);
  EXPECT_TRUE(group->usage().cpu);
  EXPECT_TRUE(group->remove()->retryable) << "somebody is in it";

  EXPECT_FALSE(group->kill());
  EXPECT_EQ(world.wait(*child).signal, SIGKILL);
  EXPECT_FALSE(group->remove());
  EXPECT_FALSE(fs::exists(group->folder()));
}

TEST_F(RealTree, TheKernelEndsAChildThatEatsTooMuch) {
  if (has_any_sanitizer()) GTEST_SKIP() << "sanitizers eat memory of their own";
  if (!open("memory")) {
    GTEST_SKIP() << "no writable cgroup2 mount has the memory controller: memory.max and pids.max "
                    "were tried on a fake tree only";
  }
  CgroupTree tree{root};
  const auto status = tree.open();
  ASSERT_TRUE(status.memory) << status.reason;
  const auto group = tree.make("plugin-x", {32U << 20, 16, std::nullopt});
  ASSERT_TRUE(group) << group.error().message;
  auto spec = world.probe("eat_and_touch");
  auto processes = group->processes_file();
  ASSERT_TRUE(processes);
  spec.cgroup = std::move(*processes);
  EXPECT_EQ(world.run(std::move(spec)).exit.signal, SIGKILL);
  EXPECT_GE(group->usage().oom_kills.value_or(0), 1U);
  EXPECT_FALSE(group->remove());
}

}  // namespace
}  // namespace cofounder::test
