// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <map>
#include <memory>
#include <string>

#include "account.hpp"
#include "usage.hpp"
#include "waiting_room.hpp"

namespace huggingface {

// Live prices from GET /v1/models/{id}, kept for a while.  Many calls that want the same ones wait
// for one request.
class Prices {
 public:
  // Empty when they cannot be had, which is kept for a short while, too.
  cofounder::sdk::Task<PriceList> find(cofounder::sdk::Context ctx,
                                       std::shared_ptr<const Account> account, std::string token,
                                       std::string model);

 private:
  struct Entry {
    PriceList prices;
    std::int64_t valid_until_ns = INT64_MIN;
    bool asking = false;
    WaitingRoom waiting;
  };
  std::map<std::string, std::shared_ptr<Entry>> entries_;
};

}  // namespace huggingface
