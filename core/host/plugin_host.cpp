// SPDX-License-Identifier: Apache-2.0
#include "core/host/plugin_host.hpp"

#include "core/base/json.hpp"
#include "core/host/child_starter.hpp"
#include "core/host/disk_worker.hpp"
#include "core/host/files.hpp"
#include "core/host/fleet.hpp"
#include "core/host/identity.hpp"
#include "core/host/metric_registry.hpp"
#include "core/host/outcome.hpp"
#include "core/host/plugin_info.hpp"
#include "core/process/program.hpp"

#include <cassert>
#include <utility>

namespace cofounder {

std::string_view to_string(PluginState state) noexcept {
  switch (state) {
    case PluginState::loaded:
      return "loaded";
    case PluginState::starting:
      return "starting";
    case PluginState::ready:
      return "ready";
    case PluginState::draining:
      return "draining";
    case PluginState::stopped:
      return "stopped";
    case PluginState::failed:
      return "failed";
    case PluginState::quarantined:
      return "quarantined";
  }
  return "unknown";
}

struct PluginHost::State {
  State(Loop& the_loop, const Config& config, HostPorts the_ports, std::string version)
      : loop{the_loop},
        ports{std::move(the_ports)},
        files{config},
        programs{loop, loop.clock(), find_helper("cofounderd-reaper")},
        children{host::make_child_starter(loop, ports.groups)},
        world{.loop = loop,
              .ports = ports,
              .files = files,
              .metrics = metrics,
              .version = std::move(version),
              .public_url = config.http.public_url,
              .programs = &programs,
              .children = children.get()},
        fleet{world, config} {}
  // What is being written for a plugin counts against its limits, so it needs the world.
  ~State() { files.disk().stop(); }

  Loop& loop;
  HostPorts ports;
  Files files;
  MetricRegistry metrics;
  Programs programs;
  std::unique_ptr<host::ChildStarter> children;
  host::Instance::World world;
  host::Fleet fleet;
  std::string identity_plugin;

  struct Running {
    host::Lifecycle* life;
    std::shared_ptr<host::Call> call;
  };
  std::map<AttemptKey, Running> attempts;
  std::unordered_map<std::uint64_t, Running> routes;

