// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/simulators/http_server.hpp"

// OpenAI's files, uploads and fine-tuning jobs, as strict as the real ones.  Sources: the OpenAPI
// document 2.3.0 and the official client 7.57, as of 2026-11-23.
namespace simulator {

struct OpenAiOptions {
  std::string key = "sk-test";
  int looks = 3;          // how often a job is asked for before it is over
  bool closed = false;    // to new jobs, as for most organizations
  bool failing = false;   // jobs fail
};

class OpenAiFineTuning {
 public:
  explicit OpenAiFineTuning(OpenAiOptions options) : options_{std::move(options)} {}
  Response handle(const Request& request);

  std::size_t files() const { return files_.size(); }
  std::size_t jobs() const { return jobs_.size(); }
  std::string status_of_last_job() const;

 private:
  using Json = nlohmann::json;
  using Query = std::map<std::string, std::string>;
  struct File {
    Json object;
    std::string content;
  };
  struct Upload {
    Json object;
    std::map<std::string, std::string> parts;
  };

  Response route(const Request& request, const std::vector<std::string>& words, const Query& query);
  Response files_route(const Request& request, const std::vector<std::string>& words, const Query& query);
  Response uploads_route(const Request& request, const std::vector<std::string>& words);
  Response jobs_route(const Request& request, const std::vector<std::string>& words, const Query& query);
  Response job_route(const Request& request, const std::vector<std::string>& words, const Query& query);
  Response create_file(const Request& request);
  Response complete(Upload& upload, const Json& body);
  Response create_job(const Json& body);
  Json add_file(std::string name, std::string content, const std::string& purpose);
  void move_on(Json& job);
  void tell(const std::string& job, const std::string& message, Json data);

  OpenAiOptions options_;
  std::mutex mutex_;  // for all below
  int next_ = 0;
  std::map<std::string, File> files_;
  std::map<std::string, Upload> uploads_;
  std::vector<Json> jobs_;
  std::map<std::string, int> looks_;
  std::map<std::string, std::vector<Json>> events_;
};

// ---- openai_finetune_checks.cpp

struct OpenAiWrong {
  std::string message;
  std::string param;
  int status = 400;
  std::string code = {};
};
Response openai_error(const OpenAiWrong& wrong);
std::optional<OpenAiWrong> check_job(const nlohmann::json& body);
std::optional<OpenAiWrong> check_upload(const nlohmann::json& body);

}  // namespace simulator
