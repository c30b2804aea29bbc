// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace fine_tuning {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // empty: none
};

// A request as AWS Signature Version 4 sees it.
struct AwsRequest {
  std::string method;
  std::string service;  // "bedrock", "s3"
  std::string region;
  std::string path;                            // as it is sent, percent-encoded
  std::map<std::string, std::string> query;    // decoded
  std::map<std::string, std::string> headers;  // names in lower case, all to be signed, with "host"
  std::string payload_sha256;                  // hexadecimal
  std::string date;                            // "20261123T120000Z"
};

// Adds x-amz-date, x-amz-security-token and, for S3, x-amz-content-sha256 to the headers, and
// authorization.
void sign_aws(const AwsCredentials& credentials, AwsRequest& request);

// As it has to be sent to fit the signature: sorted, with "?" before it; "" for none.
std::string aws_query(const std::map<std::string, std::string>& query);

// "20261123T120000Z" of seconds since 1970.
std::string aws_date(std::int64_t seconds);

}  // namespace fine_tuning
