// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace cofounder::json {
namespace {

TEST(Json, WhatIsWrittenIsReadBack) {
  Writer out;
  out.begin_object()
      .member("text", "a\"b\\c\n\x01 \xc3\xa4")
      .member("yes", true)
      .member("whole", std::int64_t{-42})
      .member("broken", 0.5)
      .key("list")
      .begin_array()
      .integer(1)
      .null()
      .begin_object()
      .end_object()
      .end_array()
      .member_raw("raw", R"({"x":1})")
      .end_object();

  const auto document = parse(out.text());
  ASSERT_TRUE(document) << out.text();
  const View root = document->root();
  EXPECT_EQ(root.find("text").as_string(), "a\"b\\c\n\x01 \xc3\xa4");
  EXPECT_EQ(root.find("yes").as_bool(), true);
  EXPECT_EQ(root.find("whole").as_integer(), -42);
  EXPECT_EQ(root.find("broken").as_number(), 0.5);
  EXPECT_EQ(root.find("list").size(), 3u);
  EXPECT_EQ(root.at_pointer("/raw/x").as_integer(), 1);
  EXPECT_FALSE(root.find("absent"));
  EXPECT_EQ(root.text(), out.text());
}

TEST(Json, BrokenUtf8BecomesTheReplacementCharacter) {
  const std::string text = quote("a\xff\xe2\x82z\xed\xa0\x80");
  const auto document = parse(text);
  ASSERT_TRUE(document);
  EXPECT_EQ(document->root().as_string(),
            "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Json, ErrorsSayWhere) {
  for (const char* text : {"", "{", "[1,]", "{\"a\":1} x", "\"\xff\"", "nul", "01", "\"\\u12\""}) {
    const auto document = parse(text);
    ASSERT_FALSE(document) << text;
    EXPECT_EQ(document.error().code, "invalid_json");
    EXPECT_NE(document.error().message.find("at byte"), std::string::npos);
  }
  EXPECT_NE(parse("[1, 2, x]").error().message.find("at byte 7"), std::string::npos);
}

TEST(Json, DepthIsLimited) {
  EXPECT_TRUE(parse(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(parse(std::string(65, '[') + std::string(65, ']')));
  EXPECT_FALSE(parse(std::string(100'000, '[')));
}

TEST(Json, NumbersOutOfRangeAreNotIntegers) {
  const auto document = parse("[9223372036854775807, 18446744073709551615, 1e30, 3.0, 2.5]");
  ASSERT_TRUE(document);
  const View list = document->root();
  EXPECT_EQ(list.at(0).as_integer(), std::numeric_limits<std::int64_t>::max());
  EXPECT_FALSE(list.at(1).as_integer());
  EXPECT_FALSE(list.at(2).as_integer());
  EXPECT_EQ(list.at(3).as_integer(), 3);
  EXPECT_FALSE(list.at(4).as_integer());
}

TEST(Json, NumbersThatAreNotFiniteBecomeNull) {
  Writer out;
  out.begin_array().number(std::numeric_limits<double>::infinity()).number(1).end_array();
  EXPECT_EQ(out.text(), "[null,1]");
}

TEST(Json, AnErrorGoesThereAndBack) {
  Error error = make_error("rate_limited", "slow down", true);
  error.plugin = "cloudinary";
  error.hint = "wait";
  error.retry_after = Milliseconds{1500};
  const auto document = parse(to_json(error));
  ASSERT_TRUE(document);
  EXPECT_EQ(error_from_json(document->root()), error);
}

TEST(Json, ViewsOutliveTheMoveOfTheirDocument) {
  auto first = parse(R"({"a":"text that is longer than any small string"})");
  const View view = first->root().find("a");
  const Document second = std::move(*first);
  EXPECT_EQ(view.as_string(), "text that is longer than any small string");
}

TEST(Json, NumbersAreReadAsExactlyAsTheyAreWritten) {
  for (const std::string text : {"2.05e+301", "0.1", "123456789.123456", "5e-324", "-0.0", "1.7976931348623157e+308"}) {
    EXPECT_EQ(json::parse(text)->root().text(), text);
  }
  EXPECT_EQ(json::parse("20.5e300")->root().as_number(), 20.5e300);
}

}  // namespace
}  // namespace cofounder::json
