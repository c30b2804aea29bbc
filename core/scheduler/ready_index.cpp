// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/ready_index.hpp"

#include "core/scheduler/task_table.hpp"

#include <algorithm>
#include <cassert>
#include <limits>
#include <string>
#include <unordered_map>
#include <utility>

namespace cofounder {
namespace {

enum class Place : std::uint8_t { timer, ready, running };

// Where a task is.  An item of a heap counts only while its stamp is the task's, so removing a task
// does not have to find it in a heap.
struct Spot {
  std::uint32_t lane = 0;
  std::uint32_t stamp : 30 = 0;
  std::uint32_t place : 2 = 0;
};
constexpr std::uint32_t stamp_mask = (1U << 30) - 1;

struct Item {
  TaskId task;
  Time due;
  std::uint32_t stamp;
  std::int16_t priority;
};

// For std::*_heap: "a comes after b".
struct DueLater {
  bool operator()(const Item& a, const Item& b) const noexcept {
    return a.due != b.due ? a.due > b.due : a.task > b.task;
  }
};
struct LessUrgent {
  bool operator()(const Item& a, const Item& b) const noexcept {
    if (a.priority != b.priority) return a.priority < b.priority;
    return DueLater{}(a, b);
  }
};

// A queue or a plugin: what has a limit.
struct Group {
  int running = 0;
  int running_max = 0;
  std::size_t lanes = 0;
  bool is_full() const noexcept { return running >= running_max; }
};
using Groups = std::unordered_map<std::string, Group>;

struct Lane {
  std::string queue_name;
  std::string plugin_name;
  Group* queue = nullptr;
  Group* plugin = nullptr;
  std::vector<Item> timers;
  std::vector<Item> ready;
  std::size_t waiting = 0;
  std::size_t ready_count = 0;  // of them, those in `ready`
  std::size_t running = 0;
  bool used = false;

  bool is_open() const noexcept { return !queue->is_full() && !plugin->is_full(); }
  bool is_idle() const noexcept { return waiting == 0 && running == 0; }
};

std::string_view plugin_of(std::string_view op) noexcept { return op.substr(0, op.find('.')); }

}  // namespace

struct ReadyIndex::State {
  ClaimLimits limits;
  Groups queues;
  Groups plugins;
  std::vector<Lane> lanes;
  std::vector<std::uint32_t> free_lanes;
  std::unordered_map<std::string, std::uint32_t> lane_by_name;
  std::uint32_t last_lane = std::numeric_limits<std::uint32_t>::max();
  std::size_t lanes_max = 64;  // sweep the idle ones above it
  TaskTable<Spot> spots;
  std::uint32_t stamp = 0;
  int running = 0;
  std::size_t waiting = 0;

  int queue_max(const std::string& name) const {
    const auto found = limits.queue_max.find(name);
    return found == limits.queue_max.end() ? std::numeric_limits<int>::max() : found->second;
  }
  int plugin_max(const std::string& name) const {
    const auto found = limits.plugin_max.find(name);
    return found == limits.plugin_max.end() ? 0 : found->second;
  }

  std::uint32_t lane_of(std::string_view queue, std::string_view op) {
    const std::string_view plugin = plugin_of(op);
    if (last_lane < lanes.size() && lanes[last_lane].used && lanes[last_lane].queue_name == queue &&
        lanes[last_lane].plugin_name == plugin) {
      return last_lane;
    }
    std::string name{queue};
    name.push_back('\0');
    name.append(plugin);
    const auto found = lane_by_name.find(name);
    if (found != lane_by_name.end()) return last_lane = found->second;
    if (lane_by_name.size() >= lanes_max) sweep();
    last_lane = make_lane(queue, plugin);
    lane_by_name.emplace(std::move(name), last_lane);
    return last_lane;
  }

  std::uint32_t make_lane(std::string_view queue, std::string_view plugin) {
    std::uint32_t number = 0;
    if (free_lanes.empty()) {
      number = static_cast<std::uint32_t>(lanes.size());
      lanes.emplace_back();
    } else {
      number = free_lanes.back();
      free_lanes.pop_back();
    }
    Lane& lane = lanes[number];
    lane.used = true;
    lane.queue_name = queue;
    lane.plugin_name = plugin;
    lane.queue = &queues[lane.queue_name];
    lane.queue->running_max = queue_max(lane.queue_name);
    ++lane.queue->lanes;
    lane.plugin = &plugins[lane.plugin_name];
    lane.plugin->running_max = plugin_max(lane.plugin_name);
    ++lane.plugin->lanes;
    return number;
  }

