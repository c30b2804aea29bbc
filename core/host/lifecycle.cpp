// SPDX-License-Identifier: Apache-2.0
#include "core/host/lifecycle.hpp"

#include "core/base/log.hpp"
#include "core/host/border.hpp"
#include "core/host/disk_worker.hpp"
#include "core/host/metric_registry.hpp"
#include "core/host/outcome.hpp"
#include "core/host/proxy.hpp"

#include <utility>

namespace cofounder::host {

namespace {

// Instances live until the process ends, for a plugin may keep its cof_host; from here leak
// checkers see them.
Instance* keep_for_ever(std::unique_ptr<Instance> instance) {
  static auto* const instances = new std::vector<std::unique_ptr<Instance>>;
  instances->push_back(std::move(instance));
  return instances->back().get();
}

}  // namespace

Lifecycle::Lifecycle(Instance::World& world, Manifest manifest,
                     std::shared_ptr<const PluginConfig> config, Instance::Isolation isolation)
    : world_{world},
      instance_{keep_for_ever(
          std::make_unique<Instance>(world, std::move(manifest), config, isolation))},
      config_{std::move(config)} {
  caller_ = std::make_unique<Caller>(*instance_, [this](const Error& why) {
    state_ = isolated() ? PluginState::failed : PluginState::quarantined;
    last_error_ = why;
    keep_why(why);
    log::error(why.message, {{"COF_PLUGIN", instance_->id()}});
    if (isolated()) instance_->proxy()->end(why, /*politely=*/true);
    if (on_given_up) on_given_up();
  });
  if (isolated()) watch_process();
}

void Lifecycle::watch_process() {
  Proxy& proxy = *instance_->proxy();
  proxy.on_lost = [this](const Error& why, int signal) {
    lost_signal_ = signal;
    caller_->give_up(why, COF_ECRASHED);
  };
  proxy.on_gone = [this](int signal, std::optional<CrashReport> report) {
    if (why_ == nullptr) return;
    why_->signal = signal;
    if (report) keep_report(*report);
  };
}

// Reads the symbols of libraries, so not on the loop.
void Lifecycle::keep_report(const CrashReport& report) {
  world_.files.disk().run([why = why_, report, instance = instance_, library = library_,
                           shown = instance_->id() + ".so"] {
    instance->post([why, text = to_text(report, library, shown)] { why->backtrace = text; });
  });
}

Lifecycle::~Lifecycle() {
  *alive_ = false;
  caller_->close();
  instance_->set_gone();
  instance_->detach();
  if (isolated()) {
    instance_->proxy()->on_lost = nullptr;
    instance_->proxy()->close();
    instance_->workers().close();
  } else if (!closed_ && !caller_->given_up()) {
    instance_->workers().abandon();
  }
  instance_->on_over = nullptr;
  instance_->on_no_operations = nullptr;
}

void Lifecycle::keep_why(const Error& error) {
  PluginWhy why;
  why.when = world_.loop.clock().now();
  why.code = error.code;
  why.what = error.message;
  why.signal = lost_signal_;
  for (const auto& call : instance_->calls().all()) {
    if (call->stage != Call::entered) continue;
    std::string text = name_of(*call);
    if (!call->task_id.empty()) {
      text += " of task " + call->task_id + ", attempt " + std::to_string(call->attempt_number);
    }
    why.calls.push_back(std::move(text));
  }
  why.lines = instance_->log_tail().lines();
  if (why_ != nullptr && why_->code == why.code && why_->what == why.what) return;  // said before
  why_ = std::make_shared<PluginWhy>(std::move(why));
}

bool Lifecycle::stuck() const noexcept { return instance_->workers().stuck(); }

int Lifecycle::pid() const noexcept { return isolated() ? instance_->proxy()->pid() : 0; }

const PluginConfig::Deadlines& Lifecycle::deadlines() const { return config_->deadlines; }

void Lifecycle::hook(int kind, const char* name, Milliseconds deadline, Workers::Order order,
                     Enter enter, Done done, std::shared_ptr<const PluginConfig> candidate) {
  auto call_done = [this, name, done = std::move(done)](CallEnd end) mutable {
    if (caller_->given_up()) return done(last_error_);
    if (end.status == COF_OK) return done(std::nullopt);
    Call call;  // for the words only
    call.name = name;
    Error error = error_of(call, end, instance_->id());
    error.message = "plugin \"" + instance_->id() + "\", " + name + ": " + error.message;
    done(std::move(error));
  };
  caller_->hook(kind, name, deadline, order, std::move(candidate), std::move(enter),
                std::move(call_done));
}

void Lifecycle::create(Done done) {
  hook(COF_CALL_CREATE, "create", deadlines().create, Workers::Order::exclusive,
       [instance = instance_](const cof_call& call) {
         return instance->api().create(instance->border(), &call, &instance->self);
       },
       [this, done = std::move(done)](std::optional<Error> error) mutable {
         created_ = !error;
         done(std::move(error));
       });
}

void Lifecycle::configure(int phase, const char* name, std::shared_ptr<const PluginConfig> config,
                          Done done) {
  if (instance_->api().configure == nullptr) {
    world_.loop.post([done = std::move(done), alive = alive_]() mutable {
      if (*alive) done(std::nullopt);
    });
    return;
  }
  const auto order = phase == COF_CONFIGURE_APPLY ? Workers::Order::exclusive
                                                  : Workers::Order::begins;
  hook(COF_CALL_CONFIGURE, name, deadlines().configure, order,
       [instance = instance_, phase, config](const cof_call& call) {
         cof_configuration configuration{};
         configuration.struct_size = sizeof configuration;
         configuration.phase = phase;
         configuration.json = to_cof(config->settings);
         return instance->api().configure(instance->self, &call, &configuration);
       },
       std::move(done), config);
}

void Lifecycle::check(std::shared_ptr<const PluginConfig> config, Done done) {
  configure(COF_CONFIGURE_CHECK, "configure (check)", std::move(config), std::move(done));
}

void Lifecycle::apply(std::shared_ptr<const PluginConfig> config, Done done) {
  configure(COF_CONFIGURE_APPLY, "configure (apply)", config,
            [this, config, done = std::move(done)](std::optional<Error> error) mutable {
              if (!error) {
                instance_->apply_config(config);
                config_ = config;
              }
              done(std::move(error));
            });
}

void Lifecycle::start(Done done) {
  auto started = [this, done = std::move(done)](std::optional<Error> error) mutable {
    if (!error && state_ == PluginState::starting) {
      started_ = true;
      state_ = PluginState::ready;
    }
    done(std::move(error));
  };
  if (instance_->api().start == nullptr) {
    world_.loop.post([started = std::move(started), alive = alive_]() mutable {
      if (*alive) started(std::nullopt);
    });
    return;
  }
  hook(COF_CALL_START, "start", deadlines().start, Workers::Order::exclusive,
       [instance = instance_](const cof_call& call) {
         return instance->api().start(instance->self, &call);
       },
       std::move(started));
}

void Lifecycle::probe(Done done) {
  if (instance_->api().probe == nullptr) {
    world_.loop.post([done = std::move(done), alive = alive_]() mutable {
      if (*alive) done(std::nullopt);
    });
    return;
  }
  hook(COF_CALL_PROBE, "probe", deadlines().probe, Workers::Order::begins,
       [instance = instance_](const cof_call& call) {
         return instance->api().probe(instance->self, &call);
       },
       std::move(done));
}

void Lifecycle::drain(bool bounded, Done done) {
  if (state_ != PluginState::ready && state_ != PluginState::draining) {
    world_.loop.post([done = std::move(done), alive = alive_]() mutable {
      if (*alive) done(std::nullopt);
    });
    return;
  }
  const bool first = std::exchange(state_, PluginState::draining) == PluginState::ready;
  if (bounded) {
    world_.loop.clock().call_after(deadlines().drain, [this, alive = alive_] {
      if (*alive && !closed_) caller_->cancel_all(COF_CANCEL_STOPPING);
    });
  }
  auto hook_over = [this, done = std::move(done)](std::optional<Error> error) mutable {
    if (error) last_error_ = error;
    caller_->when_idle([done = std::move(done), error = std::move(error)]() mutable {
      done(std::move(error));
    });
  };
  if (!first || instance_->api().drain == nullptr) return hook_over(std::nullopt);
  hook(COF_CALL_DRAIN, "drain", deadlines().drain, Workers::Order::begins,
       [instance = instance_](const cof_call& call) {
         return instance->api().drain(instance->self, &call);
       },
       std::move(hook_over));
}

void Lifecycle::stop(Done done) {
  if (closed_) {
    world_.loop.post([done = std::move(done), alive = alive_]() mutable {
      if (*alive) done(std::nullopt);
    });
    return;
  }
  stop_waiters_.push_back(std::move(done));
  if (stop_waiters_.size() > 1) return;
  if (caller_->given_up()) {
    world_.loop.post([this, alive = alive_] {
      if (*alive) close(std::nullopt);
    });
    return;
  }
  state_ = PluginState::draining;
  caller_->cancel_all(COF_CANCEL_STOPPING, true);
  caller_->when_idle([this] { enter_stop(); });
}

void Lifecycle::enter_stop() {
  if (caller_->given_up()) return close(last_error_);
  auto stopped = [this](std::optional<Error> error) {
    if (error) last_error_ = error;
    if (caller_->given_up()) return close(std::move(error));
    end_operations();
  };
  if (!created_ || !std::exchange(started_, false) || instance_->api().stop == nullptr) {
    return stopped(std::nullopt);
  }
  hook(COF_CALL_STOP, "stop", deadlines().stop, Workers::Order::exclusive,
       [instance = instance_](const cof_call& call) {
         return instance->api().stop(instance->self, &call);
       },
       std::move(stopped));
}

// Every accepted tag gets its last reply before destroy() is entered, or that is never entered.
void Lifecycle::end_operations() {
  const auto ended = std::make_shared<bool>(false);
  const auto once = [this, ended, alive = alive_](bool all_replied) {
    if (!*alive || std::exchange(*ended, true)) return;
    if (all_replied) return destroy();
    log::warning("plugin is not destroyed: a host service still owes it replies",
                 {{"COF_PLUGIN", instance_->id()}});
    close(std::nullopt);
  };
  instance_->end_own_call();
  if (instance_->operations_open() == 0) return once(true);
  instance_->on_no_operations = [once] { once(true); };
  world_.loop.clock().call_after(deadlines().stop, [once] { once(false); });
}

void Lifecycle::destroy() {
  if (!std::exchange(created_, false)) return close(std::nullopt);
  hook(COF_CALL_STOP, "destroy", deadlines().stop, Workers::Order::exclusive,
       [instance = instance_](const cof_call&) {
         instance->api().destroy(instance->self);
         return std::int32_t{COF_OK};
       },
       [this](std::optional<Error> error) { close(std::move(error)); });
}

void Lifecycle::close(std::optional<Error> error) {
  if (error) {
    last_error_ = error;
    // Its workers are not free, or it never let go: they cannot be waited for.
    if (!caller_->given_up()) caller_->give_up(*error);
  }
  if (isolated()) instance_->proxy()->finish();
  closed_ = true;
  caller_->close();
  instance_->set_gone();
  if (!replaced_) world_.metrics.remove_owner(instance_->id());
  if (isolated() || !caller_->given_up()) instance_->workers().close();
  if (!caller_->given_up()) state_ = PluginState::stopped;
  auto stopped = [this, error = std::move(error)] {
    for (Done& done : std::exchange(stop_waiters_, {})) done(error);
  };
  if (!isolated()) return stopped();
  instance_->proxy()->when_gone(std::move(stopped));
}

}  // namespace cofounder::host
