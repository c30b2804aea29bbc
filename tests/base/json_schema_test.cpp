// SPDX-License-Identifier: Apache-2.0
#include "core/base/json_schema.hpp"

#include <gtest/gtest.h>

namespace cofounder::json {
namespace {

Schema schema(std::string_view text) {
  const auto document = parse(text);
  auto compiled = Schema::compile(document.value().root());
  if (!compiled) throw ErrorException{compiled.error()};
  return *compiled;
}

// What the check of `value` says, or "fits".
std::string verdict(const Schema& schema, std::string_view value) {
  const auto document = parse(value);
  const auto error = schema.check(document.value().root());
  return error ? error->message : "fits";
}

TEST(JsonSchema, NamesTheFieldThatDoesNotFit) {
  const Schema upload = schema(R"({
    "type": "object", "required": ["file"], "additionalProperties": false,
    "properties": {
      "file": {"type": "string", "minLength": 1, "maxLength": 5},
      "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
      "size": {"type": ["integer", "null"], "minimum": 1, "maximum": 9},
      "kind": {"enum": ["image", "raw"]},
      "name": {"pattern": "^[a-z]+$"}
    }})");
  EXPECT_EQ(verdict(upload, R"({"file":"a"})"), "fits");
  EXPECT_EQ(verdict(upload, R"({"file":"äöüßé"})"), "fits");
  EXPECT_EQ(verdict(upload, R"([])"), "args must be an object");
  EXPECT_EQ(verdict(upload, R"({})"), "args.file is missing");
  EXPECT_EQ(verdict(upload, R"({"file":""})"), "args.file must not be empty");
  EXPECT_EQ(verdict(upload, R"({"file":"123456"})"), "args.file must have at most 5 characters");
  EXPECT_EQ(verdict(upload, R"({"file":1})"), "args.file must be a string");
  EXPECT_EQ(verdict(upload, R"({"file":"a","x":1})"), "args.x is not known");
  EXPECT_EQ(verdict(upload, R"({"file":"a","tags":["b",2]})"), "args.tags[1] must be a string");
  EXPECT_EQ(verdict(upload, R"({"file":"a","tags":["b","c","d"]})"),
            "args.tags must have at most 2 items");
  EXPECT_EQ(verdict(upload, R"({"file":"a","size":0})"), "args.size must be at least 1");
  EXPECT_EQ(verdict(upload, R"({"file":"a","size":10})"), "args.size must be at most 9");
  EXPECT_EQ(verdict(upload, R"({"file":"a","size":1.5})"),
            "args.size must be an integer or null");
  EXPECT_EQ(verdict(upload, R"({"file":"a","size":null})"), "fits");
  EXPECT_EQ(verdict(upload, R"({"file":"a","kind":"video"})"),
            R"(args.kind must be one of "image", "raw")");
  EXPECT_EQ(verdict(upload, R"({"file":"a","name":"A"})"), "args.name must match ^[a-z]+$");
}

TEST(JsonSchema, ChoicesAreAnyOrExactlyOne) {
  const Schema any = schema(R"({"anyOf": [{"type": "string"}, {"type": "integer"}]})");
  EXPECT_EQ(verdict(any, "1"), "fits");
  EXPECT_EQ(verdict(any, "null"), "args must be a string");
  const Schema one = schema(R"({"oneOf": [{"minimum": 1}, {"maximum": 5}]})");
  EXPECT_EQ(verdict(one, "9"), "fits");
  EXPECT_EQ(verdict(one, "3"), "args fits more than one of the allowed forms");
}

TEST(JsonSchema, FillsInDefaultsAtEveryDepth) {
  const Schema nested = schema(R"({
    "properties": {
      "a": {"default": 5},
      "b": {"type": "object", "properties": {"c": {"default": "x"}, "d": {}}},
      "e": {"items": {"properties": {"f": {"default": true}}}}
    }})");
  const auto document = parse(R"({"b":{"d":1},"e":[{},{"f":false}],"z":[1]})");
  EXPECT_EQ(nested.with_defaults(document->root()),
            R"({"b":{"d":1,"c":"x"},"e":[{"f":true},{"f":false}],"z":[1],"a":5})");
}

TEST(JsonSchema, WhatItCannotCheckIsRefused) {
  for (const char* text :
       {R"({"allOf": []})", R"({"type": "text"})", R"({"properties": []})", R"({"pattern": "("})",
        R"({"minLength": -1})", R"({"properties": {"a": {"$ref": "#"}}})", R"([])", R"("x")"}) {
    const auto document = parse(text);
    const auto compiled = Schema::compile(document->root());
    ASSERT_FALSE(compiled) << text;
    EXPECT_EQ(compiled.error().code, "invalid_schema");
  }
}

TEST(JsonSchema, DeepSchemasAreRefusedNotFollowed) {
  std::string text = "{}";
  for (int i = 0; i < 31; ++i) text = R"({"items":)" + text + "}";
  EXPECT_NO_THROW(schema(text));
  text = R"({"items":)" + text + "}";
  text = R"({"items":)" + text + "}";
  EXPECT_THROW(schema(text), ErrorException);
}

}  // namespace
}  // namespace cofounder::json
