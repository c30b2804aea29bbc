// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <optional>

#include "core/base/clock.hpp"

namespace cofounder {

// What the store owes the scheduler, and since when.
struct Progress {
  // A store that owes an answer for so long has lost it.
  static constexpr Milliseconds overdue_after{30'000};

  std::deque<Mono> writing;     // each finish() that is under way
  std::deque<Mono> beating;     // each heartbeat()
  std::optional<Mono> looking;  // claim_due() that has had no word

  // `owes_claims`: not while the store says that it is away, which is an answer, or is closed.
  bool is_stuck(Mono now, bool owes_claims) const noexcept {
    const auto overdue = [now](Mono since) { return now - since > overdue_after; };
    return (owes_claims && looking && overdue(*looking)) ||
           (!writing.empty() && overdue(writing.front())) ||
           (!beating.empty() && overdue(beating.front()));
  }
};

}  // namespace cofounder
