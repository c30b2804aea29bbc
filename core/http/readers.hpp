// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

// Readers of streamed bodies.  They take bytes in any slicing and give whole items.
namespace cofounder::http {

struct SseEvent {
  std::string name;  // empty: "message"
  std::string id;    // the last id seen
  std::string data;
};

// Server-sent events as the WHATWG standard reads them: LF, CRLF and CR; data lines joined by LF;
// comments, unknown fields and a leading BOM skipped; an event without its final blank line is not
// delivered.
class SseReader {
 public:
  explicit SseReader(std::size_t event_bytes_max = 1u << 20) : event_bytes_max_{event_bytes_max} {}
  // Code "event_too_big".  After an error nothing more is read.
  std::optional<Error> feed(std::string_view bytes, const std::function<void(const SseEvent&)>& sink);

 private:
  void line(std::string_view text, const std::function<void(const SseEvent&)>& sink);
  std::size_t event_bytes_max_;
  std::string line_;
  SseEvent event_;
  bool has_data_ = false;
  bool skip_lf_ = false;
  bool at_start_ = true;
  bool broken_ = false;
};

// Lines ended by LF or CRLF; empty ones are skipped.
class LineReader {
 public:
  explicit LineReader(std::size_t line_bytes_max = 1u << 20) : line_bytes_max_{line_bytes_max} {}
  // Code "line_too_big".
  std::optional<Error> feed(std::string_view bytes, const std::function<void(std::string_view)>& sink);
  // What came after the last line end.
  std::string_view rest() const noexcept { return line_; }

 private:
  std::size_t line_bytes_max_;
  std::string line_;
  bool broken_ = false;
};

}  // namespace cofounder::http
