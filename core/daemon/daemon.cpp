// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/daemon.hpp"

#include <grp.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <cstdlib>
#include <system_error>
#include <utility>
#include <vector>

#include "core/base/log.hpp"
#include "core/base/loop.hpp"
#include "core/control/control.hpp"
#include "core/daemon/core_metrics.hpp"
#include "core/daemon/options.hpp"
#include "core/daemon/priced_usage.hpp"
#include "core/daemon/systemd.hpp"
#include "core/daemon/traffic_metrics.hpp"
#include "core/host/files.hpp"
#include "core/host/plugin_host.hpp"
#include "core/http/client.hpp"
#include "core/http/server.hpp"
#include "core/process/child_groups.hpp"
#include "core/scheduler/schedule.hpp"
#include "core/scheduler/scheduler.hpp"
#include "core/store/stores.hpp"

namespace cofounder {
namespace {

constexpr Milliseconds housekeeping_every{60'000};

// -1 when there is no such group: the socket is then its owner's only.
gid_t group_of(const std::string& name) {
  if (name.empty()) return static_cast<gid_t>(-1);
  const group* found = ::getgrnam(name.c_str());
  // That there is none was said when the configuration was read.
  return found != nullptr ? found->gr_gid : static_cast<gid_t>(-1);
}

}  // namespace

struct Daemon::State {
  State(Config config_, std::filesystem::path file_)
      : config{std::move(config_)}, file{std::move(file_)} {}

  Config config;
  std::filesystem::path file;

  Loop loop;
  Clock& clock = loop.clock();
  Stores stores = make_store(loop, clock, config);
  PricedUsage usage{stores.usage};
  TrafficMetrics traffic;
  http::Client client{loop, observed(client_options(config))};
  CoreMetrics metrics;
  ChildGroups groups{clock, find_delegated_root()};
  PluginHost plugins{loop, config, host_ports(), version};
  Scheduler scheduler{stores.tasks, plugins, clock, scheduler_options(config)};
  ScheduleEngine schedules{stores.schedules, clock,
                           [this](const Schedule& schedule) { return task_of(schedule); }};
  Control control{control_ports()};
  http::Server local{loop, server_options(config), control.local_handler()};
  http::Server open{loop, server_options(config), control.public_handler()};
  boost::asio::signal_set signals{loop.context()};

  int exit_code = 0;
  bool started = false;
  bool stopping = false;
  bool reloading = false;

  // ---- how the parts know each other ------------------------------------------------------

  HostPorts host_ports() {
    HostPorts ports{stores.tasks, stores.values, usage, client, {}, {}, {}, {}, {}, {}, {}, &groups};
    ports.submit = [this](NewTask task, TaskStore::Done<Submitted> done) {
      submit_for_plugin(std::move(task), std::move(done));
    };
    ports.cancel = [this](TaskId task, TaskStore::Done<CancelResult> done) {
      scheduler.cancel(task, std::move(done));
    };
    ports.progress = [this](AttemptKey attempt, double fraction, std::string text) {
      scheduler.progress(attempt, fraction, std::move(text));
    };
    ports.output = [this](AttemptKey attempt, std::string text) {
      scheduler.output(attempt, std::move(text));
    };
    ports.publish = [this](std::string topic, std::string json) {
      control.publish(std::move(topic), std::move(json));
    };
    ports.capacity_changed = [this] { scheduler.capacity_changed(); };
    ports.core_metrics = [this](json::Writer& out) {
      metrics.write(out, {scheduler, plugins, client, traffic, usage, clock});
    };
    return ports;
  }

  http::Client::Options observed(http::Client::Options options) {
    options.observe = [this](const http::Client::Seen& seen) { traffic.observe(seen); };
    return options;
  }

  ControlPorts control_ports() {
    return ControlPorts{loop,
                        scheduler,
                        stores.tasks,
                        schedules,
                        plugins,
                        config,
                        version, node_name(config),
                        [this](UniqueFunction<void(std::optional<Error>)> done) {
                          reload(std::move(done));
                        },
                        [this] { return config.store.kind; },
                        [this] { return scheduler.store_problem(); },
                        [this](std::string_view method, std::string_view route, int status,
                               Nanoseconds took) { traffic.answered(method, route, status, took); },
                        stores.nodes, stores.upkeep};
  }

