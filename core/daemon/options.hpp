// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/log.hpp"
#include "core/config/config.hpp"
#include "core/http/client.hpp"
#include "core/http/server.hpp"
#include "core/scheduler/scheduler.hpp"
#include "core/store/postgres_store.hpp"

// The configuration, part by part, as the parts want it.
namespace cofounder {

inline constexpr const char* version = COFOUNDER_VERSION;

Scheduler::Options scheduler_options(const Config& config);
// The store that the configuration asks for.
Stores make_store(Loop& loop, const Clock& clock, const Config& config);
SqliteOptions sqlite_options(const Config& config);
PostgresOptions postgres_options(const Config& config);
// What this daemon is called among those that share its store.
std::string node_name(const Config& config);
http::Client::Options client_options(const Config& config);
http::Server::Options server_options(const Config& config);
log::Options log_options(const Config& config);

// Limits and signals of this process, once, before anything else.
void prepare_process();

}  // namespace cofounder
