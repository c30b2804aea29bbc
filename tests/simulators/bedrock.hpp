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
  std::size_t part_bytes_min = 5u << 20;  // of an upload in parts, but for the last
};

class Bedrock {
 public:
  explicit Bedrock(BedrockOptions options) : options_{std::move(options)} {}
  Response handle(const Request& request);
  std::size_t open_uploads() const { return uploads_.size(); }
  const std::map<std::string, std::string>& objects() const { return objects_; }

 private:
  using Json = nlohmann::json;
  Response object_route(const Request& request);
  Response bucket_route(const Request& request, const std::string& bucket) const;
  Response upload_route(const Request& request, const std::string& name);
  Response complete(const Request& request, const std::string& name, const std::string& id);
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
  struct Upload {
    std::string name;
    std::map<int, std::string> parts;
  };
  std::map<std::string, Upload> uploads_;  // in parts, by their ids
  int uploads_begun_ = 0;
  std::vector<Json> jobs_;
  std::map<std::string, int> looks_;  // by ARN
};

// ---- s3_uploads.cpp

Response s3_error(const Request& request, int status, const std::string& code, const std::string& message);
std::string s3_etag(const std::string& object);
// The parts that a body of CompleteMultipartUpload names, with their ETags; nothing for another body.
std::optional<std::vector<std::pair<int, std::string>>> parse_parts(const std::string& xml);

// ---- bedrock_checks.cpp

// Why a body of CreateModelCustomizationJob is refused: the error's type and message.
struct BedrockWrong {
  std::string type;
  std::string message;
};
std::optional<BedrockWrong> check_customization(const nlohmann::json& body);

}  // namespace simulator
