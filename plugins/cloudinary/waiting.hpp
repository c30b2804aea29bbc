// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "account.hpp"

namespace cloudinary {

// Tasks whose upload Cloudinary does by itself, until its notification comes.  What is expected, and
// what came, stands in the store under "async/TASK": a restart loses neither.  A task waits a short
// while inside its attempt, where a notification wakes it; then it is deferred again and again.
class Waiting {
 public:
  // Notes that this task expects a notification of `public_id`.
  cofounder::sdk::Task<cofounder::sdk::Result<void>> expect(cofounder::sdk::Context ctx,
                                                            std::string public_id,
                                                            cofounder::sdk::Milliseconds most);
  void forget(cofounder::sdk::Context ctx);

  // Until the notification is there.  Codes "upload_failed", "notification_missing" after `until`.
  cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> wait(
      cofounder::sdk::Context ctx, cofounder::sdk::WallTime until);

  // The checkpoint of a task that waits, and what an earlier attempt saved.
  static std::string state(cofounder::sdk::WallTime until);
  static std::optional<cofounder::sdk::WallTime> saved_deadline(cofounder::sdk::Context ctx);

  // The route for notifications.
  void apply(cofounder::sdk::Host host);
  cofounder::sdk::Task<cofounder::sdk::RouteResponse> notify(cofounder::sdk::Context ctx,
                                                             Account account,
                                                             cofounder::sdk::RouteRequest request);

 private:
  // What became of a notification, as the label of the counter and as an answer.
  struct Fate {
    const char* outcome;
    int status;
  };
  cofounder::sdk::Task<Fate> take(cofounder::sdk::Context ctx, std::string task,
                                  std::int64_t sent_s, cofounder::sdk::Json notification);

  std::map<std::string, std::uint64_t> sleepers_;  // timers, by key in the store
  cofounder::sdk::Metric notifications_;
};

}  // namespace cloudinary
