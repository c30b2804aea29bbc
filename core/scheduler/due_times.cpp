// SPDX-License-Identifier: Apache-2.0
#include "core/scheduler/due_times.hpp"

#include <cassert>

namespace cofounder {
namespace {

constexpr Milliseconds tick{1};

// The due times in (after, now], at most `count_max`.
std::vector<Time> collect(const Calendar& calendar, Time after, Time now, std::size_t count_max) {
  std::vector<Time> times;
  while (times.size() < count_max) {
    const auto due = calendar.next(after);
    if (!due || *due > now) break;
    times.push_back(*due);
    after = *due;
  }
  return times;
}

// The earliest time in (low, high] for which `holds`, which it does from some time on and at
// `high`.
template <class Predicate>
Time first_that(Time low, Time high, Predicate holds) {
  while (high - low > tick) {
    const Time middle = low + (high - low) / 2;
    (holds(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace

Time latest_due(const Calendar& calendar, Time first, Time now) {
  assert(first <= now);
  return first_that(first - tick, now, [&](Time time) {
    const auto due = calendar.next(time);
    return !due || *due > now;
  });
}

std::vector<Time> newest_due(const Calendar& calendar, Time first, Time now,
                             std::size_t count_max) {
  assert(first <= now && count_max > 0);
  auto times = collect(calendar, first - tick, now, count_max + 1);
  if (times.size() <= count_max) return times;
  const Time after = first_that(first - tick, now, [&](Time time) {
    return collect(calendar, time, now, count_max + 1).size() <= count_max;
  });
  return collect(calendar, after, now, count_max);
}

}  // namespace cofounder
