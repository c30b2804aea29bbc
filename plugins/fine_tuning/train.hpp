// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "remote.hpp"

namespace fine_tuning {

// Null for a provider that does not train by itself.
std::shared_ptr<Remote> make_remote(const std::string& provider,
                                    std::shared_ptr<const Settings> settings);

// Checks a dataset and, when it is there, the one for validation against it.
cofounder::sdk::Task<cofounder::sdk::Result<std::uint64_t>> check_datasets(
    cofounder::sdk::Context ctx, std::shared_ptr<const Settings> settings,
    cofounder::sdk::Json args, Format format);

// One task is one job at the provider: uploads, looks, creates, and comes back later until it is
// over.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> train_there(
    cofounder::sdk::Context ctx, std::shared_ptr<const Settings> settings,
    std::shared_ptr<Remote> remote, cofounder::sdk::Json args);

// Trains by the program of the configuration, or takes a ready adapter; Ollama gets what comes of it.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> train_here(
    cofounder::sdk::Context ctx, std::shared_ptr<const Settings> settings,
    cofounder::sdk::Json args);

// Ends at their providers what belongs to tasks that are over: one of them, or with an empty id all.
cofounder::sdk::Task<void> settle(cofounder::sdk::Context ctx,
                                  std::shared_ptr<const Settings> settings, std::string task);

// The jobs that are kept, newest first, perhaps of one provider only.
cofounder::sdk::Task<cofounder::sdk::Result<cofounder::sdk::Json>> list_jobs(
    cofounder::sdk::Context ctx, std::string provider);

// A job before anything was done for it, or what an earlier attempt saved.
Job open_job(cofounder::sdk::Context ctx, const cofounder::sdk::Json& args);

}  // namespace fine_tuning
