// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_lease.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {

PostgresLease::PostgresLease(Loop& loop, const PostgresOptions& options)
    : loop_{loop}, options_{options} {}

PostgresLease::~PostgresLease() { stop(); }

void PostgresLease::start(Mono sent) {
  started_ = true;
  is_held_ = true;
  renewed_ = sent;
  server_is_back();
  beat_later();
  expire_later();
}

void PostgresLease::stop() {
  started_ = false;
  is_held_ = false;
  for (TimerId* timer : {&beat_timer_, &expiry_timer_}) {
    loop_.clock().cancel(std::exchange(*timer, 0));
  }
}

void PostgresLease::server_is_back() { judge_from_ = loop_.clock().mono() + options_.judge_after; }

// A busy node has many rounds between two beats; each of them costs the server a row.
bool PostgresLease::wants_beat() const {
  return started_ && (!is_held_ || loop_.clock().mono() - renewed_ >= options_.beat_every / 2);
}

bool PostgresLease::may_judge_others() const {
  return started_ && loop_.clock().mono() >= judge_from_;
}

void PostgresLease::renewed(Mono sent) {
  if (!started_) return;
  renewed_ = std::max(renewed_, sent);
  is_held_ = loop_.clock().mono() - renewed_ < options_.end_claims_after;
  if (is_held_) expire_later();
}

bool PostgresLease::check() {
  if (started_ && is_held_ && loop_.clock().mono() - renewed_ >= options_.end_claims_after) {
    is_held_ = false;
    if (on_expired) on_expired();
  }
  return is_held_;
}

void PostgresLease::beat_later() {
  // Not all nodes at the same moment.
  const double part = std::uniform_real_distribution<>{0.8, 1.0}(random_);
  beat_timer_ = loop_.clock().call_after(
      std::chrono::duration_cast<Nanoseconds>(options_.beat_every * part), [this] {
        beat_timer_ = 0;
        beat_later();
        if (on_beat_due) on_beat_due();
      });
}

void PostgresLease::expire_later() {
  loop_.clock().cancel(std::exchange(expiry_timer_, 0));
  expiry_timer_ = loop_.clock().call_at(renewed_ + options_.end_claims_after, [this] {
    expiry_timer_ = 0;
    check();
  });
}

}  // namespace cofounder
