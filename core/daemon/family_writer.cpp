// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/family_writer.hpp"

namespace cofounder::metrics {

void begin_family(json::Writer& out, std::string_view name, std::string_view kind,
                  std::string_view help, std::string_view unit) {
  out.begin_object()
      .member("name", name)
      .member("kind", kind)
      .member("help", help)
      .member("unit", unit)
      .key("samples")
      .begin_array();
}

void end_family(json::Writer& out) { out.end_array().end_object(); }

void write_sample(json::Writer& out, std::initializer_list<Label> labels, double value) {
  out.begin_object().key("labels").begin_object();
  for (const auto& [name, text] : labels) out.member(name, text);
  out.end_object().member("value", value).end_object();
}

void write_single(json::Writer& out, std::string_view name, std::string_view kind,
                  std::string_view help, std::string_view unit, double value) {
  begin_family(out, name, kind, help, unit);
  write_sample(out, {}, value);
  end_family(out);
}

void write_histogram(json::Writer& out, std::initializer_list<Label> labels,
                     const Durations& durations) {
  out.begin_object().key("labels").begin_object();
  for (const auto& [name, text] : labels) out.member(name, text);
  out.end_object().key("buckets").begin_array();
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < durations.buckets.size(); ++i) {
    below += durations.buckets[i];
    out.begin_array();
    if (i < Durations::bounds.size()) {
      out.number(Durations::bounds[i]);
    } else {
      out.string("+Inf");
    }
    out.unsigned_integer(below).end_array();
  }
  out.end_array().member("sum", durations.sum).member("count", durations.count).end_object();
}

}  // namespace cofounder::metrics
