// SPDX-License-Identifier: Apache-2.0
#include "core/base/ids.hpp"

#include <gtest/gtest.h>

#include <set>

namespace cofounder {
namespace {

constexpr Time noon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 23}};

TEST(Ids, RiseStrictlyAlsoWhenTheClockStepsBack) {
  IdSource source{3};
  TaskId last = 0;
  for (int i = 0; i < 20'000; ++i) {
    const TaskId id = source.next(i % 7 == 0 ? noon - std::chrono::hours{1} : noon);
    ASSERT_GT(id, last);
    last = id;
  }
}

TEST(Ids, OfTwoNodesNeverMeet) {
  IdSource one{1}, two{2};
  std::set<TaskId> ids;
  for (int i = 0; i < 10'000; ++i) {
    ids.insert(one.next(noon));
    ids.insert(two.next(noon));
  }
  EXPECT_EQ(ids.size(), 20'000u);
}

TEST(Ids, GoOnAfterWhatTheStoreHolds) {
  IdSource before{1};
  const TaskId old = before.next(noon + std::chrono::hours{1});
  IdSource source{1};
  source.after(old);
  EXPECT_GT(source.next(noon), old);
}

TEST(Ids, TextSortsLikeTheNumberAndComesBack) {
  IdSource source{511};
  TaskId last = source.next(noon);
  for (int i = 0; i < 1000; ++i) {
    const TaskId id = source.next(noon + Milliseconds{i * 17});
    EXPECT_LT(to_string(last), to_string(id));
    EXPECT_EQ(parse_task_id(to_string(id)), id);
    last = id;
  }
  EXPECT_EQ(to_string(last).size(), 13u);
}

TEST(Ids, OtherTextIsRefused) {
  for (const char* text : {"", "0000000000000", "zzzzzzzzzzzzz", "0123456789abu", "0123456789AB0",
                           "01234567890123", "0123"}) {
    EXPECT_FALSE(parse_task_id(text)) << text;
  }
}

TEST(Ids, TheFirstOfATimeIsNotAfterAnyOfIt) {
  IdSource source{0};
  EXPECT_LE(first_task_id(noon), source.next(noon));
  EXPECT_GT(first_task_id(noon + Milliseconds{1}), source.next(noon));
}

TEST(Ids, RandomTextIsNotRepeated) {
  EXPECT_EQ(random_hex(16).size(), 32u);
  EXPECT_NE(random_hex(16), random_hex(16));
}

}  // namespace
}  // namespace cofounder
