// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <list>

namespace huggingface {

// Where calls of a serial plugin wait for one another, first come, first served.  Each sleeps on a
// timer of its own call, which whoever wakes it ends early; so a call that is cancelled leaves.
class WaitingRoom {
 public:
  // At most `most`; true: it was woken, even if it was cancelled at the same time.
  cofounder::sdk::Task<bool> wait(cofounder::sdk::Context ctx, cofounder::sdk::Milliseconds most) {
    const auto me = guests_.insert(guests_.end(), Guest{});
    auto sleeping = ctx.sleep(most, me->timer);
    auto slept = co_await sleeping;
    (void)slept;  // what ended it does not matter: the flag tells
    const bool woken = me->woken;
    guests_.erase(me);
    co_return woken;
  }

  // The one who waits longest; false when nobody does.
  bool wake_one(cofounder::sdk::Host host) {
    for (Guest& guest : guests_) {
      if (guest.woken) continue;
      guest.woken = true;
      host.wake(guest.timer);
      return true;
    }
    return false;
  }
  void wake_all(cofounder::sdk::Host host) {
    while (wake_one(host)) {
    }
  }
  // Whether somebody waits who was not woken yet.
  bool is_empty() const noexcept {
    for (const Guest& guest : guests_) {
      if (!guest.woken) return false;
    }
    return true;
  }

 private:
  struct Guest {
    std::uint64_t timer = 0;
    bool woken = false;
  };
  std::list<Guest> guests_;
};

}  // namespace huggingface
