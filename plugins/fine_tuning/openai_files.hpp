// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "remote.hpp"

namespace fine_tuning {

// A request with the headers that every one has; why not when there is no key.
cofounder::sdk::Result<cofounder::sdk::HttpRequest> openai_request(cofounder::sdk::Context ctx,
                                                                   const Settings& settings,
                                                                   std::string method,
                                                                   const std::string& path);

// Datasets as files at OpenAI.  What is known of each stands in the job's state by its argument:
// {"name": as it is called there, "id"?, "upload"?, "parts"?[]}.
class OpenAiFiles {
 public:
  explicit OpenAiFiles(std::shared_ptr<const Settings> settings) : settings_{std::move(settings)} {}

  // Goes on where an earlier attempt stopped.
  cofounder::sdk::Task<cofounder::sdk::Result<void>> upload(cofounder::sdk::Context ctx, Job* job,
                                                            std::string argument);
  cofounder::sdk::Task<cofounder::sdk::Result<void>> remove_all(cofounder::sdk::Context ctx, Job* job);

 private:
  using Json = cofounder::sdk::Json;
  cofounder::sdk::Task<cofounder::sdk::Result<std::string>> find(cofounder::sdk::Context ctx,
                                                                 std::string name);
  cofounder::sdk::Task<cofounder::sdk::Result<std::string>> send_whole(cofounder::sdk::Context ctx,
                                                                       std::string name,
                                                                       const cofounder::sdk::File* file,
                                                                       std::uint64_t size);
  cofounder::sdk::Task<cofounder::sdk::Result<std::string>> send_parts(cofounder::sdk::Context ctx,
                                                                       Job* job, std::string argument,
                                                                       const cofounder::sdk::File* file,
                                                                       std::uint64_t size);
  cofounder::sdk::Task<cofounder::sdk::Result<Json>> post(cofounder::sdk::Context ctx, std::string path,
                                                          Json body);
  cofounder::sdk::Task<cofounder::sdk::Result<void>> remove(cofounder::sdk::Context ctx, std::string method,
                                                            std::string path);

  std::shared_ptr<const Settings> settings_;
};

}  // namespace fine_tuning
