// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.hpp"
#include "tests/scheduler/calendar_times.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <random>
#include <sstream>

namespace cofounder {
namespace {

using namespace test;

TEST(CronTest, FiveAndSixFields) {
  EXPECT_EQ(cron("30 9 * * *", new_year, 2), (Times{"2026-01-01T09:30", "2026-01-02T09:30"}));
  EXPECT_EQ(cron("15 30 9 * * *", new_year, 1), (Times{"2026-01-01T09:30:15.000Z"}));
  EXPECT_EQ(cron("*/20 * * * * *", new_year, 3),
            (Times{"2026-01-01T00:00:20.000Z", "2026-01-01T00:00:40.000Z", "2026-01-01T00:01"}));
  EXPECT_EQ(cron("  0\t12  * * * ", new_year, 1), (Times{"2026-01-01T12:00"}));
}

TEST(CronTest, IsStrictlyAfter) {
  EXPECT_EQ(cron("0 0 * * *", new_year, 1), (Times{"2026-01-02T00:00"}));
  EXPECT_EQ(cron("0 0 * * *", "2025-12-31T23:59:59.999Z", 1), (Times{"2026-01-01T00:00"}));
}

TEST(CronTest, NamesRangesStepsAndLists) {
  EXPECT_EQ(cron("0 9 * FEB-mar MON,fri", new_year, 3),
            (Times{"2026-02-02T09:00", "2026-02-06T09:00", "2026-02-09T09:00"}));
  EXPECT_EQ(cron("0 9-17/4 * * *", new_year, 4), (Times{"2026-01-01T09:00", "2026-01-01T13:00",
                                                        "2026-01-01T17:00", "2026-01-02T09:00"}));
  EXPECT_EQ(cron("50/5,0 0 1 * *", new_year, 4), (Times{"2026-01-01T00:50", "2026-01-01T00:55",
                                                        "2026-02-01T00:00", "2026-02-01T00:50"}));
  EXPECT_EQ(cron("0 0 * * sat-sun", new_year, 3),
            (Times{"2026-01-03T00:00", "2026-01-04T00:00", "2026-01-10T00:00"}));
  EXPECT_EQ(cron("0 0 * * 7", new_year, 1), cron("0 0 * * 0", new_year, 1));
  EXPECT_EQ(cron("0 0 * * 5-7", new_year, 3),
            (Times{"2026-01-02T00:00", "2026-01-03T00:00", "2026-01-04T00:00"}));
}

TEST(CronTest, LastDaysAndNthWeekdays) {
  EXPECT_EQ(cron("0 0 L * *", new_year, 3),
            (Times{"2026-01-31T00:00", "2026-02-28T00:00", "2026-03-31T00:00"}));
  EXPECT_EQ(cron("0 0 L-2,1 * *", new_year, 3),
            (Times{"2026-01-29T00:00", "2026-02-01T00:00", "2026-02-26T00:00"}));
  EXPECT_EQ(cron("0 0 ? * 5L", new_year, 2), (Times{"2026-01-30T00:00", "2026-02-27T00:00"}));
  EXPECT_EQ(cron("0 0 * * friL", new_year, 1), (Times{"2026-01-30T00:00"}));
  EXPECT_EQ(cron("0 0 ? * FRI#2,0#1", new_year, 3),
            (Times{"2026-01-04T00:00", "2026-01-09T00:00", "2026-02-01T00:00"}));
  EXPECT_EQ(cron("0 0 * * 5#5", new_year, 2), (Times{"2026-01-30T00:00", "2026-05-29T00:00"}));
  EXPECT_EQ(cron("0 0 29 2 ?", new_year, 2), (Times{"2028-02-29T00:00", "2032-02-29T00:00"}));
}

TEST(CronTest, EitherDayFieldMatchesWhenBothAreRestricted) {
  EXPECT_EQ(
      cron("0 0 13 * 5", "2026-02-10T00:00:00Z", 4),
      (Times{"2026-02-13T00:00", "2026-02-20T00:00", "2026-02-27T00:00", "2026-03-06T00:00"}));
  EXPECT_EQ(cron("0 0 4 7 mon", "2026-07-01T00:00:00Z", 2),
            (Times{"2026-07-04T00:00", "2026-07-06T00:00"}));
  // A field that begins with a star is not restricted: odd days that are Mondays.
  EXPECT_EQ(cron("0 0 */2 * 1", new_year, 3),
            (Times{"2026-01-05T00:00", "2026-01-19T00:00", "2026-02-09T00:00"}));
}

TEST(CronTest, Macros) {
  EXPECT_EQ(cron("@yearly", new_year, 1), (Times{"2027-01-01T00:00"}));
  EXPECT_EQ(cron("@annually", new_year, 1), (Times{"2027-01-01T00:00"}));
  EXPECT_EQ(cron("@monthly", new_year, 1), (Times{"2026-02-01T00:00"}));
  EXPECT_EQ(cron("@weekly", new_year, 1), (Times{"2026-01-04T00:00"}));
  EXPECT_EQ(cron("@Daily", new_year, 1), (Times{"2026-01-02T00:00"}));
  EXPECT_EQ(cron("@midnight", new_year, 1), (Times{"2026-01-02T00:00"}));
  EXPECT_EQ(cron("@hourly", new_year, 1), (Times{"2026-01-01T01:00"}));
}

TEST(CronTest, ErrorsNameTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "cron: the expression is empty"},
      {"* * * *", "cron: it has 4 fields"},
      {"* * * * * * *", "cron: it has 7 fields"},
      {"60 * * * *", "minute: 60 is not in 0-59"},
      {"61 * * * * *", "second: 61 is not in 0-59"},
      {"* 24 * * *", "hour: 24 is not in 0-23"},
      {"* * 0 * *", "day-of-month: 0 is not in 1-31"},
      {"* * * 13 *", "month: 13 is not in 1-12"},
      {"* * * jam *", "month: \"jam\" is not a number or a name"},
      {"* * * * 8", "day-of-week: 8 is not in 0-7"},
      {"* 5-3 * * *", "hour: the range \"5-3\" runs backwards"},
      {"* * * * fri-mon", "day-of-week: the range \"fri-mon\" runs backwards"},
      {"*/0 * * * *", "minute: a step has to be at least 1"},
      {"*/60 * * * *", "minute: the step 60 never repeats"},
      {"*/x * * * *", "minute: the step \"x\" is not a number"},
      {"1,,2 * * * *", "minute: a value is missing"},
      {"-5 * * * *", "minute: a value is missing"},
      {"? * * * *", "minute: \"?\" is not a number"},
      {"* * 15W * *", "day-of-month: W (the nearest weekday) is not supported"},
      {"* * L-31 * *", "day-of-month: \"L-31\" is neither L nor"},
      {"* * Lx * *", "day-of-month: \"Lx\" is neither"},
      {"* * * * L", "day-of-week: L needs a weekday before it"},
      {"* * * * 5#6", "day-of-week: after # there has to be a number from 1 to 5"},
      {"99999999999 * * * *", "minute: \"99999999999\" is not a number"},
      {"@reboot", "cron: \"@reboot\" is unknown"},
  };
  for (const auto& [text, why] : cases) {
    EXPECT_TRUE(cron_error(text).starts_with("invalid_cron: " + std::string{why}))
        << text << " -> " << cron_error(text);
  }
  EXPECT_TRUE(
      cron_error(std::string(501, '*')).starts_with("invalid_cron: cron: the expression is l"));
}

