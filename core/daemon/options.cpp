// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/options.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

namespace cofounder {

Scheduler::Options scheduler_options(const Config& config) {
  Scheduler::Options options;
  options.running_max = config.scheduler.running_max;
  options.queue_max = config.scheduler.queues;
  options.queue_shared_max = config.scheduler.cluster_queues;
  if (config.store.kind == "sqlite") {
    // This node is all of them.
    for (const auto& [name, most] : config.scheduler.cluster_queues) {
      const auto [own, is_new] = options.queue_max.emplace(name, most);
      if (!is_new) own->second = std::min(own->second, most);
    }
  }
  options.retention = config.scheduler.retention;
  options.retry.first = config.scheduler.retry_first;
  options.retry.most = config.scheduler.retry_most;
  return options;
}

std::string node_name(const Config& config) {
  if (!config.store.node.empty()) return config.store.node;
  // Alone with its file it needs no name.
  if (config.store.kind == "sqlite") return "local";
  std::array<char, 65> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

SqliteOptions sqlite_options(const Config& config) {
  SqliteOptions options;
  options.file =
      config.store.path.empty() ? config.paths.state / "cofounderd.db" : config.store.path;
  options.node = node_name(config);
  options.retry = scheduler_options(config).retry;
  return options;
}

PostgresOptions postgres_options(const Config& config) {
  PostgresOptions options;
  options.dsn = config.store.dsn;
  if (!config.store.password_credential.empty()) {
    const SecretSource source{SecretSource::Kind::credential, config.store.password_credential};
    options.password = [source] { return read_secret(source); };
  }
  options.schema = config.store.schema;
  options.node = node_name(config);
  options.version = version;
  // What runs is cancelled, and has ended a little after the grace.
  Milliseconds ending = PluginConfig::Deadlines{}.grace;
  for (const auto& [id, plugin] : config.plugin) ending = std::max(ending, plugin.deadlines.grace);
  ending += Milliseconds{1'000};
  options.end_claims_after =
      std::clamp(options.lease - ending, 2 * options.beat_every, options.end_claims_after);
  options.prepare = config.store.prepare == "on"    ? PostgresPrepare::on
                    : config.store.prepare == "off" ? PostgresPrepare::off
                                                    : PostgresPrepare::automatic;
  options.connections_max = config.store.connections_max;
  options.retry = scheduler_options(config).retry;
  return options;
}

Stores make_store(Loop& loop, const Clock& clock, const Config& config) {
  if (config.store.kind == "postgres") {
    return make_postgres_store(loop, clock, postgres_options(config));
  }
  return make_sqlite_store(loop, clock, sqlite_options(config));
}

http::Client::Options client_options(const Config& config) {
  http::Client::Options options;
  options.ca_file = config.http.ca_file;
  // Each request says how many its plugin may have to a host; in all there must be room for that.
  for (const auto& [id, plugin] : config.plugin) {
    options.connections_max =
        std::max(options.connections_max, plugin.limits.http_connections_per_host_max);
  }
  options.user_agent = std::string{"cofounderd/"} + version;
  return options;
}

http::Server::Options server_options(const Config& config) {
  http::Server::Options options;
  options.body_bytes_max = config.control.body_bytes_max;
  options.connections_max = config.control.connections_max;
  options.server_name = "cofounderd";
  return options;
}

log::Options log_options(const Config& config) {
  log::Options options;
  options.target = config.log.target == "journal"  ? log::Options::Target::journal
                   : config.log.target == "stderr" ? log::Options::Target::standard_error
                                                   : log::Options::Target::automatic;
  options.level = config.log.level == "debug"     ? log::Level::debug
                  : config.log.level == "warning" ? log::Level::warning
                  : config.log.level == "error"   ? log::Level::error
                                                  : log::Level::info;
  return options;
}

void prepare_process() {
  // Secrets stay out of core dumps, and a closed connection is an error, not a signal.
  rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
  // Thousands of connections at once are normal work: take what the hard limit allows.
  rlimit files{};
  if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
  }
  ::signal(SIGPIPE, SIG_IGN);
}

}  // namespace cofounder
