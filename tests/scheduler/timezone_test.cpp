// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/timezone.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <sstream>

namespace cofounder {
namespace {

using std::chrono::seconds;
using std::chrono::sys_days;
using std::chrono::sys_seconds;

std::string load_bytes(const std::string& name) {
  std::ifstream file{"/usr/share/zoneinfo/" + name, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

// A file of version 2 with one type and no table: only the rule counts.
std::string file_with(const std::string& rule, int offset) {
  const auto block = [](int types, int chars) {
    std::string out = "TZif2" + std::string(15, '\0');
    for (const int count : {0, 0, 0, 0, types, chars}) {
      out += std::string(3, '\0') + static_cast<char>(count);
    }
    return out;
  };
  std::string out = block(1, 1) + std::string(7, '\0') + block(1, 1);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(offset >> shift);
  return out + std::string(3, '\0') + "\n" + rule + "\n";
}

std::string offset_of(const TimeZone& zone, int year, unsigned month, unsigned day) {
  const sys_seconds noon =
      sys_days{std::chrono::year{year} / std::chrono::month{month} / std::chrono::day{day}} +
      std::chrono::hours{12};
  return std::to_string(zone.span_at(noon).offset.count());
}

// Every zone of the system, from 1900 to 2100, compared with what the C library says.
TEST(TimeZoneTest, AgreesWithTheCLibraryInEveryZone) {
  const char* before = std::getenv("TZ");
  const std::string old = before != nullptr ? before : "";
  std::ifstream table{"/usr/share/zoneinfo/zone1970.tab"};
  std::string line;
  int zones = 0;
  while (std::getline(table, line)) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words{line};
    std::string name;
    words >> name >> name >> name;
    const auto zone = TimeZone::load(name);
    ASSERT_TRUE(zone) << name << ": " << zone.error().message;
    ::setenv("TZ", (":" + name).c_str(), 1);
    ::tzset();
    ++zones;
    const std::time_t end =
        sys_seconds{sys_days{std::chrono::year{2100} / 1 / 1}}.time_since_epoch().count();
    for (std::time_t time = -2'208'988'800; time < end; time += 11 * 86'400 + 12'345) {
      std::tm local{};
      ASSERT_NE(::localtime_r(&time, &local), nullptr);
      const TimeZone::Span span = (*zone)->span_at(sys_seconds{seconds{time}});
      ASSERT_EQ(span.offset.count(), local.tm_gmtoff) << name << " at " << time;
      ASSERT_TRUE(span.begin.time_since_epoch().count() <= time &&
                  time < span.end.time_since_epoch().count());
    }
  }
  if (before != nullptr)
    ::setenv("TZ", old.c_str(), 1);
  else
    ::unsetenv("TZ");
  ::tzset();
  EXPECT_GT(zones, 250);
}

TEST(TimeZoneTest, DoesNotLookAtTheProcess) {
  ::setenv("TZ", "Asia/Tokyo", 1);
  ::tzset();
  EXPECT_EQ(offset_of(**TimeZone::load(""), 2026, 7, 1), "0");
  EXPECT_EQ(offset_of(**TimeZone::load("UTC"), 2026, 7, 1), "0");
  EXPECT_EQ(offset_of(**TimeZone::load("Europe/Berlin"), 2026, 7, 1), "7200");
  ::unsetenv("TZ");
  ::tzset();
}

TEST(TimeZoneTest, SpansTouchAndLocalTimesAreFound) {
  for (const char* name :
       {"Europe/Berlin", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"}) {
    const auto zone = TimeZone::load(name).value();
    sys_seconds time{sys_days{std::chrono::year{1990} / 1 / 1}};
    while (time < sys_days{std::chrono::year{2090} / 1 / 1}) {
      const TimeZone::Span span = zone->span_at(time);
      ASSERT_LT(span.begin, span.end);
      ASSERT_EQ(zone->span_at(span.begin).begin, span.begin);
      if (span.end == TimeZone::for_ever) break;
      ASSERT_EQ(zone->span_at(span.end).begin, span.end);
      // The last local second before the change belongs to the span, unless it came already.
      const auto last = span.end - seconds{1};
      const std::chrono::local_seconds local{(last + span.offset).time_since_epoch()};
      ASSERT_EQ(zone->span_of(local).end, span.end) << name;
      time = span.end;
    }
  }
}

TEST(TimeZoneTest, RulesOfManyShapes) {
  struct Case {
    const char* rule;
    int month, day;
    const char* offset;
  };
  const Case cases[] = {
      {"CET-1CEST,M3.5.0,M10.5.0/3", 7, 1, "7200"},
      {"CET-1CEST,M3.5.0,M10.5.0/3", 12, 1, "3600"},
      {"IST-1GMT0,M10.5.0,M3.5.0/1", 1, 1, "0"},
      {"IST-1GMT0,M10.5.0,M3.5.0/1", 7, 1, "3600"},
      {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 1, 1, "39600"},
      {"<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", 7, 1, "37800"},
      {"XXX3EDT4,0/0,J365/23", 1, 1, "-14400"},  // all the year
      {"XXX3EDT4,0/0,J365/23", 12, 31, "-14400"},
      {"EST5EDT,J60,J300", 2, 28, "-18000"},
      {"EST5EDT,J60,J300", 3, 2, "-14400"},
      {"EST5EDT,59,300", 3, 2, "-14400"},
      {"<-02>2<-01>,M3.5.0/-1,M10.5.0/0", 7, 1, "-3600"},
      {"<+0545>-5:45", 7, 1, "20700"},
  };
  for (const Case& one : cases) {
    const auto zone = TimeZone::parse(file_with(one.rule, 0));
    ASSERT_TRUE(zone) << one.rule;
    EXPECT_EQ(
        offset_of(*zone, 2026, static_cast<unsigned>(one.month), static_cast<unsigned>(one.day)),
        one.offset)
        << one.rule << " month " << one.month;
  }
  for (const char* rule :
       {"X1", "CET", "CET-25", "CET-1CEST", "CET-1CEST,M13.1.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.5.7,M10.5.0", "<>1", "<A1", "CET-1CEST,M3.5.0,M10.5.0/168", "CET-1CEST,366,1",
        "CET-1CEST,J0,J1", "CET-1CEST,M3.5.0,M10.5.0x"}) {
    EXPECT_FALSE(TimeZone::parse(file_with(rule, 0))) << rule;
  }
}

TEST(TimeZoneTest, NamesThatAreNoZones) {
  for (const char* name :
       {"Europe/Nowhere", "../../../etc/passwd", "/etc/passwd", "Europe", "zone.tab",
        "right/Europe/Berlin", "Europe/Berlin\n", "Europe/../UTC", "é", " "}) {
    const auto zone = TimeZone::load(name);
    ASSERT_FALSE(zone) << name;
    EXPECT_EQ(zone.error().code, "unknown_timezone");
    EXPECT_TRUE(zone.error().message.starts_with("timezone: \"")) << zone.error().message;
  }
  EXPECT_FALSE(TimeZone::load(std::string(10'000, 'a')));
  EXPECT_FALSE(TimeZone::load(std::string_view{"Europe/Berlin\0", 14}));
}

TEST(TimeZoneTest, BrokenFilesAreRefusedOrHarmless) {
  const std::string whole = load_bytes("Europe/Berlin");
  ASSERT_GT(whole.size(), 1'000U);
  ASSERT_TRUE(TimeZone::parse(whole));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto zone = TimeZone::parse(std::string_view{whole}.substr(0, size));
    ASSERT_FALSE(zone) << "cut off at " << size;
    ASSERT_EQ(zone.error().code, "invalid_timezone");
  }
  std::mt19937 random{7};
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = whole;
    for (int k = 0; k < 3; ++k) bytes[random() % bytes.size()] = static_cast<char>(random());
    const auto zone = TimeZone::parse(bytes);
    if (!zone) continue;
    const sys_seconds now{seconds{static_cast<int>(random())}};
    const TimeZone::Span span = zone->span_at(now);
    EXPECT_TRUE(span.begin <= now && now < span.end);
    zone->span_of(std::chrono::local_seconds{now.time_since_epoch()});
  }
}

}  // namespace
}  // namespace cofounder
