// SPDX-License-Identifier: Apache-2.0
#include "core/control/context.hpp"

#include "core/base/text.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace cofounder {

namespace {

constexpr Milliseconds wait_max{3'600'000};
constexpr Milliseconds retry_after_default{1'000};

std::vector<std::string> all_operations(const PluginHost& plugins) {
  std::vector<std::string> all;
  for (const PluginInfo& plugin : plugins.list()) {
    const Manifest* manifest = plugins.manifest(plugin.id);
    if (manifest == nullptr) continue;
    for (const auto& operation : manifest->operations) {
      all.push_back(plugin.id + "." + operation.name);
    }
  }
  return all;
}

}  // namespace

ControlContext::ControlContext(ControlPorts p)
    : ports{std::move(p)},
      events{ports.loop, ports.loop.clock(), {}},
      counts{ports.store, ports.loop.clock()},
      operations{[this](std::string_view op) { return ports.plugins.find_operation(op); },
                 [this] { return all_operations(ports.plugins); }},
      started_at{ports.loop.clock().now()},
      started{ports.loop.clock().mono()} {
  access.load(ports.config.control.access);
}

void ControlContext::drain() {
  if (ports.scheduler.is_draining() && ports.scheduler.running_count() == 0) return;
  ports.scheduler.drain([this, alive_now = alive] {
    if (!*alive_now) return;
    for (const auto& action : std::exchange(on_drained, {})) action();
  });
}

int status_of(const Error& error) noexcept {
  struct Known {
    std::string_view code;
    int status;
  };
  static constexpr std::array known{
      Known{"invalid_json", 400},       Known{"invalid_request", 400},
      Known{"access_denied", 403},      Known{"denied", 403},
      Known{"not_found", 404},          Known{"unknown_task", 404},
      Known{"unknown_schedule", 404},   Known{"unknown_plugin", 404},
      Known{"method_not_allowed", 405}, Known{"task_over", 409},
      Known{"task_not_over", 409},      Known{"schedule_skipped", 409},
      Known{"unique_key_in_use", 409},  Known{"store_has_own_tools", 409},
      Known{"conflict", 409},           Known{"busy", 409},
      Known{"too_many_tasks", 413},     Known{"file_too_big", 413},
      Known{"body_too_big", 413},       Known{"unknown_op", 422},
      Known{"invalid_task", 422},       Known{"invalid_args", 422},
      Known{"never_due", 422},          Known{"unknown_timezone", 422},
      Known{"limit_reached", 429},      Known{"timed_out", 504},
      Known{"disk_full", 507},          Known{"store_unavailable", 503},
        Known{"store_damaged", 500}};
  const auto found = std::find_if(known.begin(), known.end(),
                                  [&](const Known& k) { return k.code == error.code; });
  if (found != known.end()) return found->status;
  if (error.code == "invalid" || error.code.starts_with("invalid_")) return 422;
  return error.retryable ? 503 : 500;
}

void send_error(http::Responder& responder, Error error) {
  const int status = status_of(error);
  if ((status == 503 || status == 429) && error.retry_after.count() == 0) {
    error.retry_after = retry_after_default;
  }
  responder.send_error(status, error);
}

void send_json(http::Responder& responder, int status, std::string body) {
  http::ServerResponse response;
  response.status = status;
  response.body = std::move(body);
  responder.send(std::move(response));
}

std::optional<json::Document> read_json(RequestCall& call) {
  auto document = json::parse(call.request.body);
  if (document) return std::move(*document);
  Error error = document.error();
  if (call.request.body.empty()) error.message = "the request has no body; JSON is expected";
  send_error(call.responder, std::move(error));
  return std::nullopt;
}

TaskWaits forget_when_gone(ControlContext& context, http::Responder& responder) {
  auto waits = std::make_shared<std::vector<TaskWait>>();
  responder.on_gone([&context, alive = context.alive, waits] {
    if (!*alive) return;
    for (const TaskWait& wait : *waits) context.ports.scheduler.forget(wait);
  });
  return waits;
}

std::optional<std::optional<Mono>> read_wait(ControlContext& context, RequestCall& call) {
  const auto text = call.request.query_value("wait");
  if (!text) return std::optional<Mono>{};
  const auto wait = parse_duration(*text);
  if (!wait || *wait < Milliseconds{0} || *wait > wait_max) {
    send_error(call.responder,
               make_error("invalid_request", "wait must be a duration like \"30s\", at most 1h"));
    return std::nullopt;
  }
  if (wait->count() == 0) return std::optional<Mono>{};
  return std::optional<Mono>{context.ports.loop.clock().mono() + *wait};
}

}  // namespace cofounder