TEST(CronTest, WhatNeverFiresIsFoundOutFast) {
  const auto begin = std::chrono::steady_clock::now();
  for (const char* text : {"0 0 30 2 *", "* * * 31 2,4,6,9,11 *", "0 0 L-30 2 *", "*/7 * 31 4 *"}) {
    for (const char* zone : {"", "Europe/Berlin", "Australia/Lord_Howe"}) {
      EXPECT_EQ(cron(text, new_year, 1, zone), (Times{"never"})) << text;
    }
  }
  const auto took = std::chrono::steady_clock::now() - begin;
  EXPECT_LT(took, std::chrono::milliseconds{12 * 50}) << "a search of 100 years takes too long";
  EXPECT_EQ(cron("0 0 29 2 *", "2096-03-01T00:00:00Z", 1), (Times{"2104-02-29T00:00"}));
  EXPECT_EQ(event("Mon *-02-29", "2096-03-01T00:00:00Z", 1), (Times{"2112-02-29T00:00"}));
}

TEST(CronTest, OddMomentsAreHarmless) {
  const auto calendar = Calendar::cron("* * * * * *", "Europe/Berlin").value();
  EXPECT_FALSE(calendar.next(Time::min()));
  EXPECT_FALSE(calendar.next(Time::max()));
  EXPECT_TRUE(calendar.next(at("0001-01-02T00:00:00Z")));
  EXPECT_TRUE(calendar.next(at("9899-12-31T00:00:00Z")));
}

