// SPDX-License-Identifier: Apache-2.0
// Schedules of a store that other nodes use, too; the test plays the others by writing to it.
#include "tests/scheduler/schedule_world.hpp"

namespace cofounder::test {
namespace {

using namespace std::chrono_literals;

class ScheduleRefreshTest : public ScheduleEngineTest {
 protected:
  ScheduleRefreshTest() { store.shared = true; }

  Schedule kept(std::string name) const {
    Schedule schedule = hourly();
    schedule.name = std::move(name);
    schedule.created_at = clock.now();
    return schedule;
  }
};

TEST_F(ScheduleRefreshTest, TakesOverWhatAnotherNodePut) {
  begin();
  store.kept["theirs"] = kept("theirs");
  advance(29s);
  EXPECT_EQ(engine->find("theirs"), nullptr);
  advance(1s);
  ASSERT_NE(engine->find("theirs"), nullptr);
  advance(1h);
  EXPECT_EQ(store.fired, Strings{"2026-01-01T01:00:00.000Z"});

  store.kept["theirs"].text = "30 * * * *";
  advance(30s);
  EXPECT_EQ(engine->find("theirs")->text, "30 * * * *");
  advance(30min);
  EXPECT_EQ(store.fired.back(), "2026-01-01T01:30:00.000Z");

  store.kept.erase("theirs");
  advance(30s);
  EXPECT_EQ(engine->find("theirs"), nullptr);
  EXPECT_TRUE(engine->list().empty());
}

TEST_F(ScheduleRefreshTest, DoesNotAskForWhatAnotherNodeFired) {
  begin();
  put(hourly());
  advance(30min);
  store.kept["hourly"].last_fired = at("2026-01-01T01:00:00Z");  // its clock is ahead
  store.kept["hourly"].last_task = 77;
  advance(30s);
  EXPECT_EQ(engine->find("hourly")->last_task, 77U);
  const int asked = store.asked;
  advance(40min);
  EXPECT_EQ(store.asked, asked);
  EXPECT_EQ(store.fired, Strings{});
  advance(1h);
  EXPECT_EQ(store.fired, Strings{"2026-01-01T02:00:00.000Z"});
}

TEST_F(ScheduleRefreshTest, AnOlderAnswerDoesNotUndoWhatWasPutHere) {
  begin();
  put(hourly());
  advance(29s);
  // The store has taken its picture, and answers only after a put and a removal here.
  std::vector<Schedule> picture{store.kept["hourly"]};
  clock.advance(1s);
  ASSERT_EQ(store.waiting.size(), 1U);
  auto answer_later = std::move(store.waiting.front());
  store.waiting.pop_front();
  Schedule changed = hourly();
  changed.text = "15 * * * *";
  EXPECT_EQ(put(changed), "changed");
  Schedule fresh = hourly();
  fresh.name = "fresh";
  EXPECT_EQ(put(fresh), "new");
  const auto now = store.kept;
  store.kept = {{"hourly", picture[0]}};
  answer_later();
  store.kept = now;
  EXPECT_EQ(engine->find("hourly")->text, "15 * * * *");
  EXPECT_NE(engine->find("fresh"), nullptr);
  advance(30s);  // the next picture is true again
  EXPECT_EQ(engine->find("hourly")->text, "15 * * * *");
  EXPECT_NE(engine->find("fresh"), nullptr);
}

TEST_F(ScheduleRefreshTest, AStoreThatIsAwayChangesNothing) {
  begin();
  put(hourly());
  store.available = false;
  advance(5min);
  EXPECT_NE(engine->find("hourly"), nullptr);
  store.available = true;
  store.kept["theirs"] = kept("theirs");
  advance(30s);
  EXPECT_NE(engine->find("theirs"), nullptr);
  engine->stop();
  EXPECT_EQ(clock.timers(), 0U);
}

}  // namespace
}  // namespace cofounder::test