  // Names of queues come from clients: forget those that nothing uses.
  void sweep() {
    for (auto it = lane_by_name.begin(); it != lane_by_name.end();) {
      Lane& lane = lanes[it->second];
      if (!lane.is_idle()) {
        ++it;
        continue;
      }
      if (--lane.queue->lanes == 0) queues.erase(lane.queue_name);
      if (--lane.plugin->lanes == 0) plugins.erase(lane.plugin_name);
      lane = Lane{};
      free_lanes.push_back(it->second);
      it = lane_by_name.erase(it);
    }
    lanes_max = 2 * lane_by_name.size() + 64;
  }

  bool is_live(const Item& item, Place place) const noexcept {
    const Spot* spot = spots.find(item.task);
    return spot != nullptr && spot->stamp == item.stamp &&
           spot->place == static_cast<std::uint32_t>(place);
  }

  template <class Order>
  void prune_top(std::vector<Item>& heap, Place place, Order order) const noexcept {
    while (!heap.empty() && !is_live(heap.front(), place)) {
      std::pop_heap(heap.begin(), heap.end(), order);
      heap.pop_back();
    }
  }
  void prune(Lane& lane) const noexcept {
    prune_top(lane.timers, Place::timer, DueLater{});
    prune_top(lane.ready, Place::ready, LessUrgent{});
  }

  // Keeps what was removed from outweighing what is there.
  void compact(Lane& lane) {
    if (lane.timers.size() + lane.ready.size() <= 2 * lane.waiting + 64) return;
    std::erase_if(lane.timers, [&](const Item& item) { return !is_live(item, Place::timer); });
    std::erase_if(lane.ready, [&](const Item& item) { return !is_live(item, Place::ready); });
    std::make_heap(lane.timers.begin(), lane.timers.end(), DueLater{});
    std::make_heap(lane.ready.begin(), lane.ready.end(), LessUrgent{});
  }

  // Moves what has become due to the ready heap.
  void promote(Lane& lane, Time now) {
    for (;;) {
      prune_top(lane.timers, Place::timer, DueLater{});
      if (lane.timers.empty() || lane.timers.front().due > now) return;
      std::pop_heap(lane.timers.begin(), lane.timers.end(), DueLater{});
      const Item item = lane.timers.back();
      lane.timers.pop_back();
      spots.find(item.task)->place = static_cast<std::uint32_t>(Place::ready);
      lane.ready.push_back(item);
      std::push_heap(lane.ready.begin(), lane.ready.end(), LessUrgent{});
      ++lane.ready_count;
    }
  }

