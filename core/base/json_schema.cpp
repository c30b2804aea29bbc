// SPDX-License-Identifier: Apache-2.0
// Compiling a schema: every keyword is known or refused.
#include "core/base/json_schema.hpp"

#include <set>
#include <utility>

#include "core/base/json_schema_node.hpp"

namespace cofounder::json {
namespace {

constexpr std::size_t depth_max = 32;
constexpr std::size_t pattern_bytes_max = 256;

const std::set<std::string_view> silent_keywords{"default", "description", "title",
                                                 "format",  "examples",    "$schema"};

using Node = Schema::Node;
using NodeResult = Result<std::shared_ptr<const Node>>;

Error bad_schema(const std::string& where, std::string_view why) {
  return make_error("invalid_schema", where + ": " + std::string{why});
}

NodeResult compile_node(View schema, const std::string& where, std::size_t depth);

std::optional<Error> compile_types(View value, Node& node, const std::string& where) {
  const std::size_t count = value.is_array() ? value.size() : 1;
  for (std::size_t i = 0; i < count; ++i) {
    const auto name = (value.is_array() ? value.at(i) : value).as_string();
    const auto type = name ? type_names.find(*name) : type_names.end();
    if (type == type_names.end()) return bad_schema(where, "unknown type");
    node.types |= type->second;
  }
  return std::nullopt;
}

std::optional<Error> compile_object(std::string_view key, View value, Node& node,
                                    const std::string& where, std::size_t depth) {
  if (key == "properties") {
    if (!value.is_object()) return bad_schema(where, "properties must be an object");
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string name{value.key_at(i)};
      auto child = compile_node(value.at(i), where + "." + name, depth + 1);
      if (!child) return child.error();
      node.properties.emplace(name, *child);
    }
  } else if (key == "required") {
    if (!value.is_array()) return bad_schema(where, "required must be an array");
    for (std::size_t i = 0; i < value.size(); ++i) {
      const auto name = value.at(i).as_string();
      if (!name) return bad_schema(where, "required must hold strings");
      node.required.emplace_back(*name);
    }
  } else {  // additionalProperties, items
    auto child = compile_node(value, where + "." + std::string{key}, depth + 1);
    if (!child) return child.error();
    (key == "items" ? node.items : node.additional) = *child;
  }
  return std::nullopt;
}

std::optional<Error> compile_choices(std::string_view key, View value, Node& node,
                                     const std::string& where, std::size_t depth) {
  if (!value.is_array() || value.size() == 0) {
    return bad_schema(where, std::string{key} + " must be an array that is not empty");
  }
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (key == "enum") {
      node.values.push_back(value.at(i).text());
      continue;
    }
    auto child = compile_node(value.at(i), where + "." + std::string{key}, depth + 1);
    if (!child) return child.error();
    (key == "anyOf" ? node.any_of : node.one_of).push_back(*child);
  }
  return std::nullopt;
}

std::optional<Error> compile_pattern(View value, Node& node, const std::string& where) {
  const auto text = value.as_string();
  if (!text || text->size() > pattern_bytes_max) {
    return bad_schema(where, "pattern must be a string of at most 256 bytes");
  }
  try {
    node.pattern_text = *text;
    node.pattern.emplace(node.pattern_text, std::regex::ECMAScript | std::regex::optimize);
  } catch (const std::regex_error& error) {
    return bad_schema(where, std::string{"pattern: "} + error.what());
  }
  return std::nullopt;
}

std::optional<Error> compile_limit(std::string_view key, View value, Node& node,
                                   const std::string& where) {
  if (key == "minimum" || key == "maximum") {
    const auto number = value.as_number();
    if (!number) return bad_schema(where, std::string{key} + " must be a number");
    (key == "minimum" ? node.minimum : node.maximum) = number;
    return std::nullopt;
  }
  const auto count = value.as_integer();
  if (!count || *count < 0) return bad_schema(where, std::string{key} + " must be a count");
  auto& limit = key == "minLength"   ? node.length_min
                : key == "maxLength" ? node.length_max
                : key == "minItems"  ? node.items_min
                                     : node.items_max;
  limit = static_cast<std::size_t>(*count);
  return std::nullopt;
}

std::optional<Error> compile_keyword(std::string_view key, View value, Node& node,
                                     const std::string& where, std::size_t depth) {
  static const std::set<std::string_view> limits{"minimum",   "maximum",  "minLength",
                                                 "maxLength", "minItems", "maxItems"};
  if (key == "type") return compile_types(value, node, where);
  if (key == "properties" || key == "required" || key == "additionalProperties" || key == "items") {
    return compile_object(key, value, node, where, depth);
  }
  if (key == "enum" || key == "anyOf" || key == "oneOf") {
    return compile_choices(key, value, node, where, depth);
  }
  if (key == "const") {
    node.values = {value.text()};
    return std::nullopt;
  }
  if (limits.contains(key)) return compile_limit(key, value, node, where);
  if (key == "pattern") return compile_pattern(value, node, where);
  if (key == "default") node.fallback = value.text();
  if (silent_keywords.contains(key) || key.starts_with("x-")) return std::nullopt;
  return bad_schema(where, "keyword \"" + std::string{key} + "\" is not supported");
}

NodeResult compile_node(View schema, const std::string& where, std::size_t depth) {
  auto node = std::make_shared<Node>();
  if (depth > depth_max) return bad_schema(where, "nested too deeply");
  if (const auto all = schema.as_bool()) {
    node->nothing_fits = !*all;
    return std::shared_ptr<const Node>{node};
  }
  if (!schema.is_object()) return bad_schema(where, "a schema must be an object");
  for (std::size_t i = 0; i < schema.size(); ++i) {
    if (auto error = compile_keyword(schema.key_at(i), schema.at(i), *node, where, depth)) {
      return *error;
    }
  }
  return std::shared_ptr<const Node>{node};
}

}  // namespace

Result<Schema> Schema::compile(View schema) {
  auto root = compile_node(schema, "schema", 0);
  if (!root) return root.error();
  return Schema{*root};
}

}  // namespace cofounder::json
