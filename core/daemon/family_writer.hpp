// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include "core/base/json.hpp"
#include "core/host/durations.hpp"

// Families in the shape of cof.metric/1's snapshot.
namespace cofounder::metrics {

using Label = std::pair<std::string_view, std::string_view>;

void begin_family(json::Writer& out, std::string_view name, std::string_view kind,
                  std::string_view help, std::string_view unit = {});
void end_family(json::Writer& out);
void write_sample(json::Writer& out, std::initializer_list<Label> labels, double value);
// A family of one sample without labels.
void write_single(json::Writer& out, std::string_view name, std::string_view kind,
                  std::string_view help, std::string_view unit, double value);

// One sample of a histogram of seconds.
void write_histogram(json::Writer& out, std::initializer_list<Label> labels,
                     const Durations& durations);

}  // namespace cofounder::metrics