  void submit_for_plugin(NewTask task, TaskStore::Done<Submitted> done) {
    auto complete = control.complete_task(std::move(task));
    if (!complete) {
      done(complete.error());
      return;
    }
    std::vector<NewTask> tasks;
    tasks.push_back(std::move(*complete));
    scheduler.submit(std::move(tasks), [done = std::move(done)](auto answer) mutable {
      if (!answer) {
        done(answer.error());
      } else {
        done((*answer)[0]);
      }
    });
  }

  Result<NewTask> task_of(const Schedule& schedule) {
    NewTask task;
    task.op = schedule.op;
    task.args = schedule.args;
    task.queue = schedule.queue;
    task.priority = schedule.priority;
    task.timeout = schedule.timeout;
    task.attempts_max = schedule.attempts_max;
    task.schedule = schedule.name;
    task.submitter = "schedule:" + schedule.name;
    return control.complete_task(std::move(task));
  }

  // ---- start ------------------------------------------------------------------------------

  void start() {
    usage.take_prices(config);
    groups.open();
    log::info(groups.text());
    scheduler.observe([this](const Scheduler::Event& event) { observe(event); });
    scheduler.start([this](auto opened) {
      if (!opened) {
        fail(opened.error());
        return;
      }
      if (opened->recovered > 0) {
        log::warning(std::to_string(opened->recovered) +
                     " attempts were running when the daemon died; they are tried again");
      }
      if (opened->unreadable > 0) {
        log::error(std::to_string(opened->unreadable) +
                   " tasks failed with \"record_unreadable\": their rows in the store make no sense");
      }
      start_plugins();
    });
  }

  // A daemon that died between the end of a task and the removal of its files left them.
  void forget_files_of_finished_tasks() {
    for (const TaskId task : plugins.files().tasks()) {
      stores.tasks.get(task, [this, task](Result<std::optional<TaskRecord>> found) {
        if (!found) return;  // the store is away: at the next start
        if (!*found || is_over((*found)->state)) plugins.files().task_over(task);
      });
    }
  }

  void start_plugins() {
    plugins.start([this](std::optional<Error> error) {
      if (error) {
        fail(*error);
        return;
      }
      scheduler.capacity_changed();
      forget_files_of_finished_tasks();
      schedules.start([this](auto count) {
        if (!count) {
          fail(count.error());
        } else {
          listen();
        }
      });
    });
  }

  void listen() {
    try {
      bool has_control = false;
      for (const systemd::Socket& socket : systemd::take_sockets()) {
        const bool is_control = socket.name != "http";
        (is_control ? local : open).listen_descriptor(socket.descriptor);
        has_control = has_control || is_control;
      }
      if (!has_control) {
        const auto mode = static_cast<mode_t>(std::stoul(config.control.mode, nullptr, 8));
        const gid_t group = group_of(config.control.group);
        local.listen_unix(config.control.socket,
                          group == static_cast<gid_t>(-1) ? mode & 0700 : mode, group);
      }
      for (const std::string& address : config.http.listen) {
        const auto port = open.listen_tcp(address);
        log::info("public routes on " + address + " (port " + std::to_string(port) + ")");
      }
    } catch (const std::system_error& error) {
      fail(make_error("cannot_listen", error.what()));
      return;
    }
    started = true;
    housekeeping();
    if (const auto interval = systemd::watchdog_interval()) feed_watchdog(*interval);
    systemd::notify_ready(status());
    log::info("ready: " + status());
  }

  std::string status() const {
    std::size_t ready = 0, all = 0;
    for (const PluginInfo& plugin : plugins.list()) {
      ++all;
      ready += plugin.state == PluginState::ready;
    }
    return std::to_string(ready) + "/" + std::to_string(all) + " plugins ready, " +
           std::to_string(scheduler.running_count()) + " tasks running";
  }

  void fail(const Error& error) {
    log::error("cannot start: " + error.message + (error.hint.empty() ? "" : "; " + error.hint),
               {{"COF_PLUGIN", error.plugin}});
    exit_code = 1;
    stop();
  }

  // ---- while it runs ----------------------------------------------------------------------

  void observe(const Scheduler::Event& event) {
    metrics.observe(event);
    if (event.kind == Scheduler::Event::Kind::ended) plugins.files().task_over(event.task);
  }

