// SPDX-License-Identifier: Apache-2.0
#include "tests/scheduler/calendar_times.hpp"

#include <chrono>

namespace cofounder {
namespace {

using namespace test;

// The rule of calendar.hpp for clock changes.

TEST(ClockChangeTest, ASkippedTimeIsDueAtTheChange) {
  EXPECT_EQ(cron("30 2 * * *", "2026-03-28T00:00:00Z", 3, "Europe/Berlin"),
            (Times{"2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"}));
  EXPECT_EQ(cron("*/20 2 * * *", "2026-03-28T12:00:00Z", 2, "Europe/Berlin"),
            (Times{"2026-03-29T01:00", "2026-03-30T00:00"}))
      << "several skipped times are due once";
  EXPECT_EQ(event("02:30", "2026-03-28T12:00:00Z", 1, "Europe/Berlin"),
            (Times{"2026-03-29T01:00"}));
  EXPECT_EQ(cron("30 2 * * *", "2026-03-07T12:00:00Z", 2, "America/New_York"),
            (Times{"2026-03-08T07:00", "2026-03-09T06:30"}));
}

TEST(ClockChangeTest, ARepeatedTimeIsDueOnceAtTheFirst) {
  EXPECT_EQ(cron("30 2 * * *", "2026-10-24T00:00:00Z", 3, "Europe/Berlin"),
            (Times{"2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"}));
  EXPECT_EQ(
      cron("*/20 2 * * *", "2026-10-24T12:00:00Z", 4, "Europe/Berlin"),
      (Times{"2026-10-25T00:00", "2026-10-25T00:20", "2026-10-25T00:40", "2026-10-26T01:00"}));
  EXPECT_EQ(cron("30 2 * * *", "2026-10-25T01:10:00Z", 1, "Europe/Berlin"),
            (Times{"2026-10-26T01:30"}))
      << "asked within the second pass";
}

TEST(ClockChangeTest, EveryHourFollowsRealTime) {
  EXPECT_EQ(cron("30 * * * *", "2026-03-29T00:00:00Z", 3, "Europe/Berlin"),
            (Times{"2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"}));
  EXPECT_EQ(cron("30 * * * *", "2026-10-25T00:00:00Z", 3, "Europe/Berlin"),
            (Times{"2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"}));
  EXPECT_EQ(event("hourly Europe/Berlin", "2026-10-24T23:30:00Z", 3),
            (Times{"2026-10-25T00:00", "2026-10-25T01:00", "2026-10-25T02:00"}));
}

TEST(ClockChangeTest, HalfAnHourOnLordHowe) {
  constexpr auto zone = "Australia/Lord_Howe";
  EXPECT_EQ(cron("45 1 * * *", "2026-04-04T12:00:00Z", 2, zone),
            (Times{"2026-04-04T14:45", "2026-04-05T15:15"}));
  EXPECT_EQ(cron("15 2 * * *", "2026-10-03T12:00:00Z", 2, zone),
            (Times{"2026-10-03T15:30", "2026-10-04T15:15"}));
  EXPECT_EQ(cron("*/15 * * * *", "2026-04-04T14:20:00Z", 5, zone),
            (Times{"2026-04-04T14:30", "2026-04-04T14:45", "2026-04-04T15:00", "2026-04-04T15:15",
                   "2026-04-04T15:30"}));
}

TEST(ClockChangeTest, NegativeDaylightSavingInDublin) {
  EXPECT_EQ(cron("30 1 * * *", "2026-03-28T12:00:00Z", 2, "Europe/Dublin"),
            (Times{"2026-03-29T01:00", "2026-03-30T00:30"}));
  EXPECT_EQ(cron("30 1 * * *", "2026-10-24T12:00:00Z", 2, "Europe/Dublin"),
            (Times{"2026-10-25T00:30", "2026-10-26T01:30"}));
  // Beyond the table of the file, by its rule.
  EXPECT_EQ(cron("30 1 * * *", "2045-03-25T12:00:00Z", 1, "Europe/Dublin"),
            (Times{"2045-03-26T01:00"}));
  EXPECT_EQ(cron("30 1 * * *", "2045-10-28T12:00:00Z", 1, "Europe/Dublin"),
            (Times{"2045-10-29T00:30"}));
}

TEST(ClockChangeTest, ZonesWithoutChanges) {
  EXPECT_EQ(cron("30 2 29 3 *", new_year, 1, "Asia/Kolkata"), (Times{"2026-03-28T21:00"}));
  EXPECT_EQ(cron("30 2 29 3 *", new_year, 1, "Asia/Kathmandu"), (Times{"2026-03-28T20:45"}));
  EXPECT_EQ(cron("30 2 29 3 *", new_year, 1, "Etc/GMT+5"), (Times{"2026-03-29T07:30"}));
}

TEST(ClockChangeTest, MidnightsDaysAndHistory) {
  EXPECT_EQ(cron("@daily", "2017-10-14T00:00:00Z", 3, "America/Sao_Paulo"),
            (Times{"2017-10-14T03:00", "2017-10-15T03:00", "2017-10-16T02:00"}));
  // Samoa had no 30 December 2011.
  EXPECT_EQ(cron("0 12 * * *", "2011-12-29T12:00:00Z", 3, "Pacific/Apia"),
            (Times{"2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00"}));
  EXPECT_EQ(cron("0 12 1 1 *", "1890-06-01T00:00:00Z", 1, "Europe/Berlin"),
            (Times{"1891-01-01T11:06:32.000Z"}))
      << "local mean time";
  EXPECT_EQ(cron("30 2 * * *", "2100-03-13T12:00:00Z", 1, "America/New_York"),
            (Times{"2100-03-14T07:00"}));
}

// Nothing may be due twice, early or out of order, whatever the zone does: walks over all the
// changes of a year and compares with asking from every other moment.
TEST(ClockChangeTest, AskingAnywhereGivesTheSameTimes) {
  for (const char* zone :
       {"Europe/Berlin", "Australia/Lord_Howe", "Europe/Dublin", "Africa/Casablanca",
        "America/Havana", "Pacific/Apia", "Antarctica/Troll"}) {
    for (const char* text : {"*/25 1-3 * * *", "10 * * * *", "0 0 * * *", "59 59 23 * * *"}) {
      const Calendar calendar = Calendar::cron(text, zone).value();
      const Time end = at("2011-12-31T00:00:00Z");
      std::optional<Time> expected;
      for (Time time = at("2011-01-01T00:00:00Z"); time < end; time += std::chrono::minutes{37}) {
        const auto next = calendar.next(time);
        ASSERT_TRUE(next && *next > time) << zone << " " << text;
        ASSERT_TRUE(!expected || *expected <= time || *next == *expected) << zone << " " << text;
        expected = next;
      }
    }
  }
}

}  // namespace
}  // namespace cofounder
