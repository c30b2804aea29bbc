// SPDX-License-Identifier: Apache-2.0
#pragma once

// A compiled schema, shared by the two halves of json::Schema: compiling and checking.

#include <map>
#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/json_schema.hpp"

namespace cofounder::json {

enum Type : unsigned {
  type_null = 1,
  type_boolean = 2,
  type_integer = 4,
  type_number = 8,
  type_string = 16,
  type_array = 32,
  type_object = 64
};

inline const std::map<std::string_view, unsigned> type_names{
    {"null", type_null},     {"boolean", type_boolean}, {"integer", type_integer},
    {"number", type_number}, {"string", type_string},   {"array", type_array},
    {"object", type_object}};

struct Schema::Node {
  bool nothing_fits = false;  // the schema `false`
  unsigned types = 0;         // 0: any
  std::map<std::string, std::shared_ptr<const Node>, std::less<>> properties;
  std::vector<std::string> required;
  std::shared_ptr<const Node> additional;  // null: anything
  std::shared_ptr<const Node> items;
  std::vector<std::string> values;  // enum and const, as JSON text; empty: any
  std::optional<double> minimum, maximum;
  std::optional<std::size_t> length_min, length_max, items_min, items_max;
  std::optional<std::regex> pattern;
  std::string pattern_text;
  std::vector<std::shared_ptr<const Node>> any_of, one_of;
  std::optional<std::string> fallback;  // "default", as JSON text

  std::optional<Error> check(View value, const std::string& name) const;
  std::optional<Error> check_string(std::string_view text, const std::string& name) const;
  std::optional<Error> check_number(double number, const std::string& name) const;
  std::optional<Error> check_array(View value, const std::string& name) const;
  std::optional<Error> check_object(View value, const std::string& name) const;
  std::optional<Error> check_choices(View value, const std::string& name) const;
  void write_with_defaults(View value, Writer& out) const;
};

}  // namespace cofounder::json
