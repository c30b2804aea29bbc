// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <string_view>

namespace cofounder::host {

// Cuts a program's output into lines, in whatever pieces it comes.  A line ends with "\n", "\r\n" or
// "\r"; of one that is too long the beginning is kept.
class LineCutter {
 public:
  explicit LineCutter(std::size_t line_bytes_max) : line_bytes_max_{line_bytes_max} {}

  // Calls `sink(line, bytes that it lacks)`.
  template <class Sink>
  void feed(std::string_view bytes, Sink&& sink) {
    while (!bytes.empty()) {
      if (skip_lf_) {
        skip_lf_ = false;
        if (bytes.front() == '\n') {
          bytes.remove_prefix(1);
          continue;
        }
      }
      const std::size_t end = bytes.find_first_of("\r\n");
      const std::string_view part = bytes.substr(0, end);
      const std::size_t room = line_bytes_max_ - line_.size();
      line_.append(part.substr(0, room));
      missing_ += part.size() - std::min(room, part.size());
      has_begun_ = has_begun_ || !part.empty();
      if (end == std::string_view::npos) return;
      skip_lf_ = bytes[end] == '\r';
      bytes.remove_prefix(end + 1);
      give(sink);
    }
  }
  // The last line has no end.
  template <class Sink>
  void finish(Sink&& sink) {
    if (has_begun_) give(sink);
  }

 private:
  template <class Sink>
  void give(Sink& sink) {
    const std::size_t missing = missing_;
    missing_ = 0;
    has_begun_ = false;
    sink(std::string_view{line_}, missing);
    line_.clear();
  }

  const std::size_t line_bytes_max_;
  std::string line_;
  std::size_t missing_ = 0;
  bool has_begun_ = false;
  bool skip_lf_ = false;
};

}  // namespace cofounder::host
