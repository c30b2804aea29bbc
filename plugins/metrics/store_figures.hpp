// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "budget.hpp"

namespace metrics {

// The families that only the store knows.  They are asked for when somebody scrapes, at most once a
// second.  What the store does not answer, or not soon, is absent: never 0, never an old value.
class StoreFigures {
 public:
  void apply(cofounder::sdk::Host host, const Budget& budget);

  // True when refresh() is to be run now, beside the calls.
  bool begin(cofounder::sdk::Nanoseconds now);
  cofounder::sdk::Task<void> refresh(cofounder::sdk::Context ctx);
  // Until a refresh that runs is over; for so long as a scrape may wait.
  cofounder::sdk::Task<void> wait(cofounder::sdk::Context ctx);

 private:
  enum class Phase { tasks, costs };
  cofounder::sdk::Task<bool> refresh_tasks(cofounder::sdk::Context ctx);
  cofounder::sdk::Task<bool> refresh_costs(cofounder::sdk::Context ctx);
  void register_families(cofounder::sdk::Host host);
  void ended(Phase phase, bool good, cofounder::sdk::Host host, cofounder::sdk::Nanoseconds began);
  void fail(Phase phase);

  cofounder::sdk::Metric tasks_, spend_, budget_gauge_, errors_, refreshed_, queries_;
  std::set<std::string> windows_;       // with a budget, whose series exist
  std::vector<Phase> missing_;          // of the refresh that runs
  std::set<std::uint64_t> waiting_;     // timers of those who wait for it
  cofounder::sdk::Nanoseconds last_{-1'000'000'000};
  bool running_ = false;
  bool is_late_ = false;  // the refresh that runs was given up by who waits
  bool registered_ = false;
};

}  // namespace metrics
