// SPDX-License-Identifier: Apache-2.0
#include "tests/control/fake_plugin_host.hpp"

#include "core/host/files.hpp"

#include <stdexcept>

namespace cofounder {

namespace {

test::FakePlugins* newest = nullptr;

}  // namespace

namespace test {

FakePlugins& fake_plugins() { return *newest; }

FakePlugins::Plugin& FakePlugins::add(std::string id) {
  Plugin& plugin = plugins[id];
  plugin.info.id = plugin.manifest.id = id;
  plugin.info.version = plugin.manifest.version = "1.2.3";
  plugin.info.state = PluginState::ready;
  plugin.info.isolation = "in-process";
  return plugin;
}

Manifest::Operation& FakePlugins::add_operation(Plugin& plugin, std::string name,
                                                std::string args_schema) {
  Manifest::Operation operation;
  operation.name = std::move(name);
  operation.summary = "Does " + operation.name;
  operation.args_json = args_schema;
  const auto document = json::parse(args_schema);
  operation.args = json::Schema::compile(document->root()).value();
  plugin.manifest.operations.push_back(std::move(operation));
  return plugin.manifest.operations.back();
}

void FakePlugins::add_route(Plugin& plugin, std::string id, std::string method, std::string path,
                            std::string access) {
  Manifest::Route route;
  route.id = std::move(id);
  route.method = std::move(method);
  route.path = std::move(path);
  route.access = std::move(access);
  route.summary = "Route " + route.id;
  route.request_bytes_max = 100;
  plugin.manifest.routes.push_back(std::move(route));
}

void FakePlugins::succeed(TaskId task, std::string result) {
  auto node = held.extract(task);
  if (node.empty()) throw std::logic_error{"the task is not held"};
  Outcome outcome;
  outcome.kind = Outcome::Kind::succeeded;
  outcome.result = std::move(result);
  node.mapped().done(std::move(outcome));
}

}  // namespace test

struct PluginHost::State : test::FakePlugins {
  State(Loop& l, const Config& config) : loop{l}, files{config} {}
  Loop& loop;
  Files files;
};

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
  return "";
}

PluginHost::PluginHost(Loop& loop, const Config& config, HostPorts, std::string)
    : state_{std::make_unique<State>(loop, config)} {
  newest = state_.get();
}
PluginHost::~PluginHost() = default;

std::vector<PluginInfo> PluginHost::list() const {
  std::vector<PluginInfo> list;
  for (const auto& [id, plugin] : state_->plugins) list.push_back(plugin.info);
  return list;
}

std::optional<PluginInfo> PluginHost::find(std::string_view id) const {
  const auto found = state_->plugins.find(id);
  if (found == state_->plugins.end()) return std::nullopt;
  return found->second.info;
}

std::optional<PluginWhy> PluginHost::why(std::string_view id) const {
  const auto found = state_->plugins.find(id);
  return found == state_->plugins.end() ? std::nullopt : found->second.why;
}

void PluginHost::identify(const std::string&, UniqueFunction<void(Result<std::string>)> done) {
  state_->loop.post([done = std::move(done)]() mutable {
    done(make_error("identity_unavailable", "no plugin knows who sends requests", true));
  });
}

const Manifest* PluginHost::manifest(std::string_view id) const noexcept {
  const auto found = state_->plugins.find(id);
  return found == state_->plugins.end() ? nullptr : &found->second.manifest;
}

const Manifest::Operation* PluginHost::find_operation(std::string_view op) const noexcept {
  const std::size_t dot = op.find('.');
  if (dot == std::string_view::npos) return nullptr;
  const Manifest* found = manifest(op.substr(0, dot));
  if (found == nullptr) return nullptr;
  for (const auto& operation : found->operations) {
    if (operation.name == op.substr(dot + 1)) return &operation;
  }
  return nullptr;
}

void PluginHost::start_plugin(std::string id, UniqueFunction<void(std::optional<Error>)> done) {
  state_->commands.push_back("start " + id);
  state_->loop.post([state = state_.get(), id, done = std::move(done)]() mutable {
    auto& plugin = state->plugins.find(id)->second;
    if (!plugin.start_error) plugin.info.state = PluginState::ready;
    done(plugin.start_error);
  });
}

void PluginHost::reload_plugin(std::string id, UniqueFunction<void(std::optional<Error>)> done) {
  state_->commands.push_back("reload " + id);
  state_->loop.post([state = state_.get(), id, done = std::move(done)]() mutable {
    done(state->plugins.find(id)->second.start_error);
  });
}

void PluginHost::stop_plugin(std::string id, UniqueFunction<void(std::optional<Error>)> done) {
  state_->commands.push_back("stop " + id);
  state_->loop.post([state = state_.get(), id, done = std::move(done)]() mutable {
    state->plugins.find(id)->second.info.state = PluginState::stopped;
    done(std::nullopt);
  });
}

std::uint64_t PluginHost::call_route(RouteCall call, RouteSink sink) {
  const std::uint64_t id = ++state_->last_route;
  state_->routes[id] = {std::move(call), std::move(sink)};
  return id;
}
void PluginHost::cancel_route(std::uint64_t call) { state_->routes[call].is_cancelled = true; }
void PluginHost::route_drained(std::uint64_t call) { ++state_->routes[call].drained; }

void PluginHost::deliver_event(std::string_view topic, std::string_view json) {
  state_->delivered.emplace_back(topic, json);
}

void PluginHost::start(ClaimedTask task, Mono, UniqueFunction<void(Outcome)> done) {
  if (task.op == "hello.hold") {
    const TaskId id = task.key.task;
    state_->held[id] = {std::move(task), std::move(done)};
    return;
  }
  Outcome outcome;
  if (task.op == "hello.greet") {
    outcome.kind = Outcome::Kind::succeeded;
    outcome.result = "{\"greeting\":\"hi\"}";
  } else {
    outcome.error = make_error("broken", "it broke", task.op == "hello.flaky");
  }
  state_->loop.post([done = std::move(done), outcome = std::move(outcome)]() mutable {
    done(std::move(outcome));
  });
}

void PluginHost::cancel(AttemptKey attempt, CancelReason) {
  auto node = state_->held.extract(attempt.task);
  if (node.empty()) return;
  state_->loop.post([held = std::move(node.mapped())]() mutable {
    Outcome outcome;
    outcome.kind = Outcome::Kind::cancelled;
    held.done(std::move(outcome));
  });
}

std::map<std::string, int> PluginHost::capacity() const {
  std::map<std::string, int> capacity;
  for (const auto& [id, plugin] : state_->plugins) {
    if (plugin.info.state == PluginState::ready) capacity[id] = 64;
  }
  return capacity;
}

CgroupStatus PluginHost::control_groups() const {
  return {true, true, false, false, "no pids controller"};
}
Files& PluginHost::files() noexcept { return state_->files; }

}  // namespace cofounder
