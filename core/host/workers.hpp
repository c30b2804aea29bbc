// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/function.hpp"
#include "core/base/loop.hpp"

#include <list>
#include <memory>
#include <string>
#include <utility>

namespace cofounder::host {

// The threads on which one plugin's code runs.
//
// Serial (one thread): jobs run one after the other as they came.  Parallel (more): jobs of one
// strand run one after the other, those of different ones at once, and an exclusive job overlaps
// nothing.  post() may be called from any thread, the rest on the loop.
//
// A job that never returns is given up with abandon(): its threads are leaked, and should one of
// them come back after all, it ends without touching anything but itself.
class Workers {
 public:
  using Job = UniqueFunction<void()>;
  enum class Order {
    usual,
    begins,    // first of its strand: waits while an exclusive one waits
    exclusive  // overlaps nothing
  };

  // What keeps the jobs of one call in order.  Must live until its last job ran.
  class Strand {
    friend class Workers;
    std::list<std::pair<Order, Job>> jobs_;  // empty in most calls: costs nothing then
    bool queued_ = false;  // in the queue, or a job of it runs
  };

  // What `loop` posts from its own thread wakes a sleeping worker once for many jobs: waking one is
  // dearer than most jobs.
  Workers(const std::string& name, int threads, Loop& loop);
  ~Workers();  // close() or abandon() came before

  void post(Strand& strand, Job job, Order order = Order::usual);

  // Ends the threads when what was posted has run, and waits for that.
  void close();
  // Nothing more runs.  The threads that are inside a job are leaked, jobs that wait are dropped
  // (or leaked, when a thread that does not return has them).
  void abandon();
  // After abandon(): whether a thread is still inside a job.
  bool stuck() const noexcept;

  double cpu_seconds() const noexcept;
  int threads() const noexcept;

 private:
  struct State;
  Loop& loop_;
  std::shared_ptr<State> state_;
};

}  // namespace cofounder::host
