// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <optional>
#include <string>
#include <string_view>

#include "model.hpp"
#include "usage.hpp"
#include "world.hpp"

namespace huggingface {

// What one use of a model cost.  It is written down once, also when the use failed after the
// provider had begun to answer: that is billed all the same.
class Ledger {
 public:
  Ledger(cofounder::sdk::Context ctx, World* world, std::string token, Model model)
      : ctx_{ctx},
        world_{world},
        account_{world->account},
        token_{std::move(token)},
        model_{std::move(model)},
        began_{ctx.host().now()} {}

  // From the answer's header x-inference-provider: who served it; else what the model's name says.
  void served_by(std::string_view said);
  std::string_view provider() const noexcept { return provider_; }

  // The cost in micro-dollars when it is known.
  cofounder::sdk::Task<std::optional<std::int64_t>> record(std::optional<Usage> usage, bool failed);

 private:
  cofounder::sdk::Context ctx_;
  World* world_;
  std::shared_ptr<const Account> account_;
  std::string token_;
  Model model_;
  std::string provider_;
  cofounder::sdk::Nanoseconds began_;
};

}  // namespace huggingface
