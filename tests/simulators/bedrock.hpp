// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/simulators/aws_signature.hpp"

// Amazon Bedrock's customization jobs, and as much of S3 as they need, on one port.  Sources: the
// official clients' models (client-bedrock and client-s3 of npm) and AWS' documentation, 2026-11-23.
namespace simulator {

struct BedrockOptions {
  AwsAccount account;
  std::set<std::string> buckets{"bucket"};
  int looks = 3;         // how often a job is asked for before it is over
  bool failing = false;  // jobs fail
};

class Bedrock {
 public:
  explicit Bedrock(BedrockOptions options) : options_{std::move(options)} {}
  Response handle(const Request& request);

 private:
  using Json = nlohmann::json;
  Response object_route(const Request& request);
  Response put_object(const Request& request, const std::string& name);
  Response jobs_route(const Request& request);
  Response create(const Json& body);
  Response list(const Request& request) const;
  std::optional<std::string> check_sources(const Json& body) const;
  Json* find(const std::string& identifier);
  void move_on(Json& job);

  BedrockOptions options_;
  std::mutex mutex_;  // for all below
  std::map<std::string, std::string> objects_;  // by "bucket/key"
  std::vector<Json> jobs_;
  std::map<std::string, int> looks_;  // by ARN
};

// ---- bedrock_checks.cpp

// Why a body of CreateModelCustomizationJob is refused: the error's type and message.
struct BedrockWrong {
  std::string type;
  std::string message;
};
std::optional<BedrockWrong> check_customization(const nlohmann::json& body);

}  // namespace simulator
