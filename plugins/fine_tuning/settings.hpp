// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dataset.hpp"

namespace fine_tuning {

// The gauge finetune_jobs{provider,status}: how many trainings are known, as `jobs` lists them.
class JobFigures {
 public:
  explicit JobFigures(cofounder::sdk::Host host);
  // A job as it is kept; it is counted until that is over.
  void note(const cofounder::sdk::Json& job, cofounder::sdk::WallTime now);

 private:
  using Kind = std::pair<std::string, std::string>;  // provider and status
  struct Known {
    Kind kind;
    std::int64_t until_ms;
  };
  void forget_old(std::int64_t now_ms);

  cofounder::sdk::Metric gauge_;
  std::set<Kind> kinds_;               // that there ever were
  std::map<std::string, Known> jobs_;  // by task
};

// What the configuration says; secrets are fetched when they are needed.
struct Settings {
  using Milliseconds = cofounder::sdk::Milliseconds;

  std::string openai_url = "https://api.openai.com/v1";
  std::string openai_organization;
  std::string openai_project;
  std::uint64_t openai_file_bytes_max = 512u << 20;  // in one request; larger ones go in parts
  std::uint64_t openai_part_bytes = 64u << 20;

  std::string ollama_url = "http://127.0.0.1:11434";

  std::string bedrock_url = "https://bedrock.us-west-2.amazonaws.com";
  std::string s3_url = "https://s3.us-west-2.amazonaws.com";
  std::string bedrock_region = "us-west-2";
  std::string bedrock_access_key_id;
  std::string bedrock_role_arn;
  std::string bedrock_s3_uri;  // "s3://bucket/folder": where datasets go, and what comes of them
  std::uint64_t s3_put_bytes_max = 100u << 20;  // in one request; larger ones go in parts
  std::uint64_t s3_part_bytes = 64u << 20;

  std::string vertex_url = "https://us-central1-aiplatform.googleapis.com";
  std::string vertex_token_url = "https://oauth2.googleapis.com/token";
  std::string storage_url = "https://storage.googleapis.com";
  std::string vertex_project;
  std::string vertex_location = "us-central1";
  std::string vertex_gcs_uri;  // "gs://bucket/folder"

  std::vector<std::string> local_command;
  std::map<std::string, std::string> local_environment;
  Milliseconds local_timeout{0};
  Milliseconds local_grace{10'000};
  std::uint64_t local_memory_bytes_max = 0;

  Milliseconds poll_first{10'000};
  Milliseconds poll_most{300'000};
  Milliseconds quick_timeout{30'000};
  Milliseconds idle_timeout{60'000};
  Milliseconds create_idle_timeout{600'000};  // between two lines of /api/create
  Milliseconds jobs_kept{30LL * 24 * 3600 * 1000};
  DatasetLimits dataset;
  std::uint64_t openai_examples_min = 10;

  std::shared_ptr<JobFigures> figures;  // null: nobody counts
};

// Throws Failed with code "invalid_config" for what the schema cannot check.
Settings read_settings(const cofounder::sdk::Json& config);

// Code "not_configured", naming the setting.
cofounder::sdk::Failure not_configured(std::string_view setting, std::string_view why);
// A secret without line ends, or why there is none.
cofounder::sdk::Result<std::string> read_secret(cofounder::sdk::Context ctx, const std::string& name);

// `command` with {dataset} and its like replaced.
std::vector<std::string> fill_in(const std::vector<std::string>& command,
                                 const std::map<std::string, std::string>& values);

// Printable characters without blanks, as names of models and the like are.
bool is_word(std::string_view text);

// "s3://bucket/folder/name" in its parts; false for what is none.
struct ObjectName {
  std::string bucket;
  std::string key;
};
bool read_object_uri(std::string_view scheme, std::string_view uri, ObjectName& name);

}  // namespace fine_tuning
