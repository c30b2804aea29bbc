// SPDX-License-Identifier: Apache-2.0
#include "core/http/readers.hpp"

#include <utility>

namespace cofounder::http {

std::optional<Error> SseReader::feed(std::string_view bytes,
                                     const std::function<void(const SseEvent&)>& sink) {
  const auto too_big = [this] {
    broken_ = true;
    return make_error("event_too_big", "a server-sent event is longer than " +
                                           std::to_string(event_bytes_max_) + " bytes");
  };
  if (broken_) return too_big();
  while (!bytes.empty()) {
    // A CR ends its line at once, for it may be the last byte for long; an LF right after it
    // belongs to it.
    if (std::exchange(skip_lf_, false) && bytes.front() == '\n') {
      bytes.remove_prefix(1);
      continue;
    }
    const std::size_t end = bytes.find_first_of("\r\n");
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + event_.data.size() + piece.size() > event_bytes_max_) return too_big();
    if (end == std::string_view::npos) {
      line_.append(piece);
      return std::nullopt;
    }
    skip_lf_ = bytes[end] == '\r';
    bytes.remove_prefix(end + 1);
    if (line_.empty()) {
      line(piece, sink);
    } else {
      line_.append(piece);
      line(line_, sink);
      line_.clear();
    }
  }
  return std::nullopt;
}

void SseReader::line(std::string_view text, const std::function<void(const SseEvent&)>& sink) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (std::exchange(at_start_, false) && text.starts_with(byte_order_mark)) {
    text.remove_prefix(byte_order_mark.size());
  }
  if (text.empty()) {
    if (std::exchange(has_data_, false)) {
      event_.data.pop_back();  // the LF after its last line
      sink(event_);
    }
    event_.data.clear();
    event_.name.clear();  // the id stays: it is the last one seen
    return;
  }
  const std::size_t colon = text.find(':');
  if (colon == 0) return;
  const std::string_view field = text.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? "" : text.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "data") {
    event_.data.append(value).push_back('\n');
    has_data_ = true;
  } else if (field == "event") {
    event_.name = value;
  } else if (field == "id" && value.find('\0') == std::string_view::npos) {
    event_.id = value;
  }
}

std::optional<Error> LineReader::feed(std::string_view bytes,
                                      const std::function<void(std::string_view)>& sink) {
  const auto too_big = [this] {
    broken_ = true;
    return make_error("line_too_big",
                      "a line is longer than " + std::to_string(line_bytes_max_) + " bytes");
  };
  if (broken_) return too_big();
  const auto give = [&sink](std::string_view line) {
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty()) sink(line);
  };
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    const std::string_view piece = bytes.substr(0, end);
    if (line_.size() + piece.size() > line_bytes_max_) return too_big();
    if (end == std::string_view::npos) {
      line_.append(piece);
      return std::nullopt;
    }
    bytes.remove_prefix(end + 1);
    if (line_.empty()) {
      give(piece);
    } else {
      line_.append(piece);
      give(line_);
      line_.clear();
    }
  }
  return std::nullopt;
}

}  // namespace cofounder::http
