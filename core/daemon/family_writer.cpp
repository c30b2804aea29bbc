// SPDX-License-Identifier: Apache-2.0
#include "core/daemon/family_writer.hpp"

#include <array>

namespace cofounder::metrics {
namespace {

constexpr std::array<double, 13> bounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                        1,     2.5,  5,     10,   60,  300};

}  // namespace

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

Durations::Durations() : buckets_(bounds.size() + 1) {}

void Durations::observe(double seconds) {
  std::size_t i = 0;
  while (i < bounds.size() && seconds > bounds[i]) ++i;
  ++buckets_[i];
  sum_ += seconds;
  ++count_;
}

void Durations::write(json::Writer& out, std::initializer_list<Label> labels) const {
  out.begin_object().key("labels").begin_object();
  for (const auto& [name, text] : labels) out.member(name, text);
  out.end_object().key("buckets").begin_array();
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    below += buckets_[i];
    out.begin_array();
    if (i < bounds.size()) {
      out.number(bounds[i]);
    } else {
      out.string("+Inf");
    }
    out.unsigned_integer(below).end_array();
  }
  out.end_array().member("sum", sum_).member("count", count_).end_object();
}

}  // namespace cofounder::metrics
