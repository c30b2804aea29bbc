// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/scheduler/task_store.hpp"

#include <memory>
#include <optional>
#include <vector>

namespace cofounder {

// How many tasks there are, for GET /v1/status.  Counting is work for the store, so it is done at
// most once a second and never twice at the same time; who asks meanwhile gets the former count
// when the new one takes longer than a few milliseconds.  On the loop only.
class CountsCache {
 public:
  struct Counted {
    TaskCounts counts;
    Time at{};
  };
  // Null when nothing could be counted yet.  Valid during the call.
  using Done = UniqueFunction<void(const Counted*)>;

  CountsCache(TaskStore& store, Clock& clock) : store_{store}, clock_{clock} {}
  ~CountsCache();

  void get(Done done);

 private:
  void count();
  void answer();

  TaskStore& store_;
  Clock& clock_;
  std::optional<Counted> newest_;
  Mono counted_at_{};
  bool is_counting_ = false;
  TimerId timer_ = 0;
  std::vector<Done> waiting_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // the store may answer after us
};

}  // namespace cofounder
