// SPDX-License-Identifier: Apache-2.0
#include "aws.hpp"

#include <utility>

namespace fine_tuning {
namespace sdk = cofounder::sdk;
namespace {

std::string host_of(std::string_view url) {
  url.remove_prefix(url.find("://") + 3);
  return std::string{url.substr(0, url.find('/'))};
}

}  // namespace

sdk::Result<AwsCredentials> aws_credentials(sdk::Context ctx, const Settings& settings) {
  AwsCredentials known;
  known.access_key_id = settings.bedrock_access_key_id;
  auto secret = read_secret(ctx, "bedrock_secret_access_key");
  if (!secret) return secret.failure();
  known.secret_access_key = std::move(*secret);
  if (auto token = ctx.secret("bedrock_session_token"); token) known.session_token = std::move(*token);
  return known;
}

sdk::Result<sdk::HttpRequest> aws_request(sdk::Context ctx, const Settings& settings, AwsRequest request,
                                          const std::string& url) {
  const auto known = aws_credentials(ctx, settings);
  if (!known) return known.failure();
  request.region = settings.bedrock_region;
  request.headers["host"] = host_of(url);
  request.date = aws_date(ctx.host().wall().time_since_epoch().count() / 1000);
  sign_aws(*known, request);
  sdk::HttpRequest out{request.method, url + request.path + aws_query(request.query)};
  for (const auto& [name, value] : request.headers) {
    if (name != "host") out.header(name, value);
  }
  out.idempotent = true;
  return out;
}

}  // namespace fine_tuning
