// SPDX-License-Identifier: Apache-2.0
#include "core/base/json_schema.hpp"

#include <map>
#include <optional>
#include <regex>
#include <set>
#include <utility>
#include <vector>

namespace cofounder::json {
namespace {

constexpr std::size_t depth_max = 32;
constexpr std::size_t pattern_bytes_max = 256;
constexpr std::size_t pattern_subject_bytes_max = 4096;  // std::regex recurses over its subject

const std::set<std::string_view> silent_keywords{"default", "description", "title",
                                                 "format",  "examples",    "$schema"};

enum Type : unsigned {
  type_null = 1,
  type_boolean = 2,
  type_integer = 4,
  type_number = 8,
  type_string = 16,
  type_array = 32,
  type_object = 64
};

const std::map<std::string_view, unsigned> type_names{
    {"null", type_null},     {"boolean", type_boolean}, {"integer", type_integer},
    {"number", type_number}, {"string", type_string},   {"array", type_array},
    {"object", type_object}};

unsigned types_of(View value) {
  switch (value.kind()) {
    case Kind::null:
      return type_null;
    case Kind::boolean:
      return type_boolean;
    case Kind::integer:
      return type_integer | type_number;
    case Kind::number:
      return value.as_integer() ? type_integer | type_number : unsigned{type_number};
    case Kind::string:
      return type_string;
    case Kind::array:
      return type_array;
    case Kind::object:
      return type_object;
  }
  return 0;
}

std::string with_article(std::string_view noun) {
  const bool vowel = std::string_view{"aeiou"}.find(noun[0]) != std::string_view::npos;
  return (vowel ? "an " : "a ") + std::string{noun};
}

std::string describe_types(unsigned types) {
  std::string text;
  for (const auto& [name, bit] : type_names) {
    if ((types & bit) == 0) continue;
    if (!text.empty()) text += " or ";
    text += name == "null" ? "null" : with_article(name);
  }
  return text;
}

// UTF-8 characters: bytes that do not continue one.
std::size_t characters(std::string_view text) {
  std::size_t count = 0;
  for (const char c : text) count += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return count;
}

Error misfit(std::string message) { return make_error("invalid_args", std::move(message)); }

}  // namespace

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

namespace {

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
    (key == "minimum" ? node.minimum : node.maximum) = *number;
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

std::optional<Error> Schema::Node::check(View value, const std::string& name) const {
  if (nothing_fits) return misfit(name + " is not allowed here");
  if (types != 0 && (types & types_of(value)) == 0) {
    return misfit(name + " must be " + describe_types(types));
  }
  if (!values.empty()) {
    const std::string text = value.text();
    bool found = false;
    for (const std::string& allowed : values) found = found || allowed == text;
    if (!found) {
      std::string list;
      for (const std::string& allowed : values) list += (list.empty() ? "" : ", ") + allowed;
      return misfit(name + " must be " + (values.size() == 1 ? "" : "one of ") + list);
    }
  }
  std::optional<Error> error;
  switch (value.kind()) {
    case Kind::string:
      error = check_string(*value.as_string(), name);
      break;
    case Kind::integer:
    case Kind::number:
      error = check_number(*value.as_number(), name);
      break;
    case Kind::array:
      error = check_array(value, name);
      break;
    case Kind::object:
      error = check_object(value, name);
      break;
    default:
      break;
  }
  return error ? error : check_choices(value, name);
}

std::optional<Error> Schema::Node::check_string(std::string_view text,
                                                const std::string& name) const {
  const auto count = length_min || length_max ? characters(text) : 0;
  if (length_min && count < *length_min) {
    return misfit(*length_min == 1 ? name + " must not be empty"
                                   : name + " must have at least " + std::to_string(*length_min) +
                                         " characters");
  }
  if (length_max && count > *length_max) {
    return misfit(name + " must have at most " + std::to_string(*length_max) + " characters");
  }
  if (pattern) {
    if (text.size() > pattern_subject_bytes_max) return misfit(name + " is too long");
    if (!std::regex_search(text.begin(), text.end(), *pattern)) {
      return misfit(name + " must match " + pattern_text);
    }
  }
  return std::nullopt;
}

std::optional<Error> Schema::Node::check_number(double number, const std::string& name) const {
  Writer limit;
  if (minimum && number < *minimum) {
    return misfit(name + " must be at least " + limit.number(*minimum).text());
  }
  if (maximum && number > *maximum) {
    return misfit(name + " must be at most " + limit.number(*maximum).text());
  }
  return std::nullopt;
}

std::optional<Error> Schema::Node::check_array(View value, const std::string& name) const {
  if (items_min && value.size() < *items_min) {
    return misfit(name + " must have at least " + std::to_string(*items_min) + " items");
  }
  if (items_max && value.size() > *items_max) {
    return misfit(name + " must have at most " + std::to_string(*items_max) + " items");
  }
  if (!items) return std::nullopt;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (auto error = items->check(value.at(i), name + "[" + std::to_string(i) + "]")) return error;
  }
  return std::nullopt;
}

std::optional<Error> Schema::Node::check_object(View value, const std::string& name) const {
  for (const std::string& key : required) {
    if (!value.find(key)) return misfit(name + "." + key + " is missing");
  }
  if (properties.empty() && !additional) return std::nullopt;
  for (std::size_t i = 0; i < value.size(); ++i) {
    const std::string_view key = value.key_at(i);
    const auto property = properties.find(key);
    const Node* node = property != properties.end() ? property->second.get() : additional.get();
    if (node == nullptr) continue;
    const std::string child = name + "." + std::string{key.substr(0, 64)};
    if (node->nothing_fits) return misfit(child + " is not known");
    if (auto error = node->check(value.at(i), child)) return error;
  }
  return std::nullopt;
}

std::optional<Error> Schema::Node::check_choices(View value, const std::string& name) const {
  const auto fitting = [&](const auto& nodes, std::optional<Error>& first) {
    std::size_t count = 0;
    for (const auto& node : nodes) {
      auto error = node->check(value, name);
      if (!error) ++count;
      if (error && !first) first = std::move(error);
    }
    return count;
  };
  std::optional<Error> first;
  if (!any_of.empty() && fitting(any_of, first) == 0) return first;
  if (!one_of.empty()) {
    first.reset();
    const std::size_t count = fitting(one_of, first);
    if (count == 0) return first;
    if (count > 1) return misfit(name + " fits more than one of the allowed forms");
  }
  return std::nullopt;
}

void Schema::Node::write_with_defaults(View value, Writer& out) const {
  if (value.is_array() && items) {
    out.begin_array();
    for (std::size_t i = 0; i < value.size(); ++i) items->write_with_defaults(value.at(i), out);
    out.end_array();
    return;
  }
  if (!value.is_object() || (properties.empty() && !additional)) {
    out.raw(value.text());
    return;
  }
  out.begin_object();
  for (std::size_t i = 0; i < value.size(); ++i) {
    out.key(value.key_at(i));
    const auto property = properties.find(value.key_at(i));
    if (property != properties.end()) {
      property->second->write_with_defaults(value.at(i), out);
    } else if (additional) {
      additional->write_with_defaults(value.at(i), out);
    } else {
      out.raw(value.at(i).text());
    }
  }
  for (const auto& [key, property] : properties) {
    if (property->fallback && !value.find(key)) out.key(key).raw(*property->fallback);
  }
  out.end_object();
}

Result<Schema> Schema::compile(View schema) {
  auto root = compile_node(schema, "schema", 0);
  if (!root) return root.error();
  return Schema{*root};
}

std::optional<Error> Schema::check(View value, std::string_view name) const {
  return root_->check(value, std::string{name});
}

std::string Schema::with_defaults(View value) const {
  Writer out;
  root_->write_with_defaults(value, out);
  return out.take();
}

}  // namespace cofounder::json