TEST(CalendarEventTest, IsWhatSystemdSays) {
  std::ifstream file{COFOUNDER_SOURCE_DIR "/tests/vectors/on_calendar.json"};
  std::stringstream bytes;
  bytes << file.rdbuf();
  const auto document = json::parse(bytes.str());
  ASSERT_TRUE(document) << document.error().message;
  const json::View cases = document->root().find("cases");
  ASSERT_GE(cases.size(), 1'000U);
  int accepted = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const json::View one = cases.at(i);
    const std::string text = one.string_or("text", "");
    const json::View wanted = one.find("next");
    const auto calendar = Calendar::calendar(text);
    if (wanted.is_null()) {
      EXPECT_FALSE(calendar) << text << ": systemd refuses it";
      continue;
    }
    ASSERT_TRUE(calendar) << text << ": " << calendar.error().message;
    ++accepted;
    Time time{std::chrono::seconds{one.integer_or("base", 0)}};
    for (std::size_t k = 0; k < 5; ++k) {
      const auto next = calendar->next(time);
      ASSERT_EQ(next.has_value(), k < wanted.size()) << text << " number " << k;
      if (!next) break;
      ASSERT_EQ(std::chrono::floor<std::chrono::seconds>(*next).time_since_epoch().count(),
                wanted.at(k).as_integer())
          << text << " number " << k;
      time = *next;
    }
  }
  EXPECT_GE(accepted, 700);
}

TEST(CalendarEventTest, WhereWeKeepToTheManualAndSystemdDoesNot) {
  // systemd 252 carries the repetition over midnight and skips 00:05.
  EXPECT_EQ(event("0/22:05", new_year, 3),
            (Times{"2026-01-01T00:05", "2026-01-01T22:05", "2026-01-02T00:05"}));
  EXPECT_EQ(event("*-*~27,19", new_year, 2), (Times{"2026-01-05T00:00", "2026-01-13T00:00"}));
  EXPECT_EQ(event(" daily ", new_year, 1), (Times{"2026-01-02T00:00"}));
  // Not within 100 years.
  EXPECT_EQ(event("2199-01-01", new_year, 1), (Times{"never"}));
}

TEST(CalendarEventTest, DecimalsDownToMilliseconds) {
  EXPECT_EQ(event("05:40:23.42/3.17", new_year, 2),
            (Times{"2026-01-01T05:40:23.420Z", "2026-01-01T05:40:26.590Z"}));
  EXPECT_EQ(event("*:*:0/0.5", new_year, 2),
            (Times{"2026-01-01T00:00:00.500Z", "2026-01-01T00:00:01.000Z"}));
  EXPECT_EQ(event_error("05:40:23.4200004/3.1700005"),
            "invalid_calendar: second: \"3.1700005\" is finer than a millisecond");
}

TEST(CalendarEventTest, TheZoneAtTheEndWins) {
  EXPECT_EQ(event("12:00 Asia/Tokyo", new_year, 1, "Europe/Berlin"), (Times{"2026-01-01T03:00"}));
  EXPECT_EQ(event("12:00 utc", new_year, 1, "Europe/Berlin"), (Times{"2026-01-01T12:00"}));
  EXPECT_EQ(event("12:00", new_year, 1, "Europe/Berlin"), (Times{"2026-01-01T11:00"}));
}

TEST(CalendarEventTest, ErrorsNameTheField) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "calendar: the expression is empty"},
      {"25:00", "hour: \"25\" is not in 0..23"},
      {"12:60", "minute: \"60\" is not in 0..59"},
      {"12:00:60", "second: \"60\" is not in 0..59"},
      {"1960-01-01", "year: \"1960\" is not in 1970..2199"},
      {"13-01", "month: \"13\" is not in 1..12"},
      {"*-*-32", "day: \"32\" is not in 1..31"},
      {"*-*~29", "day: \"29\" is not in 1..28"},
      {"Fri..Mon", "weekday: the range \"Fri..Mon\" runs backwards"},
      {"Mond", "weekday: \"Mond\" is no weekday"},
      {"*:*/15", "minute: * has to stand alone; repetitions are written 0/15"},
      {"*:0/0", "minute: a repetition of 0 never advances"},
      {"*:0/60", "minute: the repetition in \"0/60\" is too large"},
      {"5..3:00", "hour: the range \"5..3\" runs backwards"},
      {"12", "date: \"12\" is neither a date (month-day) nor a time (hour:minute)"},
      {"1:1:1:1", "time: it has more than hour, minute and second"},
      {"1-1-1-1", "date: \"1-1-1-1\" has more than year, month and day"},
      {"12:00 1-1", "calendar: \"1-1\" is not expected there"},
      {"@99999999999999", "time: \"@99999999999999\" is no number of seconds"},
  };
  for (const auto& [text, why] : cases) {
    EXPECT_TRUE(event_error(text).starts_with("invalid_calendar: " + std::string{why}))
        << text << " -> " << event_error(text);
  }
  EXPECT_TRUE(
      event_error("12:00 Europe/Nowhere").starts_with("unknown_timezone: timezone: \"Europe/N"));
  EXPECT_TRUE(event_error("Mon, Tue").starts_with("unknown_timezone"));
}

