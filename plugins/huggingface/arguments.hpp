// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include "account.hpp"
#include "completion.hpp"
#include "model.hpp"

namespace huggingface {

// The bodies of requests, from the args of operations.  Failures name the argument.

// Of POST /v1/chat/completions (chat) and /v1/completions (text).  Code "invalid_messages".
cofounder::sdk::Result<cofounder::sdk::Json> completion_body(Kind kind, const Model& model,
                                                             const cofounder::sdk::Json& args);
// Of feature-extraction.  Code "invalid_inputs".
cofounder::sdk::Result<cofounder::sdk::Json> embed_body(const cofounder::sdk::Json& args);
cofounder::sdk::Json image_body(const cofounder::sdk::Json& args);

// args.wait_max_seconds, or the account's.
cofounder::sdk::Milliseconds wait_max(const Account& account, const cofounder::sdk::Json& args);

}  // namespace huggingface
