// SPDX-License-Identifier: Apache-2.0
#include "core/control/control.hpp"

#include "core/control/context.hpp"
#include "core/control/handlers.hpp"
#include "core/control/plugin_proxy.hpp"
#include "core/control/routes.hpp"
#include "core/scheduler/task_json.hpp"

#include <utility>

namespace cofounder {

namespace {

// Reading needs no body, so a long one is not worth waiting for.
constexpr std::uint64_t unexpected_body_bytes_max = 64u << 10;

Error not_found(const http::ServerRequest& request) {
  Error error = make_error("not_found", "there is no " + request.path + " here");
  error.hint = "GET /v1/openapi.json describes all routes";
  return error;
}

Error access_denied(const http::Peer& peer, Access has, Access needed) {
  const std::string wanted{to_string(needed)};
  std::string has_text = has == Access::none ? "has no access" : "has only \"";
  if (has != Access::none) has_text += std::string{to_string(has)} + "\"";
  Error error = make_error("access_denied", "this needs the access class \"" + wanted + "\"; " +
                                                name_of(peer) + " " + has_text);
  error.hint =
      "an administrator can add the user or one of its groups to [control.access] " + wanted;
  return error;
}

}  // namespace

struct Control::State {
  explicit State(ControlPorts ports) : context{std::move(ports)} {}

  // Where a request goes: one of these, or a refusal.
  struct Destination {
    const ControlRoute* route = nullptr;
    std::vector<std::string> params;
    std::optional<PluginRoute> plugin;
    std::optional<std::pair<int, Error>> refusal;
    std::string allowed;
  };
  Destination find(const http::ServerRequest& request, bool is_public);
  void check_access(const http::ServerRequest& request, Access needed, Destination& destination);
  http::ServerHandler::Plan plan(const http::ServerRequest& request, bool is_public);
  void handle(http::ServerRequest request, http::Responder responder, bool is_public);
  static std::string_view template_of(const Destination& destination);
  void count_answer(const http::ServerRequest& request, const Destination& destination,
                    http::Responder& responder);
  http::ServerHandler handler(bool is_public);
  void publish(std::string type, std::string json, TaskId task, std::string plugin);

