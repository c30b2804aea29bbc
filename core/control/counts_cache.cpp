// SPDX-License-Identifier: Apache-2.0
#include "core/control/counts_cache.hpp"

namespace cofounder {

namespace {

constexpr Milliseconds fresh_for{1'000};
constexpr Milliseconds patience{2};  // when there is a former count
constexpr Milliseconds patience_first{1'000};

}  // namespace

CountsCache::~CountsCache() {
  *alive_ = false;
  if (timer_ != 0) clock_.cancel(timer_);
}

void CountsCache::get(Done done) {
  if (newest_ && clock_.mono() - counted_at_ < fresh_for) return done(&*newest_);
  waiting_.push_back(std::move(done));
  if (!is_counting_) count();
  if (timer_ != 0 || waiting_.empty()) return;
  timer_ = clock_.call_after(newest_ ? patience : patience_first, [this] {
    timer_ = 0;
    answer();
  });
}

void CountsCache::count() {
  is_counting_ = true;
  store_.counts(Time{}, [this, alive = alive_](Result<TaskCounts> counts) {
    if (!*alive) return;
    is_counting_ = false;
    if (counts) {
      newest_ = Counted{std::move(*counts), clock_.now()};
      counted_at_ = clock_.mono();
    }
    answer();
  });
}

void CountsCache::answer() {
  if (timer_ != 0) clock_.cancel(std::exchange(timer_, 0));
  auto waiting = std::exchange(waiting_, {});
  for (Done& done : waiting) done(newest_ ? &*newest_ : nullptr);
}

}  // namespace cofounder
