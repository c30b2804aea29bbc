// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "account.hpp"
#include "lanes.hpp"
#include "prices.hpp"

namespace huggingface {

// What the calls of the plugin share.  It outlives them; the account is replaced at a reload, and a
// call goes on with the one that it began with.
struct World {
  std::shared_ptr<const Account> account = std::make_shared<const Account>();
  Lanes lanes;
  Prices prices;
};

}  // namespace huggingface
