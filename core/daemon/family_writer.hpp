// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/json.hpp"

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

// Of seconds, from 5 ms to 5 min.
class Durations {
 public:
  Durations();
  void observe(double seconds);
  void write(json::Writer& out, std::initializer_list<Label> labels) const;

 private:
  std::vector<std::uint64_t> buckets_;  // one more than there are bounds
  double sum_ = 0;
  std::uint64_t count_ = 0;
};

}  // namespace cofounder::metrics
