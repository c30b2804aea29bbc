// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "core/base/json.hpp"
#include "core/daemon/family_writer.hpp"
#include "core/daemon/priced_usage.hpp"
#include "core/daemon/traffic_metrics.hpp"
#include "core/host/plugin_host.hpp"
#include "core/http/client.hpp"
#include "core/scheduler/scheduler.hpp"

namespace cofounder {

// The daemon's own figures for /metrics: counted from the scheduler's events, so that they cost no
// look into the store and stay right while it is away.  On the loop only.
class CoreMetrics {
 public:
  struct Sources {
    const Scheduler& scheduler;
    const PluginHost& plugins;
    const http::Client& client;
    const TrafficMetrics& traffic;
    const PricedUsage& ledger;
    const Clock& clock;
  };

  void observe(const Scheduler::Event& event);

  // Appends families in the shape of cof.metric/1's snapshot to an open array.
  void write(json::Writer& out, const Sources& sources) const;

 private:
  void write_durations(json::Writer& out) const;

  using TypeAndOutcome = std::pair<std::string, std::string>;
  std::map<TypeAndOutcome, std::uint64_t> tasks_;
  std::map<TypeAndOutcome, Durations> durations_;
  Durations waits_;
  std::map<TypeAndOutcome, std::uint64_t> retries_;  // type and reason (an error code)
  std::uint64_t submitted_ = 0;
};

}  // namespace cofounder
