// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include "account.hpp"

namespace cloudinary {

// The operation `upload`: of a file (in one request, or in chunks that a later attempt goes on with),
// of a URL that Cloudinary fetches, or of a data: URI.  An explicit public id makes every try and
// attempt write the same asset.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> upload(
    cofounder::sdk::Context ctx, Account account, cofounder::sdk::Json args);

}  // namespace cloudinary
