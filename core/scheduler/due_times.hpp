// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/calendar.hpp"

#include <vector>

namespace cofounder {

// Of the due times of `calendar` in [first, now]; `first` is one of them.  Both are bounded
// whatever lies between: a schedule of every second may have slept for a year.

// The last one.
Time latest_due(const Calendar& calendar, Time first, Time now);
// The last ones, at most `count_max`, in order.
std::vector<Time> newest_due(const Calendar& calendar, Time first, Time now, std::size_t count_max);

}  // namespace cofounder
