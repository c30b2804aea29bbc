// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "settings.hpp"
#include "sigv4.hpp"

namespace fine_tuning {

// The account's keys, of the configuration; "not_configured" without them.
cofounder::sdk::Result<AwsCredentials> aws_credentials(cofounder::sdk::Context ctx, const Settings& settings);

// Signs the request, as of now, for the host of `url`, which comes before its path.  It may be sent
// again: what it is about has a name of ours.
cofounder::sdk::Result<cofounder::sdk::HttpRequest> aws_request(cofounder::sdk::Context ctx,
                                                                const Settings& settings,
                                                                AwsRequest request,
                                                                const std::string& url);

}  // namespace fine_tuning
