// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <utility>

#include "core/scheduler/task_store.hpp"

namespace cofounder {

// Forgets finished tasks, a few at a time, so that nobody waits for it.
class Retention {
 public:
  Retention(TaskStore& store, Clock& clock, const Milliseconds& kept)
      : store_{store}, clock_{clock}, kept_{kept} {}

  void begin() { purge_after(first_after); }
  void end() {
    ended_ = true;
    clock_.cancel(std::exchange(timer_, 0));
  }

 private:
  static constexpr Milliseconds first_after{1'000};
  static constexpr Milliseconds every{60'000};
  // A full batch means that there is more; a small pause lets others in.
  static constexpr Milliseconds pause{10};
  static constexpr int rows_max = 1000;

  void purge_after(Milliseconds wait) {
    timer_ = clock_.call_after(wait, [this] {
      store_.purge(clock_.now() - kept_, rows_max, [this](auto purged) {
        if (!ended_) purge_after(purged && *purged == rows_max ? pause : every);
      });
    });
  }

  TaskStore& store_;
  Clock& clock_;
  const Milliseconds& kept_;  // of the configuration, which may change
  TimerId timer_ = 0;
  bool ended_ = false;
};

}  // namespace cofounder