  void fail_later(UniqueFunction<void(Outcome)> done, Error error) {
    Outcome outcome;
    outcome.error = std::move(error);
    loop.post([done = std::move(done), outcome = std::move(outcome)]() mutable {
      done(std::move(outcome));
    });
  }
};

namespace {

// Why a plugin does not take calls.
Error unavailable(const std::string& id, const host::Slot* slot) {
  if (slot == nullptr) {
    Error error = make_error("unknown_op", "there is no plugin \"" + id + "\"");
    error.plugin = id;
    return error;
  }
  const bool quarantined = slot->state() == PluginState::quarantined;
  Error error = make_error(quarantined ? "plugin_quarantined" : "plugin_unavailable",
                           "plugin \"" + id + "\" is " + std::string{to_string(slot->state())}, true);
  error.plugin = id;
  return error;
}

std::pair<std::string, std::string> split_op(std::string_view op) {
  const std::size_t dot = op.find('.');
  if (dot == std::string_view::npos) return {std::string{op}, {}};
  return {std::string{op.substr(0, dot)}, std::string{op.substr(dot + 1)}};
}

std::int32_t to_cof(CancelReason reason) noexcept {
  switch (reason) {
    case CancelReason::requested:
      return COF_CANCEL_REQUESTED;
    case CancelReason::deadline:
      return COF_CANCEL_DEADLINE;
    case CancelReason::stopping:
    case CancelReason::lease_lost:
      return COF_CANCEL_STOPPING;
  }
  return COF_CANCEL_REQUESTED;
}

}  // namespace

PluginHost::PluginHost(Loop& loop, const Config& config, HostPorts ports,
                       std::string daemon_version)
    : state_{std::make_unique<State>(loop, config, std::move(ports), std::move(daemon_version))} {
  state_->identity_plugin = config.http.identity;
  state_->world.identify = [this](const std::string& head,
                                  UniqueFunction<void(Result<std::string>)> done) {
    identify(head, std::move(done));
  };
  state_->fleet.on_change = [state = state_.get()] {
    if (state->ports.capacity_changed) state->ports.capacity_changed();
  };
}

PluginHost::~PluginHost() = default;

void PluginHost::start(UniqueFunction<void(std::optional<Error>)> done) {
  if (auto error = state_->files.open()) return done(std::move(error));
  state_->fleet.start(std::move(done));
}
void PluginHost::drain(UniqueFunction<void()> done) { state_->fleet.drain(std::move(done)); }
void PluginHost::stop(UniqueFunction<void(bool clean)> done) {
  state_->fleet.stop(std::move(done));
}
void PluginHost::reconfigure(const Config& config, UniqueFunction<void(std::optional<Error>)> done) {
  state_->fleet.reconfigure(
      config, [this, identity = config.http.identity,
               done = std::move(done)](std::optional<Error> error) mutable {
        if (!error) state_->identity_plugin = std::move(identity);
        done(std::move(error));
      });
}
void PluginHost::start_plugin(std::string id, UniqueFunction<void(std::optional<Error>)> done) {
  state_->fleet.start_plugin(id, std::move(done));
}
void PluginHost::stop_plugin(std::string id, UniqueFunction<void(std::optional<Error>)> done) {
  state_->fleet.stop_plugin(id, std::move(done));
}
void PluginHost::reload_plugin(std::string id, UniqueFunction<void(std::optional<Error>)> done) {
  state_->fleet.reload_plugin(id, std::move(done));
}
Files& PluginHost::files() noexcept { return state_->files; }

// ---- Attempts ------------------------------------------------------------------------------------

void PluginHost::start(ClaimedTask task, Mono deadline, UniqueFunction<void(Outcome)> done) {
  auto [id, name] = split_op(task.op);
  host::Slot* const slot = state_->fleet.find(id);
  if (slot == nullptr || !slot->ready()) {
    return state_->fail_later(std::move(done), unavailable(id, slot));
  }
  if (slot->manifest.find_operation(name) == nullptr) {
    Error error = make_error("unknown_op", "plugin \"" + id + "\" has no operation \"" + name + "\"");
    error.plugin = id;
    return state_->fail_later(std::move(done), std::move(error));
  }
  const auto call = std::make_shared<host::Call>();
  call->kind = COF_CALL_OPERATION;
  call->name = std::move(name);
  call->attempt = task.key;
  call->attempt_number = task.counted_attempt();
  call->attempts_max = task.attempts_max;
  call->args = std::move(task.args);
  call->task_id = to_string(task.key.task);
  call->checkpoint = std::move(task.checkpoint);
  call->deadline_ns = deadline.time_since_epoch().count();
  state_->attempts.emplace(task.key, State::Running{slot->life.get(), call});
  slot->life->caller().begin(
      call, [state = state_.get(), raw = call.get(), plugin = slot->id, key = task.key,
             done = std::move(done)](host::CallEnd end) mutable {
        state->attempts.erase(key);
        state->files.attempt_over(key.task, key.attempt);
        done(host::outcome_of(*raw, std::move(end), plugin));
      });
}

void PluginHost::cancel(AttemptKey attempt, CancelReason reason) {
  const auto it = state_->attempts.find(attempt);
  if (it == state_->attempts.end()) return;
  const State::Running running = it->second;  // may be over before cancel() returns
  running.life->caller().cancel(running.call, to_cof(reason));
}

std::map<std::string, int> PluginHost::capacity() const {
  std::map<std::string, int> capacity;
  for (const auto& [id, slot] : state_->fleet.slots()) {
    if (slot->ready()) capacity.emplace(id, slot->life->instance().config()->limits.calls_max);
  }
  return capacity;
}

const Manifest* PluginHost::manifest(std::string_view id) const noexcept {
  const host::Slot* const slot = std::as_const(state_->fleet).find(id);
  return slot != nullptr && slot->known ? &slot->manifest : nullptr;
}

const Manifest::Operation* PluginHost::find_operation(std::string_view op) const noexcept {
  const std::size_t dot = op.find('.');
  if (dot == std::string_view::npos) return nullptr;
  const Manifest* const found = manifest(op.substr(0, dot));
  return found == nullptr ? nullptr : found->find_operation(op.substr(dot + 1));
}

// ---- Routes and events ---------------------------------------------------------------------------

namespace {

// The end of a route's call, told to the client.
void answer(host::Call& call, host::CallEnd end, const std::string& plugin) {
  host::RouteSide& route = *call.route;
  if (end.status == COF_OK && call.cancel_reason == 0) {
    route.send_head(200, "application/json");
    if (!end.result.empty() && route.sink.piece) route.sink.piece(end.result);
    if (route.sink.end) route.sink.end(std::nullopt);
    return;
  }
  Error error = host::error_of(call, end, plugin);
  if (route.head_sent) {
    if (route.sink.end) route.sink.end(std::move(error));
    return;
  }
  std::int32_t status = end.status;
  if (call.cancel_reason == COF_CANCEL_DEADLINE) status = COF_ETIMEDOUT;
  if (call.cancel_reason == COF_CANCEL_STOPPING) status = COF_EUNAVAILABLE;
  json::Writer body;
  body.begin_object().member_raw("error", json::to_json(error)).end_object();
  route.send_head(host::http_status_of(status), "application/json");
  if (route.sink.piece) route.sink.piece(body.text());
  if (route.sink.end) route.sink.end(std::nullopt);
}

}  // namespace

std::uint64_t PluginHost::call_route(RouteCall request, RouteSink sink) {
  host::Slot* const slot = state_->fleet.find(request.plugin);
  const auto call = std::make_shared<host::Call>();
  call->kind = COF_CALL_ROUTE;
  call->name = std::move(request.route);
  call->args = std::move(request.head_json);
  call->body = std::move(request.body);
  call->route = std::make_unique<host::RouteSide>();
  call->route->sink = std::move(sink);
  if (slot == nullptr || !slot->ready()) {
    host::CallEnd end;
    end.status = COF_EUNAVAILABLE;
    Error why = unavailable(request.plugin, slot);
    end.code = slot == nullptr ? "plugin_unavailable" : std::move(why.code);
    end.message = std::move(why.message);
    state_->loop.post([call, end = std::move(end), id = request.plugin]() mutable {
      answer(*call, std::move(end), id);
    });
    return 0;
  }
  const Milliseconds deadline = slot->life->instance().config()->deadlines.route;
  const std::uint64_t number = slot->life->caller().begin(
      call, deadline,
      [state = state_.get(), raw = call.get(), id = slot->id](host::CallEnd end) mutable {
        state->routes.erase(raw->id);
        answer(*raw, std::move(end), id);
      });
  state_->routes.emplace(number, State::Running{slot->life.get(), call});
  return number;
}

void PluginHost::cancel_route(std::uint64_t number) {
  const auto it = state_->routes.find(number);
  if (it == state_->routes.end()) return;
  const State::Running running = it->second;
  running.life->caller().cancel(running.call, COF_CANCEL_REQUESTED);
}

void PluginHost::route_drained(std::uint64_t number) {
  const auto it = state_->routes.find(number);
  if (it == state_->routes.end()) return;
  host::RouteSide& route = *it->second.call->route;
  route.slow = false;
  if (route.on_drain) route.on_drain();
}

void PluginHost::identify(const std::string& head_json,
                          UniqueFunction<void(Result<std::string>)> done) {
  const std::string& plugin = state_->identity_plugin;
  const Manifest* const known = manifest(plugin);
  if (known == nullptr || !known->provides_identity) {
    Error error = make_error("identity_unavailable",
                             "no plugin here knows who is logged in", /*retryable=*/true);
    error.hint = "http.identity names \"" + plugin + "\", which is " +
                 (known == nullptr ? "not loaded" : "no provider of cof.identity/1");
    state_->loop.post([done = std::move(done), error = std::move(error)]() mutable {
      done(std::move(error));
    });
    return;
  }
  RouteCall call;
  call.plugin = plugin;
  call.route = "identify";
  call.head_json = host::identity_head(head_json);
  call_route(std::move(call), host::identity_sink(plugin, std::move(done)));
}

void PluginHost::deliver_event(std::string_view topic, std::string_view json) {
  for (const auto& [id, slot] : state_->fleet.slots()) {
    if (!slot->ready() || !slot->life->instance().subscribes(topic)) continue;
    if (slot->life->instance().api().invoke == nullptr) continue;
    const auto call = std::make_shared<host::Call>();
    call->kind = COF_CALL_EVENT;
    call->name = topic;
    call->args = json;
    const Milliseconds deadline = slot->life->instance().config()->deadlines.route;
    slot->life->caller().begin(call, deadline, [](host::CallEnd) {});
  }
}

// ---- What is shown -------------------------------------------------------------------------------

std::vector<PluginInfo> PluginHost::list() const {
  std::vector<PluginInfo> all;
  const auto http = state_->ports.http.counters();
  for (const auto& [id, slot] : state_->fleet.slots()) {
    all.push_back(host::info_of(*slot));
    if (const auto it = http.find(id); it != http.end()) all.back().http = it->second;
  }
  return all;
}

std::optional<PluginInfo> PluginHost::find(std::string_view id) const {
  const host::Slot* const slot = std::as_const(state_->fleet).find(id);
  if (slot == nullptr) return std::nullopt;
  PluginInfo info = host::info_of(*slot);
  const auto http = state_->ports.http.counters();
  if (const auto it = http.find(info.id); it != http.end()) info.http = it->second;
  return info;
}

std::optional<PluginWhy> PluginHost::why(std::string_view id) const {
  const host::Slot* const slot = std::as_const(state_->fleet).find(id);
  if (slot == nullptr) return std::nullopt;
  const auto& why = slot->life != nullptr && slot->life->why() ? slot->life->why() : slot->why;
  return why == nullptr ? std::nullopt : std::optional{*why};
}

CgroupStatus PluginHost::control_groups() const {
  return state_->ports.groups != nullptr ? state_->ports.groups->status() : CgroupStatus{};
}

std::string PluginHost::metrics_json() const {
  json::Writer writer;
  writer.begin_object().key("families").begin_array();
  state_->metrics.write(writer);
  if (state_->ports.core_metrics) state_->ports.core_metrics(writer);
  writer.end_array().end_object();
  return writer.take();
}

}  // namespace cofounder
