// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simulators/http_server.hpp"

// Signature version 4 as Amazon's services verify it.  Sources: "Signature Version 4 signing process"
// and "Authenticating requests" of the S3 API reference; the official client proves it.
namespace simulator {

struct AwsAccount {
  std::string key_id = "AKIDEXAMPLE";
  std::string secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
  std::string region = "us-west-2";
  std::string session_token = {};  // empty: long-lived keys
};

struct AwsRefusal {
  int status;
  std::string code;
  std::string message;
};

// Nothing when the request is signed for `service` ("s3" or another one) as it should be.
std::optional<AwsRefusal> check_aws_signature(const Request& request, const AwsAccount& account,
                                              const std::string& service, std::int64_t now);

// The hexadecimal signature over these header fields, as of the request's x-amz-date.
std::string aws_signature(const Request& request, const AwsAccount& account, const std::string& service,
                          const std::vector<std::string>& signed_names);

std::string sha256_hex(std::string_view bytes);
std::string aws_time(std::int64_t seconds);  // 20261123T120000Z

}  // namespace simulator
