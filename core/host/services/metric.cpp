// SPDX-License-Identifier: Apache-2.0
#include "core/host/metric_registry.hpp"

#include "core/host/services/service.hpp"

#include <cofounder/services/metric.h>

#include <array>

namespace cofounder::host {
namespace {

using Shape = MetricRegistry::Shape;

std::int32_t status_of(const Error& error) {
  if (error.code == "metric_exists") return COF_EEXISTS;
  if (error.code == "limit_reached") return COF_ELIMIT;
  if (error.code == "unknown_metric") return COF_EGONE;
  return COF_EINVALID;
}

std::vector<std::string> split(std::string_view names) {
  std::vector<std::string> parts;
  while (!names.empty()) {
    const auto comma = names.find(',');
    parts.emplace_back(names.substr(0, comma));
    if (comma == std::string_view::npos) break;
    names.remove_prefix(comma + 1);
    if (names.empty()) parts.emplace_back();  // a comma at the end: an empty name, to be refused
  }
  return parts;
}

std::int32_t take_family(const cof_metric_family* given, Shape& shape) {
  cof_metric_family family;
  std::string_view name, help, unit, labels;
  if (const auto status = take_struct(given, family); status != COF_OK) return status;
  if (family.kind < COF_METRIC_COUNTER || family.kind > COF_METRIC_HISTOGRAM) {
    return COF_EUNSUPPORTED;
  }
  if (const auto status =
          first_of({take_text(family.name, name), take_text(family.help, help),
                    take_text(family.unit, unit), take_text(family.labels, labels, 4'096)});
      status != COF_OK) {
    return status;
  }
  if (family.bound_count > MetricRegistry::bounds_max ||
      (family.bound_count > 0 && family.bounds == nullptr)) {
    return COF_EINVALID;
  }
  shape = {.kind = static_cast<MetricRegistry::Kind>(family.kind),
           .name = std::string{name},
           .help = std::string{help},
           .unit = std::string{unit},
           .labels = split(labels),
           .bounds = {family.bounds, family.bounds + family.bound_count}};
  return COF_OK;
}

int32_t family(const cof_host* host, const cof_metric_family* given, uint64_t* handle) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    Shape shape;
    if (handle == nullptr) return COF_EINVALID;
    if (const auto status = take_family(given, shape); status != COF_OK) return status;
    const auto added = instance.world().metrics.add_family(instance.id(), std::move(shape));
    if (!added) return status_of(added.error());
    *handle = *added;
    return COF_OK;
  });
}

// Runs one of the registry's functions with the checked labels.
template <class Function>
int32_t with_labels(const cof_host* host, const cof_str* given, std::uint64_t count,
                    Function function) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::array<std::string_view, MetricRegistry::labels_max> labels;
    if (count > labels.size() || (count > 0 && given == nullptr)) return COF_EINVALID;
    for (std::size_t i = 0; i < count; ++i) {
      if (const auto status = take_text(given[i], labels[i]); status != COF_OK) return status;
    }
    const std::optional<Error> error = function(
        instance.world().metrics, instance.id(), MetricRegistry::Labels{labels.data(), count});
    return error ? status_of(*error) : COF_OK;
  });
}

int32_t add(const cof_host* host, uint64_t handle, const cof_str* labels, uint64_t count,
            double value) noexcept {
  return with_labels(host, labels, count, [&](auto& metrics, const auto& owner, auto values) {
    return metrics.add(owner, handle, values, value);
  });
}

int32_t set(const cof_host* host, uint64_t handle, const cof_str* labels, uint64_t count,
            double value) noexcept {
  return with_labels(host, labels, count, [&](auto& metrics, const auto& owner, auto values) {
    return metrics.set(owner, handle, values, value);
  });
}

int32_t observe(const cof_host* host, uint64_t handle, const cof_str* labels, uint64_t count,
                double value) noexcept {
  return with_labels(host, labels, count, [&](auto& metrics, const auto& owner, auto values) {
    return metrics.observe(owner, handle, values, value);
  });
}

int32_t forget(const cof_host* host, uint64_t handle, const cof_str* labels,
               uint64_t count) noexcept {
  return with_labels(host, labels, count, [&](auto& metrics, const auto& owner, auto values) {
    return metrics.forget(owner, handle, values);
  });
}

int32_t snapshot(const cof_host* host, const cof_sink* out) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    if (!instance.manifest().permissions.metrics) return COF_EDENIED;
    return give(out, instance.world().metrics.snapshot());
  });
}

}  // namespace

void begin_core_metrics(Instance& instance) {
  if (instance.find_call(0) == nullptr) return;  // it stopped meanwhile
  json::Writer out;
  out.begin_array();
  if (instance.ports().core_metrics) instance.ports().core_metrics(out);
  out.end_array();
  instance.world().metrics.set_core(out.text());
  instance.services().core_metrics_timer = clock_of(instance).call_after(
      std::chrono::seconds{1}, [&instance] { begin_core_metrics(instance); });
}

void end_core_metrics(Instance& instance) noexcept {
  clock_of(instance).cancel(std::exchange(instance.services().core_metrics_timer, 0));
}

const void* metric_table() noexcept {
  static const cof_metric_service table{
      sizeof(cof_metric_service), 0, family, add, set, observe, forget, snapshot};
  return &table;
}

}  // namespace cofounder::host
