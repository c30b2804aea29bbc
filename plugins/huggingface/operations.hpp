// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include "completion.hpp"
#include "world.hpp"

namespace huggingface {

// `chat` and `generate`: {message | text, finish_reason, usage, provider, model}.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> complete(
    cofounder::sdk::Context ctx, World* world, Kind kind, cofounder::sdk::Json args);

// `embed`: {embeddings[][]}, one for each input.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> embed(
    cofounder::sdk::Context ctx, World* world, cofounder::sdk::Json args);

// `image`: {path, content_type, bytes}.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> image(
    cofounder::sdk::Context ctx, World* world, cofounder::sdk::Json args);

}  // namespace huggingface
