// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/json.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

// Every metric family of the daemon and of its plugins.  From any thread; nothing here waits for
// more than the copying of numbers.
//
// A family belongs to all who registered it with the same shape; a series to whoever made it, and
// counts against that one's limit.  The core registers as owner "" and has no limits.
class MetricRegistry {
 public:
  enum class Kind { counter = 1, gauge = 2, histogram = 3 };
  struct Shape {
    Kind kind = Kind::counter;
    std::string name;  // as registered: without "cofounderd_" and "_total"
    std::string help;
    std::string unit;  // "seconds", "bytes", "ratio" or empty
    std::vector<std::string> labels;
    std::vector<double> bounds;  // histogram: upper bounds, without +Inf
  };
  using Labels = std::span<const std::string_view>;

  static constexpr std::size_t families_max = 64;    // of one plugin
  static constexpr std::size_t series_max = 1'000;   // of one plugin
  static constexpr std::size_t labels_max = 8;
  static constexpr std::size_t bounds_max = 64;
  static constexpr std::size_t label_bytes_max = 256;
  static constexpr std::size_t help_bytes_max = 1'024;

  MetricRegistry();
  ~MetricRegistry();

  // The handle of the family.  Codes "invalid_metric", "metric_exists" (the name has another shape),
  // "limit_reached".
  Result<std::uint64_t> add_family(std::string_view owner, Shape shape);

  // Codes "invalid_metric" (wrong kind, number or values of labels, not a finite number, a negative
  // counter) and "unknown_metric" (not a handle of this owner).
  std::optional<Error> add(std::string_view owner, std::uint64_t family, Labels labels,
                           double value);
  std::optional<Error> set(std::string_view owner, std::uint64_t family, Labels labels,
                           double value);
  std::optional<Error> observe(std::string_view owner, std::uint64_t family, Labels labels,
                               double value);
  std::optional<Error> forget(std::string_view owner, std::uint64_t family, Labels labels);

  // The plugin is gone: its handles end and its gauges vanish.  Its counters and histograms stay,
  // so that they do not fall when it comes back.
  void remove_owner(std::string_view owner);

  // The families as elements of an array that the writer is in, by name.
  void write(json::Writer& out) const;
  // What the core tells of itself, as an array of families: it knows that on the loop only, and
  // leaves it here for those who ask elsewhere.
  void set_core(std::string_view families);
  // {"families": [...]}, see services/metric.h: the registered ones, and those of set_core().
  std::string snapshot() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
