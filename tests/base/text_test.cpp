// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"

#include <gtest/gtest.h>

namespace cofounder {
namespace {

TEST(Durations, AreReadAsDocumented) {
  EXPECT_EQ(parse_duration("250ms").value(), Milliseconds{250});
  EXPECT_EQ(parse_duration("30s").value(), Milliseconds{30'000});
  EXPECT_EQ(parse_duration("15min").value(), Milliseconds{900'000});
  EXPECT_EQ(parse_duration("24h").value(), Milliseconds{86'400'000});
  EXPECT_EQ(parse_duration("7d").value(), Milliseconds{604'800'000});
  EXPECT_EQ(parse_duration("1h30min").value(), Milliseconds{5'400'000});
  EXPECT_EQ(parse_duration("1.5s").value(), Milliseconds{1'500});
  EXPECT_EQ(parse_duration("0").value(), Milliseconds{0});
}

TEST(Durations, OthersAreRefused) {
  for (const char* text : {"", "5", "s", "-1s", "1m", "1 s", "1s1h", "1s1s", "99999999d", "1e3s",
                           "inf", "nans", "1sx"}) {
    const auto duration = parse_duration(text);
    ASSERT_FALSE(duration) << text;
    EXPECT_EQ(duration.error().code, "invalid_duration");
  }
}

TEST(Durations, AreWrittenAsTheyAreRead) {
  EXPECT_EQ(to_string(Milliseconds{90'000}), "1min30s");
  EXPECT_EQ(to_string(Milliseconds{0}), "0s");
  for (const std::int64_t value : {1LL, 999LL, 1'000LL, 61'001LL, 86'400'000LL, 700'000'123LL}) {
    EXPECT_EQ(parse_duration(to_string(Milliseconds{value})).value().count(), value);
  }
}

TEST(Rfc3339, GoesThereAndBack) {
  const Time time = parse_rfc3339("2026-11-23T17:01:20.123Z").value();
  EXPECT_EQ(to_rfc3339(time), "2026-11-23T17:01:20.123Z");
  EXPECT_EQ(parse_rfc3339("2026-11-23t18:01:20.1239+01:00"), time);
  EXPECT_EQ(parse_rfc3339("2026-11-23T12:31:20.123-04:30"), time);
  EXPECT_EQ(to_rfc3339(parse_rfc3339("1969-12-31T23:59:59Z").value()), "1969-12-31T23:59:59.000Z");
}

TEST(Rfc3339, OthersAreRefused) {
  for (const char* text :
       {"", "2026-11-23", "2026-11-23T17:01:20", "2026-13-23T17:01:20Z", "2026-02-30T17:01:20Z",
        "2026-11-23T24:01:20Z", "2026-11-23T17:01:20.Z", "2026-11-23T17:01:20+1:00",
        "2026-11-23T17:01:20Zx", "2026-11-23 17:01:20Z"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

TEST(PluginIds, HaveNoDotsAndBeginWithALetter) {
  EXPECT_TRUE(is_plugin_id("fine-tuning"));
  EXPECT_TRUE(is_plugin_id("a"));
  for (const char* text : {"", "A", "1a", "-a", "a.b", "a_b", "a/b", "ab "}) {
    EXPECT_FALSE(is_plugin_id(text)) << text;
  }
  EXPECT_FALSE(is_plugin_id(std::string(33, 'a')));
}

}  // namespace
}  // namespace cofounder
