// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include "sessions.hpp"
#include "web.hpp"
#include "world.hpp"

namespace oauth {

using Page = cofounder::sdk::Task<cofounder::sdk::RouteResponse>;

// The site that the client sees: http.public_url, or, without one, a loopback address of the request.
cofounder::sdk::Result<Site> site_of(const cofounder::sdk::RouteRequest& request);
// The session token of a request: of the header, else of the cookie; "" for none.
std::string token_of(const cofounder::sdk::RouteRequest& request);

// GET /oauth/{provider}/login and /callback.
Page begin_login(cofounder::sdk::Context ctx, WorldPtr world, cofounder::sdk::RouteRequest request);
Page finish_login(cofounder::sdk::Context ctx, WorldPtr world, cofounder::sdk::RouteRequest request);

// POST /oauth/{provider}/device: without a body it begins, with {"device_code"} it asks how far it is.
Page device_login(cofounder::sdk::Context ctx, WorldPtr world, cofounder::sdk::RouteRequest request);

// Who the tokens are of, if that person may log in, as a new session.
Reply<NewSession> log_in(cofounder::sdk::Context ctx, WorldPtr world,
                         std::shared_ptr<Provider> provider, Tokens tokens, std::string nonce);

}  // namespace oauth