  void start(Lane& lane) noexcept {
    ++lane.running;
    ++lane.queue->running;
    ++lane.plugin->running;
    ++running;
  }
};

ReadyIndex::ReadyIndex() : state_{std::make_unique<State>()} {}
ReadyIndex::~ReadyIndex() = default;
ReadyIndex::ReadyIndex(ReadyIndex&&) noexcept = default;
ReadyIndex& ReadyIndex::operator=(ReadyIndex&&) noexcept = default;

void ReadyIndex::set_limits(const ClaimLimits& limits) {
  state_->limits = limits;
  for (auto& [name, group] : state_->queues) group.running_max = state_->queue_max(name);
  for (auto& [name, group] : state_->plugins) group.running_max = state_->plugin_max(name);
}

void ReadyIndex::add(std::string_view queue, std::string_view op, const Entry& entry) {
  State& s = *state_;
  assert(entry.task != 0 && !s.spots.find(entry.task));
  const std::uint32_t number = s.lane_of(queue, op);
  Lane& lane = s.lanes[number];
  s.stamp = (s.stamp + 1) & stamp_mask;
  Spot spot;
  spot.lane = number;
  spot.stamp = s.stamp & stamp_mask;
  spot.place = static_cast<std::uint32_t>(Place::timer);
  s.spots.insert(entry.task, spot);
  lane.timers.push_back(Item{entry.task, entry.run_at, s.stamp, entry.priority});
  std::push_heap(lane.timers.begin(), lane.timers.end(), DueLater{});
  ++lane.waiting;
  ++s.waiting;
}

void ReadyIndex::remove(TaskId task) noexcept {
  State& s = *state_;
  const Spot* spot = s.spots.find(task);
  if (spot == nullptr || spot->place == static_cast<std::uint32_t>(Place::running)) return;
  Lane& lane = s.lanes[spot->lane];
  if (spot->place == static_cast<std::uint32_t>(Place::ready)) --lane.ready_count;
  s.spots.erase(task);
  --lane.waiting;
  --s.waiting;
  s.compact(lane);
}

bool ReadyIndex::contains(TaskId task) const noexcept {
  const Spot* spot = state_->spots.find(task);
  return spot != nullptr && spot->place != static_cast<std::uint32_t>(Place::running);
}

std::vector<TaskId> ReadyIndex::claim(Time now, std::size_t count_max) {
  State& s = *state_;
  std::vector<TaskId> claimed;
  if (s.running >= s.limits.running_max) return claimed;
  // A heap of the lanes by their best task, so that many lanes cost little for each claim.
  std::vector<Lane*> open;
  for (Lane& lane : s.lanes) {
    if (!lane.used || lane.waiting == 0 || !lane.is_open()) continue;
    s.promote(lane, now);
    s.prune(lane);
    if (!lane.ready.empty()) open.push_back(&lane);
  }
  const auto order = [](const Lane* a, const Lane* b) {
    return LessUrgent{}(a->ready.front(), b->ready.front());
  };
  std::make_heap(open.begin(), open.end(), order);
  while (!open.empty() && claimed.size() < count_max && s.running < s.limits.running_max) {
    std::pop_heap(open.begin(), open.end(), order);
    Lane& lane = *open.back();
    open.pop_back();
    if (!lane.is_open()) continue;
    const Item item = lane.ready.front();
    std::pop_heap(lane.ready.begin(), lane.ready.end(), LessUrgent{});
    lane.ready.pop_back();
    s.spots.find(item.task)->place = static_cast<std::uint32_t>(Place::running);
    --lane.waiting;
    --lane.ready_count;
    --s.waiting;
    s.start(lane);
    claimed.push_back(item.task);
    s.prune_top(lane.ready, Place::ready, LessUrgent{});
    if (lane.ready.empty()) continue;
    open.push_back(&lane);
    std::push_heap(open.begin(), open.end(), order);
  }
  return claimed;
}

void ReadyIndex::add_running(std::string_view queue, std::string_view op, TaskId task) {
  State& s = *state_;
  assert(task != 0 && !s.spots.find(task));
  Spot spot;
  spot.lane = s.lane_of(queue, op);
  spot.place = static_cast<std::uint32_t>(Place::running);
  s.spots.insert(task, spot);
  s.start(s.lanes[spot.lane]);
}

void ReadyIndex::ended(TaskId task) noexcept {
  State& s = *state_;
  const Spot* spot = s.spots.find(task);
  if (spot == nullptr || spot->place != static_cast<std::uint32_t>(Place::running)) return;
  Lane& lane = s.lanes[spot->lane];
  s.spots.erase(task);
  --lane.running;
  --lane.queue->running;
  --lane.plugin->running;
  --s.running;
}

Time ReadyIndex::next_due(Time now) const {
  State& s = *state_;
  if (s.running >= s.limits.running_max) return Time::max();
  Time next = Time::max();
  for (Lane& lane : s.lanes) {
    if (!lane.used || lane.waiting == 0 || !lane.is_open()) continue;
    s.prune(lane);
    if (!lane.ready.empty()) return Time::min();
    if (lane.timers.empty()) continue;
    if (lane.timers.front().due <= now) return Time::min();
    next = std::min(next, lane.timers.front().due);
  }
  return next;
}

std::size_t ReadyIndex::waiting() const noexcept { return state_->waiting; }

std::size_t ReadyIndex::running() const noexcept {
  return static_cast<std::size_t>(state_->running);
}

std::size_t ReadyIndex::ready(Time now) {
  std::size_t count = 0;
  for (Lane& lane : state_->lanes) {
    if (!lane.used || lane.waiting == 0) continue;
    state_->promote(lane, now);
    count += lane.ready_count;
  }
  return count;
}

std::map<std::string, std::int64_t> ReadyIndex::waiting_by_queue() const {
  std::map<std::string, std::int64_t> counts;
  for (const Lane& lane : state_->lanes) {
    if (lane.used && lane.waiting > 0) {
      counts[lane.queue_name] += static_cast<std::int64_t>(lane.waiting);
    }
  }
  return counts;
}

}  // namespace cofounder
