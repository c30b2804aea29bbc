// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/options.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>

namespace cofounder {

Scheduler::Options scheduler_options(const Config& config) {
  Scheduler::Options options;
  options.running_max = config.scheduler.running_max;
  options.queue_max = config.scheduler.queues;
  options.retention = config.scheduler.retention;
  options.retry.first = config.scheduler.retry_first;
  options.retry.most = config.scheduler.retry_most;
  return options;
}

SqliteOptions store_options(const Config& config) {
  SqliteOptions options;
  options.file =
      config.store.path.empty() ? config.paths.state / "cofounderd.db" : config.store.path;
  options.retry = scheduler_options(config).retry;
  return options;
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