TEST(IntervalTest, CountsFromItsAnchor) {
  const Time anchor = at("2026-01-01T00:00:10Z");
  const auto every = Calendar::every(std::chrono::minutes{90}, anchor);
  EXPECT_EQ(times_of(every, "2026-01-01T00:00:10Z", 2),
            (Times{"2026-01-01T01:30:10.000Z", "2026-01-01T03:00:10.000Z"}));
  EXPECT_EQ(times_of(every, "2025-01-01T00:00:00Z", 1), (Times{"2026-01-01T01:30:10.000Z"}));
  EXPECT_EQ(times_of(every, "2026-01-01T01:30:09.999Z", 1), (Times{"2026-01-01T01:30:10.000Z"}));
  EXPECT_EQ(Calendar::every(Milliseconds{0}, anchor).error().code, "invalid_duration");
  EXPECT_EQ(Calendar::every(Milliseconds{-5}, anchor).error().code, "invalid_duration");
  EXPECT_EQ(Calendar::every(Milliseconds::max(), anchor).error().code, "invalid_duration");
  EXPECT_EQ(Calendar::every(Milliseconds{1000}, Time::min()).error().code, "invalid_duration");
}

// Random bytes and random expressions: an answer or an error, soon.
TEST(CalendarFuzzTest, AnythingEndsInBoundedTime) {
  std::mt19937 random{20260321};
  const std::string alphabets[] = {
      "0123456789*/,-L#? ", "0123456789*/.,-~: ", "MonTueFri..,-* 0159:/", "@dailyhourx UTC/Eurp"};
  const char* const pieces[] = {"*",          "?",
                                "1",          "*/7",
                                "1-5",        "L",
                                "5L",         "1#5",
                                "feb",        "30",
                                "29,31",      "0/9",
                                "Mon",        "Tue..Fri",
                                "*-02-29",    "*-*~3",
                                "2030-*-1/9", "12:00",
                                "*:0/7",      "1..5:*:0/2.5",
                                "UTC",        "America/Havana",
                                "daily",      ","};
  const Time after = at("2026-03-28T23:59:59.999Z");
  std::chrono::nanoseconds longest{0};
  int accepted = 0;
  for (int i = 0; i < 60'000; ++i) {
    std::string text;
    if (random() % 2 == 0) {
      for (std::size_t count = random() % 7; count > 0; --count) {
        text += pieces[random() % std::size(pieces)];
        if (random() % 6 != 0) text += ' ';
      }
    } else {
      const bool is_raw = random() % 8 == 0;
      const std::string& alphabet = alphabets[random() % std::size(alphabets)];
      text.resize(random() % 24);
      for (char& c : text) {
        c = is_raw ? static_cast<char>(random()) : alphabet[random() % alphabet.size()];
      }
    }
    const auto begin = std::chrono::steady_clock::now();
    for (const auto& calendar : {Calendar::cron(text, "Europe/Berlin"), Calendar::calendar(text)}) {
      if (!calendar) {
        EXPECT_FALSE(calendar.error().message.empty());
        continue;
      }
      ++accepted;
      const auto next = calendar->next(after);
      EXPECT_TRUE(!next || *next > after) << text;
    }
    longest = std::max<std::chrono::nanoseconds>(longest, std::chrono::steady_clock::now() - begin);
  }
  EXPECT_GT(accepted, 500) << "hardly anything was a valid expression";
  EXPECT_LT(longest, std::chrono::milliseconds{500});
}

}  // namespace
}  // namespace cofounder
