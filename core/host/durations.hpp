// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace cofounder {

// How long things took, as a histogram with the bounds of Prometheus' users.
struct Durations {
  static constexpr std::array<double, 13> bounds{0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
                                                 1,     2.5,  5,     10,   60,  300};
  std::array<std::uint64_t, bounds.size() + 1> buckets{};  // the last: longer than all
  double sum = 0;
  std::uint64_t count = 0;

  void observe(double seconds) noexcept {
    std::size_t i = 0;
    while (i < bounds.size() && seconds > bounds[i]) ++i;
    ++buckets[i];
    sum += seconds;
    ++count;
  }
  void add(const Durations& other) noexcept {
    for (std::size_t i = 0; i < buckets.size(); ++i) buckets[i] += other.buckets[i];
    sum += other.sum;
    count += other.count;
  }
};

}  // namespace cofounder
