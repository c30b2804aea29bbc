// SPDX-License-Identifier: Apache-2.0
// What clients send over the control socket: HTTP, in whatever pieces it arrives.
#include "core/http/server_request.hpp"

#include <string>
#include <vector>

#include "tests/fuzz/fuzz.hpp"

namespace {

using cofounder::http::RequestReader;

// All that the reader says of the bytes, when they come in pieces of `piece` bytes.
std::string story(std::string_view bytes, std::size_t piece) {
  constexpr std::uint64_t header_bytes_max = 4096;
  RequestReader reader{header_bytes_max};
  std::string text;
  std::size_t from = 0;
  std::size_t to = std::min(piece, bytes.size());
  for (int requests = 0; requests < 16;) {
    std::size_t used = 0;
    const auto step = reader.feed(bytes.substr(from, to - from), used);
    cofounder::fuzz::require(used <= to - from, "only what was offered is used");
    from += used;
    switch (step) {
      case RequestReader::Step::need_more:
        if (to == bytes.size()) return text + "|more";
        to = std::min(to + piece, bytes.size());
        break;
      case RequestReader::Step::head:
        text += "|head " + reader.request().method + " " + reader.request().path;
        break;
      case RequestReader::Step::body:
        text += reader.piece();
        break;
      case RequestReader::Step::done:
        text += "|done";
        reader.restart();
        ++requests;
        break;
      case RequestReader::Step::failed:
        return text + "|failed " + std::to_string(reader.failure().first);
    }
  }
  return text;
}

// What is not complete may differ a little: a head that is wrong already is refused at once or waited
// for, and the last bytes of a chunked body wait for the next ones.
bool agree(std::string_view a, std::string_view b) {
  constexpr std::size_t held_back_max = 4;
  if (a == b) return true;
  const auto is_open = [](std::string_view text) { return text.ends_with("|more"); };
  if (!is_open(a) && !is_open(b)) return false;
  a = a.substr(0, a.rfind('|'));
  b = b.substr(0, b.rfind('|'));
  if (a.size() > b.size()) std::swap(a, b);
  return b.starts_with(a) && b.size() - a.size() <= held_back_max;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace cofounder;
  if (size > 65'536) return 0;
  const std::string_view bytes = fuzz::text_of(data, size);
  const std::string whole = story(bytes, bytes.size() + 1);
  fuzz::require(agree(story(bytes, 1), whole), "the pieces of a request do not matter");
  fuzz::require(agree(story(bytes, 7), whole), "the pieces of a request do not matter");
  for (const bool is_query : {false, true}) {
    if (const auto decoded = http::percent_decode(bytes, is_query)) {
      fuzz::require(decoded->size() <= bytes.size(), "decoding does not grow");
      for (const char c : *decoded) fuzz::require(static_cast<unsigned char>(c) >= 0x20, "no controls");
    }
  }
  return 0;
}
