// SPDX-License-Identifier: Apache-2.0
#include "core/base/text.hpp"
#include "core/control/handlers.hpp"
#include "core/control/openapi.hpp"

#include <charconv>
#include <map>

namespace cofounder {

namespace {

void write_store(const ControlPorts& ports, json::Writer& out) {
  const auto problem = ports.store_problem();
  out.key("store").begin_object().member("kind", ports.store_kind());
  out.member("available", !problem.has_value()).key("error");
  if (problem) {
    out.raw(json::to_json(*problem));
  } else {
    out.null();
  }
  out.end_object();
}

// Unknown figures are null, never 0.
void write_tasks(json::Writer& out, const CountsCache::Counted* counted) {
  out.key("tasks");
  if (counted == nullptr) {
    out.null();
    return;
  }
  out.begin_object();
  for (int state = 0; state <= static_cast<int>(TaskState::timed_out); ++state) {
    const auto found = counted->counts.by_state.find(static_cast<TaskState>(state));
    out.member(to_string(static_cast<TaskState>(state)),
               found == counted->counts.by_state.end() ? std::int64_t{0} : found->second);
  }
  out.member("counted_at", to_rfc3339(counted->at)).end_object();
}

void write_queues(const ControlContext& context, json::Writer& out,
                  const CountsCache::Counted* counted) {
  struct Queue {
    std::int64_t running = 0;
    std::optional<std::int64_t> waiting;
    int running_max = 0;
  };
  std::map<std::string, Queue> queues;
  queues["default"];
  for (const auto& [name, most] : context.ports.config.scheduler.queues) {
    queues[name].running_max = most;
  }
  for (const auto& running : context.ports.scheduler.running()) ++queues[running.queue].running;
  if (counted != nullptr) {
    for (auto& [name, queue] : queues) queue.waiting = 0;
    for (const auto& [name, waiting] : counted->counts.waiting_by_queue) {
      queues[name].waiting = waiting;
    }
  }
  out.key("queues").begin_array();
  for (const auto& [name, queue] : queues) {
    out.begin_object().member("name", name).member("running", queue.running).key("waiting");
    if (queue.waiting) {
      out.integer(*queue.waiting);
    } else {
      out.null();
    }
    if (queue.running_max > 0) out.member("running_max", queue.running_max);
    out.end_object();
  }
  out.end_array();
}

// Which limits of isolated plugins hold besides those of setrlimit(2).
void write_control_groups(const CgroupStatus& groups, json::Writer& out) {
  out.key("control_groups").begin_object().member("usable", groups.usable);
  out.member("memory", groups.memory).member("processes", groups.processes);
  out.member("cpu", groups.cpu).key("reason");
  if (groups.reason.empty()) {
    out.null();
  } else {
    out.string(groups.reason);
  }
  out.end_object();
}

std::string status_json(const ControlContext& context, const CountsCache::Counted* counted) {
  const ControlPorts& ports = context.ports;
  const auto uptime = ports.loop.clock().mono() - context.started;
  json::Writer out;
  out.begin_object().member("node", ports.node).member("version", ports.version);
  out.member("started_at", to_rfc3339(context.started_at));
  out.member("uptime_seconds",
             std::int64_t{std::chrono::duration_cast<std::chrono::seconds>(uptime).count()});
  out.member("draining", ports.scheduler.is_draining());
  out.member("running", std::uint64_t{ports.scheduler.running_count()});
  out.member("running_max", ports.config.scheduler.running_max);
  write_store(ports, out);
  write_tasks(out, counted);
  write_queues(context, out, counted);
  write_control_groups(ports.plugins.control_groups(), out);
  out.member("event_clients", std::uint64_t{context.events.clients()});
  out.key("plugins").begin_array();
  for (const PluginInfo& plugin : ports.plugins.list()) {
    out.begin_object().member("id", plugin.id).member("state", to_string(plugin.state));
    out.member("version", plugin.version).end_object();
  }
  out.end_array().end_object();
  return out.take();
}

void send_drain(const ControlContext& context, http::Responder& responder, int status) {
  json::Writer out;
  out.begin_object().member("draining", context.ports.scheduler.is_draining());
  out.member("running", std::uint64_t{context.ports.scheduler.running_count()}).end_object();
  send_json(responder, status, out.take());
}

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

void get_status(ControlContext& context, RequestCall call) {
  context.counts.get([&context, responder = std::move(call.responder)](
                         const CountsCache::Counted* counted) mutable {
    send_json(responder, 200, status_json(context, counted));
  });
}

void get_health(ControlContext& context, RequestCall call) {
  const ControlPorts& ports = context.ports;
  std::vector<Error> reasons;
  if (auto problem = ports.store_problem()) reasons.push_back(std::move(*problem));
  if (ports.scheduler.is_stuck(ports.loop.clock().mono())) {
    reasons.push_back(make_error("scheduler_stuck", "the scheduler makes no progress", true));
  }
  if (ports.scheduler.is_draining()) {
    reasons.push_back(make_error("draining", "the daemon begins no tasks", true));
  }
  const bool is_able = reasons.empty();
  // One broken plugin does not make the others useless.
  for (const PluginInfo& plugin : ports.plugins.list()) {
    if (plugin.state != PluginState::failed && plugin.state != PluginState::quarantined) continue;
    Error reason =
        make_error("plugin_" + std::string{to_string(plugin.state)},
                   "plugin \"" + plugin.id + "\" is " + std::string{to_string(plugin.state)});
    reason.plugin = plugin.id;
    reasons.push_back(std::move(reason));
  }
  json::Writer out;
  out.begin_object().member("status", !is_able ? "unable" : reasons.empty() ? "ok" : "degraded");
  out.key("reasons").begin_array();
  for (const Error& reason : reasons) out.raw(json::to_json(reason));
  out.end_array().end_object();
  send_json(call.responder, is_able ? 200 : 503, out.take());
}

void get_events(ControlContext& context, RequestCall call) {
  EventStream::Filter filter;
  if (const auto task = call.request.query_value("task")) {
    const auto id = parse_task_id(*task);
    if (!id) {
      return send_error(call.responder, make_error("invalid_request", "task must be a task's id"));
    }
    filter.task = *id;
  }
  filter.plugin = call.request.query_value("plugin").value_or("");
  // A client that comes back says with Last-Event-ID where it was; its URL is that of its start.
  std::string_view since = call.request.header("last-event-id");
  if (since.empty()) since = call.request.query_value("since").value_or("");
  std::optional<std::uint64_t> number;
  if (!since.empty()) {
    number = parse_number(since);
    if (!number) {
      return send_error(call.responder,
                        make_error("invalid_request", "since must be the id of an event"));
    }
  }
  context.events.subscribe(std::move(call.responder), number, std::move(filter));
}

void get_config(ControlContext& context, RequestCall call) {
  send_json(call.responder, 200, config_json(context.ports.config));
}

void reload_config(ControlContext& context, RequestCall call) {
  context.ports.reload([responder = std::move(call.responder)](std::optional<Error> error) mutable {
    if (error) return send_error(responder, std::move(*error));
    send_json(responder, 200, "{\"reloaded\":true}");
  });
}

void start_drain(ControlContext& context, RequestCall call) {
  const auto until = read_wait(context, call);
  if (!until) return;
  context.drain();
  if (!*until || context.ports.scheduler.running_count() == 0) {
    const bool is_done = context.ports.scheduler.running_count() == 0;
    return send_drain(context, call.responder, is_done ? 200 : 202);
  }
  // Shared by the two that may answer: the end of what runs, and the end of patience.
  auto responder = std::make_shared<std::optional<http::Responder>>(std::move(call.responder));
  const auto answer = [&context, responder](int status) {
    if (auto waiting = std::exchange(*responder, std::nullopt)) {
      send_drain(context, *waiting, status);
    }
  };
  context.on_drained.push_back([answer] { answer(200); });
  context.ports.loop.clock().call_at(**until, [answer, alive = context.alive] {
    if (*alive) answer(202);
  });
}

void end_drain(ControlContext& context, RequestCall call) {
  context.ports.scheduler.resume();
  for (const auto& action : std::exchange(context.on_drained, {})) action();
  send_drain(context, call.responder, 200);
}

void get_openapi(ControlContext& context, RequestCall call) {
  send_json(call.responder, 200, openapi_json(context.ports.plugins, context.ports.version));
}

}  // namespace cofounder
