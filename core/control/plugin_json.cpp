// SPDX-License-Identifier: Apache-2.0
#include "core/control/plugin_json.hpp"

#include "core/base/text.hpp"

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

// How many calls took up to so many seconds; the last bound is null, for all.
void write_durations(json::Writer& out, const Durations& durations) {
  out.key("latency_histogram").begin_object().key("buckets").begin_array();
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < durations.buckets.size(); ++i) {
    below += durations.buckets[i];
    out.begin_object().key("seconds_max");
    if (i < Durations::bounds.size()) {
      out.number(Durations::bounds[i]);
    } else {
      out.null();
    }
    out.member("calls", below).end_object();
  }
  out.end_array().member("sum", durations.sum).member("count", durations.count).end_object();
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

namespace {

void write_lines(json::Writer& out, std::string_view name, const std::vector<std::string>& lines) {
  out.key(name).begin_array();
  for (const std::string& line : lines) out.string(line);
  out.end_array();
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end != 0) lines.emplace_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
  }
  return lines;
}

}  // namespace

void write_plugin_why(json::Writer& out, const PluginInfo& plugin,
                      const std::optional<PluginWhy>& why) {
  const std::string state{to_string(plugin.state)};
  out.begin_object().member("id", plugin.id).member("state", state);
  if (!why) {
    out.member("text", "plugin \"" + plugin.id + "\" is " + state + "; nothing went wrong");
    out.key("last").null().end_object();
    return;
  }
  out.member("text", why->what);
  out.key("last").begin_object().member("at", to_rfc3339(why->when));
  out.member("code", why->code).member("message", why->what).key("signal");
  if (why->signal != 0) {
    out.integer(why->signal);
  } else {
    out.null();
  }
  write_lines(out, "backtrace", lines_of(why->backtrace));
  write_lines(out, "calls", why->calls);
  write_lines(out, "log", why->lines);
  out.end_object().end_object();
}

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
  write_durations(out, plugin.durations);
  write_http(out, plugin.http);
  out.member("cpu_seconds", plugin.cpu_seconds).key("memory_bytes");
  if (plugin.memory_bytes) {
    out.unsigned_integer(*plugin.memory_bytes);
  } else {
    out.null();
  }
  out.member("restarts", plugin.restarts).member("generation", plugin.generation);
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
