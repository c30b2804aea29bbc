// SPDX-License-Identifier: Apache-2.0
#include "core/control/plugin_json.hpp"

namespace cofounder {

namespace {

void write_operations(json::Writer& out, const Manifest& manifest) {
  out.key("operations").begin_array();
  for (const auto& operation : manifest.operations) {
    out.begin_object().member("op", manifest.id + "." + operation.name);
    out.member("summary", operation.summary).end_object();
  }
  out.end_array();
  out.key("routes").begin_array();
  for (const auto& route : manifest.routes) {
    out.begin_object().member("method", route.method).member("path", route.path);
    out.member("access", route.access).member("summary", route.summary).end_object();
  }
  out.end_array();
}

void write_http(json::Writer& out, const http::Client::Counters& counters) {
  out.key("http").begin_object();
  out.member("started", counters.started).member("succeeded", counters.succeeded);
  out.member("failed", counters.failed).member("retries", counters.retries);
  out.member("bytes_sent", counters.bytes_sent);
  out.member("bytes_received", counters.bytes_received);
  out.member("active", counters.active).end_object();
}

}  // namespace

void write_plugin(json::Writer& out, const PluginInfo& plugin, const Manifest* manifest) {
  out.begin_object().member("id", plugin.id).member("state", to_string(plugin.state));
  out.member("version", plugin.version).member("summary", plugin.summary);
  out.member("isolation", plugin.isolation);
  out.key("pid");
  if (plugin.pid != 0) {
    out.integer(plugin.pid);
  } else {
    out.null();
  }
  out.member("parallel", plugin.parallel);
  out.member("file", plugin.file).member("sha256", plugin.sha256);
  out.key("interfaces").begin_array();
  for (const std::string& interface : plugin.interfaces) out.string(interface);
  out.end_array();
  out.key("calls").begin_object().member("total", plugin.calls).member("failed", plugin.failures);
  out.member("late_completions", plugin.late_completions);
  out.member("in_flight", plugin.in_flight).member("queued", plugin.queued);
  out.member("latency_p50_ms", plugin.latency_p50_ms);
  out.member("latency_p99_ms", plugin.latency_p99_ms).end_object();
  write_http(out, plugin.http);
  out.member("cpu_seconds", plugin.cpu_seconds).member("restarts", plugin.restarts);
  out.key("last_error");
  if (plugin.last_error) {
    out.raw(json::to_json(*plugin.last_error));
  } else {
    out.null();
  }
  if (manifest != nullptr) write_operations(out, *manifest);
  out.end_object();
}

}  // namespace cofounder
