// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/due_times.hpp"
#include "tests/scheduler/schedule_world.hpp"

namespace cofounder {
namespace {

using namespace std::chrono_literals;
using test::at;
using test::ScheduleEngineTest;
using test::Strings;

std::string hour(int number) {
  return "2026-01-01T" + std::string{number < 10 ? "0" : ""} + std::to_string(number) +
         ":00:00.000Z";
}

TEST_F(ScheduleEngineTest, FiresAtItsTimesAndNoEarlier) {
  EXPECT_EQ(begin(), "0");
  EXPECT_EQ(put(hourly()), "new");
  advance(59min + 59s + 999ms);
  EXPECT_EQ(store.fired, Strings{});
  advance(1ms);
  EXPECT_EQ(store.fired, Strings{hour(1)});
  advance(2h);

  EXPECT_EQ(store.fired, (Strings{hour(1), hour(2), hour(3)}));
  EXPECT_EQ(store.tasks[0].schedule, "hourly");
  EXPECT_EQ(store.tasks[0].run_at, at(hour(1)));
  EXPECT_EQ(engine->find("hourly")->last_fired, at(hour(3)));
  EXPECT_EQ(engine->find("hourly")->last_task, 3U);
  EXPECT_EQ(engine->list().size(), 1U);
  EXPECT_EQ(engine->find("other"), nullptr);
}

TEST_F(ScheduleEngineTest, IntervalsAndCalendarEventsFireToo) {
  begin();
  Schedule every = made("every", "25min");
  every.name = "often";
  EXPECT_EQ(put(every), "new");
  Schedule event = made("calendar", "*:10 Asia/Kolkata");
  event.name = "event";
  EXPECT_EQ(put(event), "new");
  advance(1h);
  EXPECT_EQ(store.fired, (Strings{"2026-01-01T00:25:00.000Z", "2026-01-01T00:40:00.000Z",
                                  "2026-01-01T00:50:00.000Z"}));
}

TEST_F(ScheduleEngineTest, RefusesWhatCannotBeDue) {
  begin();
  EXPECT_EQ(put(made("cron", "0 0 30 2 *")), "never_due");
  EXPECT_EQ(put(made("calendar", "2003-03-05")), "never_due");
  EXPECT_EQ(put(made("cron", "61 * * * *")), "invalid_cron");
  EXPECT_EQ(put(made("calendar", "25:00")), "invalid_calendar");
  EXPECT_EQ(put(made("every", "soon")), "invalid_duration");
  EXPECT_EQ(put(made("every", "0s")), "invalid_duration");
  EXPECT_EQ(put(made("lunar", "full")), "invalid_schedule");
  Schedule elsewhere = hourly();
  elsewhere.timezone = "Mars/Olympus";
  EXPECT_EQ(put(elsewhere), "unknown_timezone");
  for (const char* name : {"", "Upper", "-a", "a b", "a/b"}) {
    Schedule bad = hourly();
    bad.name = name;
    EXPECT_EQ(put(bad), "invalid_name") << name;
  }
  EXPECT_TRUE(store.kept.empty());
  EXPECT_EQ(put(hourly()), "new") << "after errors the name is free";
}

TEST_F(ScheduleEngineTest, MissedTimesAreSkipped) {
  begin();
  put(hourly(Schedule::Missed::skip));
  engine.reset();
  advance(5h + 10min);

  EXPECT_EQ(begin(), "1");
  EXPECT_EQ(store.fired, Strings{});
  advance(50min);
  EXPECT_EQ(store.fired, Strings{hour(6)});
}

TEST_F(ScheduleEngineTest, MissedTimesAreMadeUpForOnce) {
  begin();
  put(hourly(Schedule::Missed::once));
  engine.reset();
  advance(5h + 10min);

  begin();
  EXPECT_EQ(store.take_fired(), Strings{hour(5)});
  begin();
  EXPECT_EQ(store.take_fired(), Strings{}) << "a second start made up for it again";
  advance(50min);
  EXPECT_EQ(store.fired, Strings{hour(6)});
}

TEST_F(ScheduleEngineTest, AllMissedTimesAreMadeUpForInOrder) {
  begin();
  put(hourly(Schedule::Missed::all));
  engine.reset();
  advance(3h + 10min);

  begin();
  EXPECT_EQ(store.fired, (Strings{hour(1), hour(2), hour(3)}));
}

TEST_F(ScheduleEngineTest, MakingUpForAllIsBounded) {
  begin();
  Schedule schedule = made("cron", "* * * * * *");
  schedule.missed = Schedule::Missed::all;
  put(schedule);
  engine.reset();
  advance(24h * 365);

  begin();
  ASSERT_EQ(store.fired.size(), 1'000U);
  EXPECT_EQ(store.fired.back(), "2027-01-01T00:00:00.000Z");
  EXPECT_EQ(store.fired.front(), "2026-12-31T23:43:21.000Z");
}

TEST_F(ScheduleEngineTest, AnOverlapIsSkippedOrAllowed) {
  begin();
  put(hourly());
  store.is_alive = true;
  advance(1h);
  EXPECT_EQ(store.fired, Strings{});
  EXPECT_EQ(store.skipped, Strings{hour(1)});

  Schedule schedule = hourly();
  schedule.overlap = Schedule::Overlap::allow;
  EXPECT_EQ(put(schedule), "changed");
  advance(1h);
  EXPECT_EQ(store.fired, Strings{hour(2)});
}

TEST_F(ScheduleEngineTest, AForwardJumpIsAMiss) {
  begin();
  put(hourly(Schedule::Missed::all));
  clock.set_wall(at("2026-01-01T03:30:00Z"));
  store.settle();
  EXPECT_EQ(store.take_fired(), (Strings{hour(1), hour(2), hour(3)}));

  put(hourly(Schedule::Missed::skip));
  clock.set_wall(at("2026-01-01T06:30:00Z"));
  store.settle();
  EXPECT_EQ(store.take_fired(), Strings{});
  advance(30min);
  EXPECT_EQ(store.fired, Strings{hour(7)});
}

TEST_F(ScheduleEngineTest, ABackwardJumpNeverFiresTwice) {
  begin();
  put(hourly());
  advance(3h);
  EXPECT_EQ(store.take_fired().size(), 3U);

  clock.set_wall(at("2026-01-01T01:30:00Z"));
  advance(90min);
  EXPECT_EQ(store.take_fired(), Strings{}) << "fired for a time that had fired";
  advance(1h);
  EXPECT_EQ(store.fired, Strings{hour(4)});
  EXPECT_EQ(store.asked, 4);
}

TEST_F(ScheduleEngineTest, ASmallJumpMovesTheTimer) {
  begin();
  put(hourly());
  advance(30min);
  clock.set_wall(at("2026-01-01T00:59:00Z"));
  store.settle();
  advance(59s);
  EXPECT_EQ(store.fired, Strings{});
  advance(1s);
  EXPECT_EQ(store.fired, Strings{hour(1)});
}

TEST_F(ScheduleEngineTest, AClockThatWasWrongDoesNotSilenceAScheduleForGood) {
  begin();
  put(hourly());
  clock.set_wall(at("2080-01-01T00:30:00Z"));
  store.settle();
  EXPECT_EQ(store.take_fired().size(), 1U);
  clock.set_wall(at("2026-01-01T02:30:00Z"));
  advance(1h);
  EXPECT_EQ(store.take_fired(), Strings{});

  EXPECT_EQ(put(hourly()), "changed");
  advance(1h);
  EXPECT_EQ(store.fired, Strings{hour(4)});
}

TEST_F(ScheduleEngineTest, AStoreThatIsAwayIsAskedAgain) {
  begin();
  put(hourly());
  store.available = false;
  advance(1h + 10min);
  EXPECT_GE(store.asked, 5);
  EXPECT_LE(store.asked, 25) << "asked too often";

  store.available = true;
  advance(1min);
  EXPECT_EQ(store.fired, Strings{hour(1)});
  advance(50min);
  EXPECT_EQ(store.fired, (Strings{hour(1), hour(2)}));
  store.available = false;
  EXPECT_EQ(put(made("cron", "30 * * * *")), "store_unavailable");
  EXPECT_EQ(engine->find("hourly")->text, "0 * * * *") << "a failed put changed something";
  EXPECT_EQ(begin(), "store_unavailable");
}

TEST_F(ScheduleEngineTest, ATimeWithoutATaskIsLostAndTheNextIsNot) {
  begin();
  put(hourly());
  make_error_code = "unknown_op";
  advance(1h);
  EXPECT_EQ(store.fired, Strings{});
  EXPECT_EQ(run_now("hourly"), "unknown_op");
  make_error_code.clear();
  advance(1h);
  EXPECT_EQ(store.fired, Strings{hour(2)});
}

TEST_F(ScheduleEngineTest, RunNowComesBesidesTheTimes) {
  begin();
  EXPECT_EQ(run_now("hourly"), "not_found");
  put(hourly());
  advance(10min);
  store.is_alive = true;
  EXPECT_EQ(run_now("hourly"), "1");
  EXPECT_EQ(run_now("hourly"), "2") << "twice in a millisecond";
  store.is_alive = false;
  EXPECT_EQ(store.tasks.back().run_at, clock.now());
  store.take_fired();
  advance(50min);
  EXPECT_EQ(store.fired, Strings{hour(1)});
}

TEST_F(ScheduleEngineTest, RunNowAtADueTimeDoesNotTakeItsPlace) {
  begin();
  put(hourly());
  // The wall clock says one o'clock, and the engine has not been told yet.
  store.available = false;
  advance(1h);
  store.available = true;
  EXPECT_EQ(run_now("hourly"), "1");
  advance(10s);
  EXPECT_EQ(store.fired.size(), 2U);
  EXPECT_EQ(store.fired.back(), hour(1));
}

TEST_F(ScheduleEngineTest, AChangedExpressionStartsAnew) {
  begin();
  put(hourly());
  advance(90min);
  store.take_fired();
  EXPECT_EQ(put(made("every", "40min")), "changed");
  EXPECT_FALSE(engine->find("hourly")->last_fired);
  advance(40min);
  EXPECT_EQ(store.take_fired(), Strings{"2026-01-01T02:10:00.000Z"});

  Schedule same = made("every", "40min");
  same.args = "{\"name\":\"x\"}";
  EXPECT_EQ(put(same), "changed");
  EXPECT_TRUE(engine->find("hourly")->last_fired) << "only the arguments changed";
  advance(40min);
  EXPECT_EQ(store.fired, Strings{"2026-01-01T02:50:00.000Z"});
  EXPECT_EQ(store.tasks.back().args, same.args);
}

TEST_F(ScheduleEngineTest, ARemovedScheduleIsSilent) {
  begin();
  put(hourly());
  std::string answer;
  engine->remove("hourly",
                 [&](Result<bool> result) { answer = *result ? "was there" : "was not"; });
  store.settle();
  EXPECT_EQ(answer, "was there");
  EXPECT_EQ(engine->find("hourly"), nullptr);
  advance(3h);
  EXPECT_EQ(store.asked, 0);
}

TEST_F(ScheduleEngineTest, ChangesOfOneNameWaitForEachOther) {
  begin();
  put(hourly());
  clock.advance(1h);  // the fire is on its way; the store has not answered
  Strings order;
  engine->put(hourly(), [&](Result<bool> result) { order.push_back(*result ? "new" : "changed"); });
  engine->remove("hourly", [&](Result<bool>) { order.emplace_back("removed"); });
  engine->run_now("hourly", [&](Result<TaskId> result) { order.push_back(result.error().code); });
  store.settle();
  EXPECT_EQ(order, (Strings{"changed", "removed", "not_found"}));
  EXPECT_EQ(store.fired, Strings{hour(1)});
}

TEST_F(ScheduleEngineTest, StoppedItAnswersAndDoesNothing) {
  begin();
  put(hourly());
  clock.advance(1h);
  std::string waiting;
  engine->put(hourly(), [&](Result<bool> result) { waiting = result.error().code; });
  engine->stop();
  EXPECT_EQ(waiting, "stopping");
  EXPECT_EQ(put(hourly()), "stopping");
  EXPECT_EQ(run_now("hourly"), "stopping");
  engine.reset();
  EXPECT_EQ(clock.timers(), 0U);
  store.settle();  // handlers come after the engine is gone
  clock.set_wall(at("2027-01-01T00:00:00Z"));
  advance(3h);
  EXPECT_EQ(store.asked, 1);
}

TEST_F(ScheduleEngineTest, ShowsTheNextTimes) {
  begin();
  put(hourly());
  EXPECT_EQ(engine->next_times("hourly", 3),
            (std::vector<Time>{at(hour(1)), at(hour(2)), at(hour(3))}));
  EXPECT_TRUE(engine->next_times("other", 3).empty());
  EXPECT_TRUE(engine->next_times("hourly", -1).empty());
  EXPECT_EQ(engine->next_times("hourly", 1'000'000).size(), 1'000U);
}

TEST_F(ScheduleEngineTest, ALostZoneOfAStoredScheduleIsNotTheEndOfTheOthers) {
  store.kept["hourly"] = hourly();
  store.kept["hourly"].created_at = clock.now();
  Schedule lost = hourly();
  lost.name = "lost";
  lost.timezone = "Gone/Away";
  store.kept["lost"] = lost;
  EXPECT_EQ(begin(), "2");
  advance(1h);
  EXPECT_EQ(store.fired, Strings{hour(1)});
  EXPECT_NE(engine->find("lost"), nullptr);
}

TEST_F(ScheduleEngineTest, ManySchedulesFireTogether) {
  begin();
  for (int i = 0; i < 500; ++i) {
    Schedule schedule = hourly();
    schedule.name = "s" + std::to_string(i);
    ASSERT_EQ(put(schedule), "new");
  }
  advance(2h);
  EXPECT_EQ(store.fired.size(), 1'000U);
  EXPECT_EQ(clock.timers(), 1U);
}

TEST(DueTimesTest, AreFoundFromTheEnd) {
  const Time first = at("2026-01-01T00:00:00Z");
  const Time now = at("2028-06-01T00:00:00.500Z");
  const Calendar seconds = Calendar::cron("* * * 1 * *").value();  // each second of first days
  EXPECT_EQ(latest_due(seconds, first, now), at("2028-06-01T00:00:00Z"));
  const auto newest = newest_due(seconds, first, now, 3);
  EXPECT_EQ(newest, (std::vector<Time>{at("2028-05-01T23:59:58Z"), at("2028-05-01T23:59:59Z"),
                                       at("2028-06-01T00:00:00Z")}));
  EXPECT_EQ(newest_due(seconds, first, first, 3), std::vector<Time>{first});
  EXPECT_EQ(latest_due(seconds, first, first), first);
}

}  // namespace
}  // namespace cofounder
