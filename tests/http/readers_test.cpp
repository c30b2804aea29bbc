// SPDX-License-Identifier: Apache-2.0
#include "core/http/readers.hpp"
#include "core/base/json.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <vector>

namespace cofounder::http {
namespace {

std::string decode_base64(std::string_view text) {
  constexpr std::string_view letters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string bytes;
  unsigned bits = 0;
  int count = 0;
  for (const char c : text) {
    const std::size_t value = letters.find(c);
    if (value == std::string_view::npos) continue;
    bits = bits << 6 | static_cast<unsigned>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>(bits >> count & 0xFF));
    }
  }
  return bytes;
}

json::Document load_cases() {
  std::ifstream file{COFOUNDER_SOURCE_DIR "/tests/vectors/stream_cases.json"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  return json::parse(text).value();
}

std::vector<SseEvent> read_events(const std::vector<std::string_view>& pieces) {
  SseReader reader;
  std::vector<SseEvent> events;
  for (const auto piece : pieces) {
    EXPECT_FALSE(reader.feed(piece, [&](const SseEvent& event) { events.push_back(event); }));
  }
  return events;
}

std::vector<std::string> read_lines(const std::vector<std::string_view>& pieces) {
  LineReader reader;
  std::vector<std::string> lines;
  for (const auto piece : pieces) {
    EXPECT_FALSE(reader.feed(piece, [&](std::string_view line) { lines.emplace_back(line); }));
  }
  if (!reader.rest().empty()) lines.emplace_back(reader.rest());
  return lines;
}

// Whole, byte by byte, and cut in two at every position.
std::vector<std::vector<std::string_view>> slicings(std::string_view body) {
  std::vector<std::vector<std::string_view>> all{{body}, {}};
  for (std::size_t i = 0; i < body.size(); ++i) all[1].push_back(body.substr(i, 1));
  // Of the one long body the ends have to do: every cut would read gigabytes.
  for (std::size_t i = 1; i < body.size(); ++i) {
    if (i > 4096 && i + 4096 < body.size()) continue;
    all.push_back({body.substr(0, i), body.substr(i)});
  }
  return all;
}

TEST(SseReader, ReadsTheRecordedStreamsInEverySlicing) {
  const auto document = load_cases();
  const auto cases = document.root().find("sse");
  ASSERT_GE(cases.size(), 10u);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases.at(i).string_or("name", ""));
    const std::string body = decode_base64(cases.at(i).string_or("body_base64", ""));
    const auto expected = cases.at(i).find("whatwg_events");
    for (const auto& slicing : slicings(body)) {
      const auto events = read_events(slicing);
      std::size_t count = 0;
      for (std::size_t k = 0; k < expected.size(); ++k) {
        ASSERT_LT(count, events.size());
        if (const auto size = expected.at(k).find("data_len").as_integer()) {
          ASSERT_EQ(events[count].data.size(), static_cast<std::size_t>(*size));
        } else {
          EXPECT_EQ(events[count].data, expected.at(k).find("data").as_string());
        }
        EXPECT_EQ(events[count].name, expected.at(k).string_or("event", ""));
        if (const auto id = expected.at(k).find("id")) {
          EXPECT_EQ(events[count].id, id.as_string());
        }
        ++count;
      }
      ASSERT_EQ(events.size(), count);
    }
  }
}

TEST(LineReader, ReadsTheRecordedStreamsInEverySlicing) {
  const auto document = load_cases();
  const auto cases = document.root().find("ndjson");
  ASSERT_GE(cases.size(), 4u);
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(cases.at(i).string_or("name", ""));
    const std::string body = decode_base64(cases.at(i).string_or("body_base64", ""));
    const auto objects = cases.at(i).find("ollama_sdk").find("objects");
    for (const auto& slicing : slicings(body)) {
      const auto lines = read_lines(slicing);
      ASSERT_GE(lines.size(), objects.size());
      for (std::size_t k = 0; k < objects.size(); ++k) {
        const auto parsed = json::parse(lines[k]);
        ASSERT_TRUE(parsed);
        EXPECT_EQ(parsed->root().text(), objects.at(k).text());
      }
    }
  }
}

TEST(SseReader, FollowsTheStandardInEverySlicing) {
  std::string body =
      "\xEF\xBB\xBF"
      "data: a\rdata:  b\r\n\r: comment\nunknown: x\n\n"
      "event: named\nid: 4\ndata\n\nid: ba?d\ndata: c\n\nevent: dropped\n\ndata: never ended";
  body[body.find('?')] = '\0';

  for (const auto& slicing : slicings(body)) {
    const auto events = read_events(slicing);
    ASSERT_EQ(events.size(), 3u);
    EXPECT_EQ(events[0].data, "a\n b");
    EXPECT_EQ(events[0].name, "");
    EXPECT_EQ(events[0].id, "");
    EXPECT_EQ(events[1].data, "");
    EXPECT_EQ(events[1].name, "named");
    EXPECT_EQ(events[1].id, "4");
    EXPECT_EQ(events[2].data, "c");
    EXPECT_EQ(events[2].name, "");
    EXPECT_EQ(events[2].id, "4") << "an id with a zero byte is ignored";
  }
}

TEST(SseReader, DeliversAtACarriageReturnWithoutWaitingForMore) {
  EXPECT_EQ(read_events({"data: a\r\r"}).size(), 1u);
  EXPECT_EQ(read_events({"data: a\r\n\r"}).size(), 1u);
}

TEST(SseReader, RefusesAnEventThatIsTooBigAndAllAfterIt) {
  const auto ignore = [](const SseEvent&) { FAIL() << "nothing is whole"; };
  SseReader one_line{100};
  EXPECT_FALSE(one_line.feed("data: " + std::string(90, 'x'), ignore));
  const auto error = one_line.feed("xxxxxxxxxx", ignore);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "event_too_big");
  EXPECT_TRUE(one_line.feed("\n\n", ignore));

  SseReader many_lines{100};
  std::optional<Error> last;
  for (int i = 0; i < 20 && !last; ++i) last = many_lines.feed("data: 123456789\n", ignore);
  ASSERT_TRUE(last) << "lines of one event add up";
}

TEST(LineReader, TakesBothLineEndsAndSkipsEmptyLines) {
  const std::string body = "one\r\n\n\r\ntwo\nthree\rstill three\nrest";
  for (const auto& slicing : slicings(body)) {
    EXPECT_EQ(read_lines(slicing),
              (std::vector<std::string>{"one", "two", "three\rstill three", "rest"}));
  }
}

TEST(LineReader, RefusesALineThatIsTooBigAndAllAfterIt) {
  LineReader reader{10};
  std::vector<std::string> lines;
  const auto keep = [&](std::string_view line) { lines.emplace_back(line); };
  EXPECT_FALSE(reader.feed("1234567890\n123", keep));
  const auto error = reader.feed("45678901\n", keep);
  ASSERT_TRUE(error);
  EXPECT_EQ(error->code, "line_too_big");
  EXPECT_TRUE(reader.feed("\nx\n", keep));
  EXPECT_EQ(lines, (std::vector<std::string>{"1234567890"}));
}

}  // namespace
}  // namespace cofounder::http