  void housekeeping() {
    clock.call_after(housekeeping_every, [this] {
      if (stopping) return;
      plugins.files().expire_uploads(clock.now());
      systemd::notify_status(status());
      housekeeping();
    });
  }

  // Fed only while the loop turns and the scheduler gets its answers: each sign of life has gone
  // through both and through the store.
  void feed_watchdog(Milliseconds interval) {
    scheduler.heartbeat([] { systemd::notify_watchdog(); });
    clock.call_after(interval, [this, interval] { feed_watchdog(interval); });
  }

  void reload(UniqueFunction<void(std::optional<Error>)> done) {
    if (reloading || !started || stopping) {
      done(make_error("busy", "the daemon is starting, reloading or stopping", true));
      return;
    }
    ConfigErrors errors;
    auto fresh = load_config(file, errors);
    if (!fresh) {
      std::string text;
      for (const std::string& line : errors.lines) text += (text.empty() ? "" : "\n") + line;
      done(make_error("invalid_config", text));
      return;
    }
    for (const std::string& line : errors.warnings) log::warning(line);
    reloading = true;
    systemd::notify_reloading();
    // Apart from the handler: the host still reads it when the handler is made.
    const auto next = std::make_shared<Config>(std::move(*fresh));
    plugins.reconfigure(*next, [this, next,
                                done = std::move(done)](std::optional<Error> error) mutable {
      reloading = false;
      if (!error) {
        config = std::move(*next);
        log::set_level(log_options(config).level);
        scheduler.set_options(scheduler_options(config));
        control.access_changed();
        usage.take_prices(config);
        log::info("the configuration was reloaded");
      } else {
        log::error("the configuration was not reloaded: " + error->message,
                   {{"COF_PLUGIN", error->plugin}});
      }
      systemd::notify_ready(status());
      done(std::move(error));
    });
  }

  void wait_for_signal() {
    signals.async_wait([this](const boost::system::error_code& error, int number) {
      if (error) return;
      if (number == SIGHUP) {
        reload([](const std::optional<Error>& problem) {
          if (problem) log::error("reload: " + problem->message);
        });
      } else {
        log::info(number == SIGTERM ? "SIGTERM: stopping" : "SIGINT: stopping");
        stop();
      }
      wait_for_signal();
    });
  }

  // ---- stop -------------------------------------------------------------------------------

  void stop() {
    if (std::exchange(stopping, true)) return;
    systemd::notify_stopping();
    clock.call_after(config.stop_timeout, [] {
      log::error("the daemon did not stop in time; it ends now, running tasks are tried again");
      log::close();
      ::_exit(EXIT_FAILURE);
    });
    schedules.stop();
    // Half of the time is for tasks to end by themselves; then they are cancelled.
    auto drained = std::make_shared<bool>(false);
    const auto go_on = [this, drained] {
      if (!std::exchange(*drained, true)) stop_tasks();
    };
    clock.call_after(config.stop_timeout / 2, go_on);
    scheduler.drain(go_on);
  }

  void stop_tasks() {
    const auto grace = config.stop_timeout / 10;
    control.end_streams();
    // Who has asked gets an answer, if only "store_unavailable".
    auto left = std::make_shared<int>(3);
    const auto part_stopped = [this, left] {
      if (--*left == 0) stop_plugins();
    };
    local.stop(grace, part_stopped);
    open.stop(grace, part_stopped);
    scheduler.stop(part_stopped);
  }

  void stop_plugins() {
    plugins.drain([this] {
      plugins.stop([this](bool clean) {
        const int connections = client.close();
        log::info("stopped; closed " + std::to_string(connections) +
                  " connections that plugins had opened");
        if (!clean) {
          // The store is closed: nothing that was acknowledged is lost.
          log::error("a plugin still holds a thread; ending without it");
          log::close();
          ::_exit(exit_code);
        }
        loop.stop();
      });
    });
  }
};

Daemon::Daemon(Config config, std::filesystem::path file) {
  log::open(log_options(config));
  prepare_process();
  state_ = std::make_unique<State>(std::move(config), std::move(file));
}

Daemon::~Daemon() {
  state_.reset();
  log::close();
}

int Daemon::run() {
  State& state = *state_;
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) state.signals.add(number);
  state.wait_for_signal();
  state.loop.post([&state] { state.start(); });
  state.loop.run();
  return state.exit_code;
}

}  // namespace cofounder
