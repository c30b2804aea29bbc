// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

// What is known of a plugin's last mishap: for `cofounderctl plugin why`.
struct PluginWhy {
  Time when{};
  std::string code;                 // of the error
  std::string what;                 // a sentence
  int signal = 0;                   // 0: none
  std::string backtrace;            // lines; empty: none was written
  std::vector<std::string> calls;   // that were in flight: "operation "upload" of task T, attempt 1"
  std::vector<std::string> lines;   // of its log, the last ones
};

// The last lines that a plugin wrote to its log; from any thread.
class LogTail {
 public:
  static constexpr std::size_t lines_max = 20;
  static constexpr std::size_t line_bytes_max = 512;

  void add(std::string_view line);
  std::vector<std::string> lines() const;

 private:
  mutable std::mutex mutex_;
  std::deque<std::string> lines_;
};

}  // namespace cofounder
