// SPDX-License-Identifier: Apache-2.0
// Streamed bodies of providers: server-sent events and lines, in whatever pieces they arrive.
#include "core/http/readers.hpp"

#include <string>

#include "tests/fuzz/fuzz.hpp"

namespace {

constexpr std::size_t item_bytes_max = 256;

std::string events(std::string_view bytes, std::size_t piece) {
  cofounder::http::SseReader reader{item_bytes_max};
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const auto error = reader.feed(bytes.substr(at, piece), [&text](const auto& event) {
      cofounder::fuzz::require(event.data.size() <= item_bytes_max, "an event has a limit");
      text += event.name + "\x1f" + event.id + "\x1f" + event.data + "\x1e";
    });
    if (error) return text + error->code;
  }
  return text;
}

std::string lines(std::string_view bytes, std::size_t piece) {
  cofounder::http::LineReader reader{item_bytes_max};
  std::string text;
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const auto error = reader.feed(bytes.substr(at, piece), [&text](std::string_view line) {
      cofounder::fuzz::require(!line.empty() && line.size() <= item_bytes_max, "a line has a limit");
      text.append(line).append("\x1e");
    });
    if (error) return text + error->code;
  }
  return text.append(reader.rest());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cofounder;
  const std::string_view bytes = fuzz::text_of(data, size);
  for (const auto& read : {events, lines}) {
    const std::string whole = read(bytes, bytes.size() + 1);
    fuzz::require(read(bytes, 1) == whole, "the pieces of a stream do not matter");
    fuzz::require(read(bytes, 5) == whole, "the pieces of a stream do not matter");
  }
  return 0;
}
