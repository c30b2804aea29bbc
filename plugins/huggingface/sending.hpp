// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "account.hpp"
#include "lanes.hpp"

namespace huggingface {

// Whether to wait and try again within the same attempt, and how long.
//
// A model that is being loaded is waited for as long as it says, everything else at most three
// times; altogether no longer than `wait_max` and the call's deadline.  What takes longer is the
// task's next attempt, which holds no place meanwhile.
class Retries {
 public:
  explicit Retries(cofounder::sdk::Milliseconds wait_max) : left_{wait_max} {}
  std::optional<cofounder::sdk::Milliseconds> next(cofounder::sdk::Context ctx,
                                                   const cofounder::sdk::Failure& why);

 private:
  cofounder::sdk::Milliseconds left_;
  int tries_ = 0;
};

// Where a request goes: which provider's places it takes, and how long it may wait.
struct Route {
  Route(std::shared_ptr<const Account> its_account, Lanes* its_lanes, std::string its_provider,
        cofounder::sdk::Milliseconds its_wait_max)
      : account{std::move(its_account)},
        lanes{its_lanes},
        provider{std::move(its_provider)},
        wait_max{its_wait_max} {}
  std::shared_ptr<const Account> account;
  Lanes* lanes;
  std::string provider;
  cofounder::sdk::Milliseconds wait_max;
};

// A 2xx that came whole.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::HttpResponse>> send(
    cofounder::sdk::Context ctx, Route route, cofounder::sdk::HttpRequest request);

// The beginning of a 2xx, and the place that it takes until it is over.
struct Opened {
  Opened(cofounder::sdk::HttpStream its_stream, Lanes::Place its_place)
      : stream{std::move(its_stream)}, place{std::move(its_place)} {}
  cofounder::sdk::HttpStream stream;
  Lanes::Place place;
};
cofounder::sdk::Task<cofounder::sdk::Result<Opened>> open_stream(
    cofounder::sdk::Context ctx, Route route, cofounder::sdk::HttpRequest request,
    cofounder::sdk::Framing framing);

}  // namespace huggingface
