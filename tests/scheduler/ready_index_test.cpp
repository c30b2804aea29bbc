// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/ready_index.hpp"

#include "core/scheduler/task_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <tuple>

namespace cofounder {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;

constexpr Time now{Milliseconds{1'000'000}};

ClaimLimits limits(int running_max, std::map<std::string, int> plugins = {{"a", 100}, {"b", 100}},
                   std::map<std::string, int> queues = {}) {
  return {running_max, std::move(queues), {}, std::move(plugins)};
}

class ReadyIndexTest : public ::testing::Test {
 protected:
  void add(TaskId task, Time run_at = now, int priority = 0, const char* op = "a.op",
           const char* queue = "default") {
    index.add(queue, op, {task, run_at, static_cast<std::int16_t>(priority)});
  }
  ReadyIndex index;
};

TEST_F(ReadyIndexTest, ClaimsByPriorityThenDueThenId) {
  index.set_limits(limits(100));
  add(1, now - seconds{1}, 0, "b.op");
  add(2, now, 0);
  add(3, now - seconds{1}, 0, "a.op", "mail");
  add(4, now, 9, "b.op", "mail");
  add(5, now + seconds{1}, 9);
  EXPECT_THAT(index.claim(now, 3), ElementsAre(4, 1, 3));
  EXPECT_THAT(index.claim(now, 100), ElementsAre(2));
  EXPECT_EQ(index.waiting(), 1U);
  EXPECT_EQ(index.running(), 4U);
  EXPECT_EQ(index.next_due(now), now + seconds{1});
  EXPECT_THAT(index.claim(now + seconds{1}, 100), ElementsAre(5));
}

TEST_F(ReadyIndexTest, ClaimsNothingWithoutLimits) {
  add(1);
  EXPECT_TRUE(index.claim(now, 10).empty());
  EXPECT_EQ(index.next_due(now), Time::max());
  index.set_limits(limits(10, {{"b", 5}}));
  EXPECT_TRUE(index.claim(now, 10).empty());
}

TEST_F(ReadyIndexTest, AFullPluginOrQueueHoldsUpNobodyElse) {
  index.set_limits(limits(100, {{"a", 1}, {"b", 100}}, {{"mail", 1}}));
  add(1, now, 50);
  add(2, now, 50);
  add(3, now, 40, "b.op", "mail");
  add(4, now, 40, "b.op", "mail");
  add(5, now, 0, "b.op");
  EXPECT_THAT(index.claim(now, 100), ElementsAre(1, 3, 5));
  EXPECT_EQ(index.next_due(now), Time::max());
  index.ended(1);
  EXPECT_EQ(index.next_due(now), Time::min());
  EXPECT_THAT(index.claim(now, 100), ElementsAre(2));
  index.set_limits(limits(100, {{"a", 1}, {"b", 100}}, {{"mail", 2}}));
  EXPECT_THAT(index.claim(now, 100), ElementsAre(4));
}

TEST_F(ReadyIndexTest, ALowerLimitWaitsForWhatRuns) {
  index.set_limits(limits(2));
  add(1);
  add(2);
  add(3);
  EXPECT_EQ(index.claim(now, 100).size(), 2U);
  index.set_limits(limits(1));
  index.ended(1);
  EXPECT_TRUE(index.claim(now, 100).empty());
  index.ended(2);
  EXPECT_THAT(index.claim(now, 100), ElementsAre(3));
}

TEST_F(ReadyIndexTest, RemovedTasksAreGone) {
  index.set_limits(limits(100));
  add(1, now, 9);
  add(2);
  add(3, now + seconds{5});
  EXPECT_EQ(index.ready(now), 2U);
  index.remove(1);
  index.remove(3);
  index.remove(77);
  EXPECT_FALSE(index.contains(1));
  EXPECT_TRUE(index.contains(2));
  EXPECT_EQ(index.ready(now), 1U);
  EXPECT_THAT(index.claim(now, 100), ElementsAre(2));
  EXPECT_FALSE(index.contains(2));
  index.remove(2);  // it runs: not waiting
  EXPECT_EQ(index.running(), 1U);
  EXPECT_EQ(index.next_due(now), Time::max());
  // A task may come back with another time; its former entry does not.
  add(3, now);
  index.remove(3);
  add(3, now + seconds{9});
  EXPECT_TRUE(index.claim(now, 100).empty());
  EXPECT_THAT(index.claim(now + seconds{9}, 100), ElementsAre(3));
}

TEST_F(ReadyIndexTest, CountsByQueueAndForgetsIdleQueues) {
  index.set_limits(limits(1000));
  for (TaskId task = 1; task <= 1000; ++task) {
    const std::string queue = "q" + std::to_string(task);
    add(task, now, 0, "a.op", queue.c_str());
    EXPECT_EQ(index.waiting_by_queue().size(), 1U);
    EXPECT_THAT(index.claim(now, 10), ElementsAre(task));
    index.ended(task);
  }
  EXPECT_TRUE(index.waiting_by_queue().empty());
  index.add_running("q", "a.op", 5000);
  EXPECT_EQ(index.running(), 1U);
  index.ended(5000);
  EXPECT_EQ(index.running(), 0U);
}

// A list that is searched from end to end must agree with it, whatever is done.
TEST_F(ReadyIndexTest, AgreesWithASimpleList) {
  struct Task {
    std::string queue;
    std::string op;
    Time run_at;
    std::int16_t priority;
    bool running = false;
  };
  std::map<TaskId, Task> model;
  std::mt19937 random{7};
  const auto pick = [&](int below) {
    return static_cast<int>(random() % static_cast<unsigned>(below));
  };
  const std::map<std::string, int> plugins{{"a", 3}, {"b", 6}};
  const std::map<std::string, int> queues{{"q0", 2}, {"q1", 4}};
  index.set_limits(limits(8, plugins, queues));
  Time time = now;
  TaskId last = 0;
  const auto running = [&](auto matches) {
    return std::count_if(model.begin(), model.end(), [&](const auto& item) {
      return item.second.running && matches(item.second);
    });
  };
  const auto is_open = [&](const Task& task) {
    const auto queue = queues.find(task.queue);
    if (queue != queues.end() &&
        running([&](const Task& t) { return t.queue == task.queue; }) >= queue->second) {
      return false;
    }
    return running([&](const Task& t) { return t.op[0] == task.op[0]; }) <
           plugins.at(task.op.substr(0, 1));
  };
  for (int step = 0; step < 6'000; ++step) {
    const int what = pick(10);
    if (what < 4) {
      Task task{"q" + std::to_string(pick(3)), pick(2) == 0 ? "a.x" : "b.x",
                time + seconds{pick(6) - 2}, static_cast<std::int16_t>(pick(3))};
      index.add(task.queue, task.op, {++last, task.run_at, task.priority});
      model.emplace(last, task);
    } else if (what < 6 && !model.empty()) {
      const auto it = std::next(model.begin(), pick(static_cast<int>(model.size())));
      if (it->second.running) {
        index.ended(it->first);
      } else {
        index.remove(it->first);
      }
      model.erase(it);
    } else if (what < 7) {
      time += seconds{1};
    } else {
      const auto count = static_cast<std::size_t>(pick(3));
      const auto claimed = index.claim(time, count);
      for (const TaskId id : claimed) {
        // It must be the best of those that may start.
        TaskId best = 0;
        for (const auto& [other, task] : model) {
          if (task.running || task.run_at > time || !is_open(task)) continue;
          const auto rank = [&](TaskId t) {
            return std::tuple{-model.at(t).priority, model.at(t).run_at, t};
          };
          if (best == 0 || rank(other) < rank(best)) best = other;
        }
        ASSERT_EQ(id, best) << "step " << step;
        model.at(id).running = true;
      }
      ASSERT_LE(running([](const Task&) { return true; }), 8);
      Time due = Time::max();
      if (running([](const Task&) { return true; }) < 8) {
        for (const auto& [id, task] : model) {
          if (!task.running && is_open(task)) due = std::min(due, task.run_at);
        }
        if (due <= time) due = Time::min();
      }
      ASSERT_EQ(index.next_due(time), due) << "step " << step;
      if (claimed.size() < count) {
        ASSERT_GT(due, time) << "step " << step;
      }
      const auto ready = std::count_if(model.begin(), model.end(), [&](const auto& item) {
        return !item.second.running && item.second.run_at <= time;
      });
      ASSERT_EQ(index.ready(time), static_cast<std::size_t>(ready)) << "step " << step;
    }
  }
}

TEST(TaskTableTest, AgreesWithASet) {
  TaskTable<std::uint64_t> table;
  std::map<TaskId, std::uint64_t> model;
  std::mt19937_64 random{11};
  for (int step = 0; step < 200'000; ++step) {
    const TaskId task = 1 + random() % 3000 * 8192;
    if (random() % 2 == 0) {
      if (model.emplace(task, step).second) table.insert(task, static_cast<std::uint64_t>(step));
    } else {
      table.erase(task);
      model.erase(task);
    }
    const TaskId other = 1 + random() % 3000 * 8192;
    const auto found = model.find(other);
    const std::uint64_t* value = table.find(other);
    ASSERT_EQ(value != nullptr, found != model.end());
    if (value != nullptr) {
      ASSERT_EQ(*value, found->second);
    }
  }
  EXPECT_EQ(table.size(), model.size());
  // No task: the mark of a free slot must not be taken for one.
  EXPECT_EQ(table.find(0), nullptr);
  table.erase(0);
  EXPECT_EQ(table.size(), model.size());
}

}  // namespace
}  // namespace cofounder
