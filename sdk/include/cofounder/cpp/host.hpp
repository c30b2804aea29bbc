// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../plugin.h"
#include "result.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder::sdk::inline v1 {

namespace detail {

// The host and its service tables; NULL for what it does not have or the manifest does not name.
struct HostTables {
  explicit HostTables(const cof_host* given) noexcept
      : host{given},
        call{find<cof_call_service>(COF_CALL_IID)},
        config{find<cof_config_service>(COF_CONFIG_IID)},
        error{find<cof_error_service>(COF_ERROR_IID)},
        event{find<cof_event_service>(COF_EVENT_IID)},
        file{find<cof_file_service>(COF_FILE_IID)},
        http{find<cof_http_service>(COF_HTTP_IID)},
        identity{find<cof_identity_service>(COF_IDENTITY_IID)},
        kv{find<cof_kv_service>(COF_KV_IID)},
        log{find<cof_log_service>(COF_LOG_IID)},
        metric{find<cof_metric_service>(COF_METRIC_IID)},
        process{find<cof_process_service>(COF_PROCESS_IID)},
        route{find<cof_route_service>(COF_ROUTE_IID)},
        scratch{find<cof_scratch_service>(COF_SCRATCH_IID)},
        secret{find<cof_secret_service>(COF_SECRET_IID)},
        stats{find<cof_stats_service>(COF_STATS_IID)},
        task{find<cof_task_service>(COF_TASK_IID)},
        timer{find<cof_timer_service>(COF_TIMER_IID)},
        usage{find<cof_usage_service>(COF_USAGE_IID)} {}

  // Calls a slot; `missing` when the table is not there or is too old to have the slot.
  template <class Table, class R, class... Slot, class... Args>
  R ask(const Table* table, R (*Table::*slot)(const cof_host*, Slot...), R missing,
        Args... args) const noexcept {
    if (table == nullptr) return missing;
    const auto end = reinterpret_cast<std::uintptr_t>(&(table->*slot)) + sizeof(table->*slot);
    if (end - reinterpret_cast<std::uintptr_t>(table) > table->struct_size) return missing;
    return (table->*slot)(host, args...);
  }
  template <class Table, class... Slot, class... Args>
  std::int32_t operator()(const Table* table,
                          std::int32_t (*Table::*slot)(const cof_host*, Slot...),
                          Args... args) const noexcept {
    return ask(table, slot, std::int32_t{COF_EUNSUPPORTED}, args...);
  }

  const cof_host* host;
  const cof_call_service* call;
  const cof_config_service* config;
  const cof_error_service* error;
  const cof_event_service* event;
  const cof_file_service* file;
  const cof_http_service* http;
  const cof_identity_service* identity;
  const cof_kv_service* kv;
  const cof_log_service* log;
  const cof_metric_service* metric;
  const cof_process_service* process;
  const cof_route_service* route;
  const cof_scratch_service* scratch;
  const cof_secret_service* secret;
  const cof_stats_service* stats;
  const cof_task_service* task;
  const cof_timer_service* timer;
  const cof_usage_service* usage;

 private:
  template <class Table>
  const Table* find(std::string_view iid) const noexcept {
    return static_cast<const Table*>(host->query(host, to_c(iid)));
  }
};

}  // namespace detail

enum class LogLevel : std::int32_t {
  debug = COF_LOG_DEBUG,
  info = COF_LOG_INFO,
  warning = COF_LOG_WARNING,
  error = COF_LOG_ERROR
};

// A family of one metric; made by Host::counter() and its kin, cheap to copy.  Give the values of
// the labels in the order in which they were named: calls.add(1, "upload", "ok").
class Metric {
 public:
  Metric() noexcept = default;
  Metric(const detail::HostTables* tables, std::uint64_t family) noexcept
      : tables_{tables}, family_{family} {}

  template <class... Label>
  void add(double value = 1, const Label&... labels) const {
    const cof_str values[] = {to_c(labels)..., cof_str{}};
    send(&cof_metric_service::add, values, sizeof...(labels), value);
  }
  template <class... Label>
  void set(double value, const Label&... labels) const {
    const cof_str values[] = {to_c(labels)..., cof_str{}};
    send(&cof_metric_service::set, values, sizeof...(labels), value);
  }
  template <class... Label>
  void observe(double value, const Label&... labels) const {
    const cof_str values[] = {to_c(labels)..., cof_str{}};
    send(&cof_metric_service::observe, values, sizeof...(labels), value);
  }
  // An unknown figure is absent, never 0.
  template <class... Label>
  void forget(const Label&... labels) const {
    const cof_str values[] = {to_c(labels)..., cof_str{}};
    send(&cof_metric_service::forget, values, sizeof...(labels));
  }

 private:
  template <class Slot, class... Value>
  void send(Slot slot, const cof_str* labels, std::uint64_t count, Value... value) const {
    if (tables_ != nullptr) (*tables_)(tables_->metric, slot, family_, labels, count, value...);
  }