  ControlContext context;
  RouteTable table;
};

Control::State::Destination Control::State::find(const http::ServerRequest& request,
                                                 bool is_public) {
  Destination destination;
  if (!is_public) {
    auto match = table.find(request.method, request.path);
    if (match.route != nullptr) {
      destination.route = match.route;
      destination.params = std::move(match.params);
      check_access(request, match.route->access, destination);
      return destination;
    }
    destination.allowed = std::move(match.allowed);
  }
  auto match = find_plugin_route(context.ports.plugins, request.method, request.path);
  if (match.found && (!is_public || match.found->access == Access::none)) {
    check_access(request, match.found->access, destination);
    destination.plugin = std::move(match.found);
    return destination;
  }
  if (!is_public && !match.allowed.empty()) {
    if (!destination.allowed.empty()) destination.allowed += ", ";
    destination.allowed += match.allowed;
  }
  if (destination.allowed.empty()) {
    destination.refusal = {404, not_found(request)};
  } else {
    destination.refusal = {
        405, make_error("method_not_allowed", request.path + " takes " + destination.allowed)};
  }
  return destination;
}

void Control::State::check_access(const http::ServerRequest& request, Access needed,
                                  Destination& destination) {
  if (needed == Access::none) return;
  const Access has = context.access.of(request.peer);
  if (has < needed) destination.refusal = {403, access_denied(request.peer, has, needed)};
}

http::ServerHandler::Plan Control::State::plan(const http::ServerRequest& request, bool is_public) {
  http::ServerHandler::Plan plan;
  if (request.method == "GET" || request.method == "HEAD") {
    // handle() will look; nothing has to be decided before.
    plan.body_bytes_max = unexpected_body_bytes_max;
    return plan;
  }
  Destination destination = find(request, is_public);
  if (destination.refusal) {
    // Without a body the connection stays in use: handle() says it.
    if (!request.header("content-length").empty() || !request.header("transfer-encoding").empty()) {
      if (context.ports.answered) {
        context.ports.answered(request.method, template_of(destination),
                               destination.refusal->first, Nanoseconds{0});
      }
      plan.refusal = std::move(destination.refusal);
    }
    return plan;
  }
  if (destination.plugin) {
    plan.body_bytes_max = destination.plugin->route->request_bytes_max;
  } else if (destination.route->handle == post_file) {
    return plan_upload(context);
  } else {
    plan.body_bytes_max = context.ports.config.control.body_bytes_max;
  }
  return plan;
}

void Control::State::handle(http::ServerRequest request, http::Responder responder,
                            bool is_public) {
  Destination destination = find(request, is_public);
  count_answer(request, destination, responder);
  if (destination.refusal) {
    const auto& [status, error] = *destination.refusal;
    auto response = http::error_response(status, error);
    if (status == 405) response.headers.emplace_back("Allow", destination.allowed);
    return responder.send(std::move(response));
  }
  if (destination.plugin) {
    return call_plugin_route(context, *destination.plugin, std::move(request),
                             std::move(responder));
  }
  destination.route->handle(context, RequestCall{std::move(request), std::move(responder),
                                                 std::move(destination.params)});
}

// The label is the route's template: no path of a client becomes a series.
std::string_view Control::State::template_of(const Destination& destination) {
  if (destination.route != nullptr) return destination.route->pattern;
  if (destination.plugin) return destination.plugin->route->path;
  return "unmatched";
}

void Control::State::count_answer(const http::ServerRequest& request,
                                  const Destination& destination, http::Responder& responder) {
  if (!context.ports.answered) return;
  responder.on_answer([this, method = request.method, route = std::string{template_of(destination)},
                       began = context.ports.loop.clock().mono()](int status) {
    context.ports.answered(method, route, status, context.ports.loop.clock().mono() - began);
  });
}

http::ServerHandler Control::State::handler(bool is_public) {
  http::ServerHandler handler;
  handler.plan = [this, is_public](const http::ServerRequest& head) {
    return plan(head, is_public);
  };
  handler.handle = [this, is_public](http::ServerRequest request, http::Responder responder) {
    handle(std::move(request), std::move(responder), is_public);
  };
  return handler;
}

void Control::State::publish(std::string type, std::string json, TaskId task, std::string plugin) {
  context.ports.plugins.deliver_event(type, json);
  context.events.publish(std::move(type), std::move(json), task, std::move(plugin));
}

Control::Control(ControlPorts ports) : state_{std::make_unique<State>(std::move(ports))} {
  State* const state = state_.get();
  state->context.ports.scheduler.observe(
      [state, alive = state->context.alive](const Scheduler::Event& event) {
        if (!*alive) return;
        state->publish(event_type(event), event_json(event), event.task,
                       std::string{plugin_of(event.op)});
      });
}

Control::~Control() = default;

http::ServerHandler Control::local_handler() { return state_->handler(false); }
http::ServerHandler Control::public_handler() { return state_->handler(true); }

Result<NewTask> Control::check_task(json::View task, std::string submitter) const {
  auto fresh = parse_task(task, state_->context.now());
  if (!fresh) return fresh;
  fresh->submitter = std::move(submitter);
  return cofounder::complete_task(std::move(*fresh), task.find("args"), state_->context.operations,
                                  state_->context.ports.config);
}

Result<NewTask> Control::complete_task(NewTask task) const {
  return cofounder::complete_task(std::move(task), state_->context.operations,
                                  state_->context.ports.config);
}

void Control::publish(std::string type, std::string json, TaskId task, std::string plugin) {
  state_->publish(std::move(type), std::move(json), task, std::move(plugin));
}

void Control::end_streams() { state_->context.events.close(); }

void Control::access_changed() {
  state_->context.access.load(state_->context.ports.config.control.access);
}

}  // namespace cofounder
