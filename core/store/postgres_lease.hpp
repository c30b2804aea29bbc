// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/loop.hpp"
#include "core/store/postgres_store.hpp"

#include <random>

namespace cofounder {

// How long this node may rely on its claims.
//
// Nodes show that they are alive by a beat: a row that a round writes now and then.  One that was
// not seen for PostgresOptions::lease by the database's clock loses its tasks to others.  So a node
// counts the time since it sent the newest beat that was committed, by its own monotonic clock, and
// when that is too long ends what it runs and claims nothing, before the others begin.  The server
// sees a beat later than it was sent, so the node is always the first of the two.
class PostgresLease {
 public:
  PostgresLease(Loop& loop, const PostgresOptions& options);
  ~PostgresLease();

  UniqueFunction<void()> on_beat_due;  // a round is wanted, if only for the beat
  UniqueFunction<void()> on_expired;   // once, until it is renewed

  void start(Mono sent);  // held since then
  void stop();
  // The server was out of reach, perhaps for all nodes: nobody is judged before each could beat again.
  void server_is_back();

  // What the next round is for.
  bool wants_beat() const;
  bool may_judge_others() const;

  void renewed(Mono sent);  // a beat sent at that time was committed
  // False: too long ago; tells on_expired when that is new.
  bool check();

 private:
  void beat_later();
  void expire_later();

  Loop& loop_;
  const PostgresOptions& options_;
  bool started_ = false;
  bool is_held_ = false;
  Mono renewed_{};
  Mono judge_from_{};
  TimerId beat_timer_ = 0;
  TimerId expiry_timer_ = 0;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace cofounder