  const detail::HostTables* tables_ = nullptr;
  std::uint64_t family_ = 0;
};

// The daemon as the plugin sees it, outside of any call.  Copies are cheap; valid as long as the
// plugin.  All of it may be used from any thread.
class Host {
 public:
  Host() noexcept = default;
  explicit Host(const detail::HostTables& tables) noexcept : tables_{&tables} {}

  std::string_view plugin_id() const noexcept { return view(tables_->host->plugin_id); }
  std::string_view version() const noexcept { return view(tables_->host->version); }

  // Writes a line to the daemon's log.  Never put a secret into it.
  void log(std::string_view text) const noexcept { log(LogLevel::info, text); }
  void log(LogLevel level, std::string_view text) const noexcept { log(0, level, text); }
  void log(std::uint64_t call_id, LogLevel level, std::string_view text) const noexcept {
    if (tables_->log == nullptr) return;
    tables_->log->write(tables_->host, call_id, static_cast<std::int32_t>(level), to_c(text));
  }
  bool logs(LogLevel level) const noexcept {
    return (*tables_)(tables_->log, &cof_log_service::enabled, static_cast<std::int32_t>(level)) ==
           1;
  }

  // Time as the host sees it; 0 without cof.timer/1.
  Nanoseconds now() const noexcept {
    return Nanoseconds{tables_->ask(tables_->timer, &cof_timer_service::now_ns, std::int64_t{0})};
  }
  WallTime wall() const noexcept {
    const auto ms = tables_->ask(tables_->timer, &cof_timer_service::wall_ms, std::int64_t{0});
    return WallTime{Milliseconds{ms}};
  }

  // Ends a sleep that was begun with Context::sleep(delay, timer), in whichever call.
  void wake(std::uint64_t timer) const noexcept {
    (*tables_)(tables_->timer, &cof_timer_service::cancel, timer);
  }

  // Publishes an event under "<plugin id>.<topic>" to those who listen now.
  Result<void> publish(std::string_view topic, const Json& event) const {
    const std::string text = to_text(event);
    const auto status =
        (*tables_)(tables_->event, &cof_event_service::publish, to_c(topic), to_c(text));
    return checked(status, "publish an event");
  }

  // The value at `pointer` ("" is the whole table) of the configuration that was applied last.
  Result<Json> config(std::string_view pointer = {}) const {
    StringSink sink;
    const auto status = (*tables_)(tables_->config, &cof_config_service::get, std::uint64_t{0},
                                   to_c(pointer), sink.get());
    if (status < 0) return checked(status, "read the configuration").failure();
    return Json::parse(sink.take());
  }

  // Metric families.  Finds the same one again when it exists.  Labels: "model,direction".  Without
  // cof.metric/1, or when the host refuses, a warning is logged and the handle does nothing.
  Metric counter(std::string_view name, std::string_view help, std::string_view labels = {}) const {
    return family(COF_METRIC_COUNTER, name, help, labels, {}, {});
  }
  Metric gauge(std::string_view name, std::string_view help, std::string_view labels = {},
               std::string_view unit = {}) const {
    return family(COF_METRIC_GAUGE, name, help, labels, unit, {});
  }
  Metric histogram(std::string_view name, std::string_view help, const std::vector<double>& bounds,
                   std::string_view labels = {}, std::string_view unit = {}) const {
    return family(COF_METRIC_HISTOGRAM, name, help, labels, unit, bounds);
  }

  // Every family of the daemon and of all plugins as JSON text, see services/metric.h.
  Result<std::string> metrics_snapshot() const {
    StringSink sink;
    const auto status = (*tables_)(tables_->metric, &cof_metric_service::snapshot, sink.get());
    if (status < 0) return checked(status, "take a snapshot of the metrics").failure();
    return sink.take();
  }

  // The C side, for a service that this layer does not wrap.
  const cof_host* c_host() const noexcept { return tables_->host; }
  const detail::HostTables& tables() const noexcept { return *tables_; }

 private:
  Metric family(std::int32_t kind, std::string_view name, std::string_view help,
                std::string_view labels, std::string_view unit,
                const std::vector<double>& bounds) const {
    cof_metric_family family{};
    family.struct_size = sizeof family;
    family.kind = kind;
    family.name = to_c(name);
    family.help = to_c(help);
    family.unit = to_c(unit);
    family.labels = to_c(labels);
    family.bounds = bounds.data();
    family.bound_count = bounds.size();
    std::uint64_t handle = 0;
    const auto status = (*tables_)(tables_->metric, &cof_metric_service::family,
                                   static_cast<const cof_metric_family*>(&family), &handle);
    if (status >= 0) return Metric{tables_, handle};
    log(LogLevel::warning,
        "no metric " + std::string{name} + ": " + status_name(status) + ", ignoring");
    return {};
  }

  const detail::HostTables* tables_ = nullptr;
};

}  // namespace cofounder::sdk::inline v1
