// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.hpp>

#include <memory>
#include <optional>
#include <string>

#include "dataset.hpp"
#include "settings.hpp"

namespace fine_tuning {

// A training, as it is kept: {"task", "provider", "base_model", "status", "created_at", "args",
// "state": what the provider's side needs to go on, "provider_job_id"?, "model"?, ...}.
using Job = cofounder::sdk::Json;

// Saves the job for a later attempt and for `jobs`; answers when it is on disk.
cofounder::sdk::Task<cofounder::sdk::Result<void>> save(cofounder::sdk::Context ctx, Job* job,
                                                        std::shared_ptr<const Settings> settings);
// The same outside of an attempt.
cofounder::sdk::Task<cofounder::sdk::Result<void>> keep(cofounder::sdk::Context ctx, Job* job,
                                                        std::shared_ptr<const Settings> settings);

// What a provider says about a job.
struct JobView {
  enum class State { running, succeeded, failed, cancelled };
  State state = State::running;
  std::string id;
  std::string text;       // for people
  double fraction = -1;   // negative: unknown
  std::string model;      // when it succeeded
  std::string reason;     // when it did not
  std::optional<std::int64_t> trained_tokens;
  cofounder::sdk::Json more = cofounder::sdk::Json::object();  // goes into the result
};

// A provider that trains by itself.  Whatever it does may be done again after a crash: it looks
// before it creates.
class Remote {
 public:
  virtual ~Remote() = default;
  virtual Format format(const cofounder::sdk::Json& args) const = 0;
  // Says what is wrong with settings and args before anything is sent.
  virtual cofounder::sdk::Result<void> check(cofounder::sdk::Context ctx,
                                             const cofounder::sdk::Json& args) const = 0;
  // Brings the datasets there.
  virtual cofounder::sdk::Task<cofounder::sdk::Result<void>> upload(cofounder::sdk::Context ctx,
                                                                    Job* job) = 0;
  // The job that an earlier attempt created, or nothing.
  virtual cofounder::sdk::Task<cofounder::sdk::Result<std::optional<std::string>>> find(
      cofounder::sdk::Context ctx, Job* job) = 0;
  virtual cofounder::sdk::Task<cofounder::sdk::Result<std::string>> create(
      cofounder::sdk::Context ctx, Job* job) = 0;
  virtual cofounder::sdk::Task<cofounder::sdk::Result<JobView>> look(cofounder::sdk::Context ctx,
                                                                     Job* job) = 0;
  virtual cofounder::sdk::Task<cofounder::sdk::Result<void>> cancel(cofounder::sdk::Context ctx,
                                                                    Job* job) = 0;
  // Deletes what upload() left there.
  virtual cofounder::sdk::Task<cofounder::sdk::Result<void>> clean(cofounder::sdk::Context ctx,
                                                                   Job* job) = 0;
};

std::shared_ptr<Remote> make_openai(std::shared_ptr<const Settings> settings);
std::shared_ptr<Remote> make_bedrock(std::shared_ptr<const Settings> settings);
std::shared_ptr<Remote> make_vertex(std::shared_ptr<const Settings> settings);

}  // namespace fine_tuning
