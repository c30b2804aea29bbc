// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstddef>
#include <map>
#include <string>
#include <utility>

#include "waiting_room.hpp"

namespace huggingface {

// At most so many requests to one provider at a time.
class Lanes {
  struct Lane {
    std::size_t taken = 0;
    WaitingRoom waiting;
  };

 public:
  // One of the places, until it is dropped.
  class Place {
   public:
    Place(Lane* lane, cofounder::sdk::Host host) : lane_{lane}, host_{host} {}
    Place(Place&& other) noexcept
        : lane_{std::exchange(other.lane_, nullptr)}, host_{other.host_} {}
    Place& operator=(Place&&) = delete;
    ~Place() { leave(); }
    void leave() {
      Lane* lane = std::exchange(lane_, nullptr);
      // Handed over, so that nobody who comes meanwhile takes it.
      if (lane != nullptr && !lane->waiting.wake_one(host_)) --lane->taken;
    }

   private:
    Lane* lane_;
    cofounder::sdk::Host host_;
  };

  // A place for `provider`.  Waits up to `wait_max`; when there is none then, the task runs again
  // later instead of keeping a call of the plugin busy.
  cofounder::sdk::Task<cofounder::sdk::Result<Place>> enter(cofounder::sdk::Context ctx,
                                                            std::string provider,
                                                            std::size_t places,
                                                            cofounder::sdk::Milliseconds wait_max);

  std::size_t taken(const std::string& provider) const {
    const auto found = lanes_.find(provider);
    return found == lanes_.end() ? 0 : found->second.taken;
  }

 private:
  std::map<std::string, Lane> lanes_;  // never erased from: places point into it
};

}  // namespace huggingface
