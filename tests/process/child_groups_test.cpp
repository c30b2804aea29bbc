// SPDX-License-Identifier: Apache-2.0
#include "core/process/child_groups.hpp"

#include "core/base/log.hpp"
#include "tests/process/fake_cgroups.hpp"
#include "tests/support/fake_clock.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cofounder::test {
namespace {

using testing::HasSubstr;
using namespace std::chrono_literals;

class ChildGroupsTest : public FakeCgroups, public testing::Test {
 protected:
  ChildGroupsTest() { log::set_level(log::Level::error); }
  std::unique_ptr<ChildGroup> make(const std::string& plugin, const CgroupLimits& limits = {}) {
    auto made = groups.make(plugin, limits);
    if (made.has_error()) {
      ADD_FAILURE() << made.error().message;
      return nullptr;
    }
    return std::move(*made);
  }

  FakeClock clock;
  ChildGroups groups{clock, root};
};

TEST_F(ChildGroupsTest, EachChildHasOneWithLimits) {
  EXPECT_TRUE(groups.open().usable);
  EXPECT_EQ(groups.text(),
            "isolated plugins have control groups with memory.max, pids.max, cpu.max");
  put_group("plugin-a.1");
  put_group("plugin-a.2");
  const auto first = make("a", {64u << 20, 20, 150});
  ASSERT_NE(first, nullptr);
  EXPECT_EQ(at("plugin-a.1/memory.max"), "67108864");
  EXPECT_EQ(at("plugin-a.1/pids.max"), "20");
  EXPECT_EQ(at("plugin-a.1/cpu.max"), "150000 100000");
  // Two generations of a plugin stand beside each other during its reload.
  const auto second = make("a", {32u << 20, 10, std::nullopt});
  ASSERT_NE(second, nullptr);
  EXPECT_EQ((*second)->folder(), root / "plugin-a.2");
  EXPECT_EQ(at("plugin-a.1/memory.max"), "67108864");
}

TEST_F(ChildGroupsTest, WithItsEndAllInItIsKilledAndItIsRemovedOnceItIsEmpty) {
  groups.open();
  put_group("plugin-a.1");
  auto group = make("a");
  EXPECT_EQ(at("plugin-a.1/cgroup.kill"), "");
  group = nullptr;
  EXPECT_EQ(at("plugin-a.1/cgroup.kill"), "1");
  clock.advance(10s);
  EXPECT_TRUE(has("plugin-a.1")) << "somebody is still in it";
  EXPECT_EQ(clock.timers(), 1u);
  drop_files("plugin-a.1");
  clock.advance(5s);
  EXPECT_FALSE(has("plugin-a.1"));
  EXPECT_EQ(clock.timers(), 0u);
}

TEST_F(ChildGroupsTest, WhatAnEarlierDaemonLeftIsKilledAndRemoved) {
  put_group("plugin-a.1");
  put_group("other");
  groups.open();
  EXPECT_EQ(at("plugin-a.1/cgroup.kill"), "1");
  EXPECT_EQ(at("other/cgroup.kill"), "");
  // Its name is not used as long as it is there: its end would be that of a new child.
  put_group("plugin-a.2");
  const auto group = make("a");
  ASSERT_NE(group, nullptr);
  EXPECT_EQ((*group)->folder(), root / "plugin-a.2");
  drop_files("plugin-a.1");
  clock.advance(1s);
  EXPECT_FALSE(has("plugin-a.1"));
  EXPECT_TRUE(has("plugin-a.2"));
  EXPECT_TRUE(has("other"));
}

TEST_F(ChildGroupsTest, AGroupThatCannotBeMadeIsAnErrorAndLeavesNothing) {
  groups.open();
  const auto made = groups.make("a", {});  // without the kernel's files
  ASSERT_TRUE(made.has_error());
  EXPECT_EQ(made.error().code, "cgroup_unusable");
  EXPECT_TRUE(made.error().retryable);
  EXPECT_THAT(made.error().message, HasSubstr("plugin-a.1/memory.max"));
  EXPECT_FALSE(has("plugin-a.1"));
}

TEST_F(ChildGroupsTest, WithoutATreeThereAreNone) {
  ChildGroups none{clock, make_error("cgroup_unusable", "nothing is mounted")};
  EXPECT_FALSE(none.open().usable);
  EXPECT_EQ(none.text(),
            "isolated plugins have only the limits of setrlimit(2): nothing is mounted");
  const auto made = none.make("a", {});
  ASSERT_TRUE(made);
  EXPECT_EQ(*made, nullptr);
}

TEST_F(ChildGroupsTest, AForeignTreeIsLeftAlone) {
  put("cgroup.procs", "1\n");
  put_group("plugin-a.1");
  EXPECT_FALSE(groups.open().usable);
  EXPECT_THAT(groups.text(), HasSubstr("only the limits of setrlimit(2): "));
  EXPECT_EQ(at("plugin-a.1/cgroup.kill"), "");
  const auto made = groups.make("a", {});
  ASSERT_TRUE(made);
  EXPECT_EQ(*made, nullptr);
}

TEST_F(ChildGroupsTest, AGroupMayOutliveThem) {
  put_group("plugin-a.1");
  auto others = std::make_unique<ChildGroups>(clock, root);
  others->open();
  drop_files("plugin-a.1");
  clock.advance(1s);
  put_group("plugin-a.1");
  put_group("plugin-a.2");
  auto made = others->make("a", {});
  ASSERT_TRUE(made) << made.error().message;
  others.reset();
  made->reset();
  EXPECT_EQ(clock.timers(), 0u);
}

}  // namespace
}  // namespace cofounder::test
