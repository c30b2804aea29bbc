// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include "account.hpp"
#include "waiting.hpp"

namespace cloudinary {

// The operation `upload`: of a file (in one request, or in chunks that a later attempt goes on with),
// of a URL that Cloudinary fetches, or of a data: URI.  An explicit public id makes every try and
// attempt write the same asset.  With `async` Cloudinary answers at once and notifies later.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> upload(
    cofounder::sdk::Context ctx, Account account, cofounder::sdk::Json args, Waiting* waiting);

}  // namespace cloudinary
