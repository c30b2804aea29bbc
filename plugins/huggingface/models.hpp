// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <memory>
#include <string>

#include "account.hpp"

namespace huggingface {

// GET /v1/models, or of one model ("org/name"): an array of models with their providers, prices and
// states as the router tells them, all fields kept; those that are read are of the right type.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> ask_models(
    cofounder::sdk::Context ctx, std::shared_ptr<const Account> account, std::string token,
    std::string id);

// Checks and unwraps the answer to it.
cofounder::sdk::Result<cofounder::sdk::Json> read_models(const cofounder::sdk::Json& answer);

// GET /api/whoami-v2 at the hub: who the token belongs to, without the token.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> ask_whoami(
    cofounder::sdk::Context ctx, std::shared_ptr<const Account> account, std::string token);

}  // namespace huggingface
