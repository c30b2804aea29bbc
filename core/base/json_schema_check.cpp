// SPDX-License-Identifier: Apache-2.0
// Checking a value against a compiled schema, and filling in defaults.
#include <utility>

#include "core/base/json_schema.hpp"
#include "core/base/json_schema_node.hpp"

namespace cofounder::json {
namespace {

constexpr std::size_t pattern_subject_bytes_max = 4096;  // std::regex recurses over its subject

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

std::optional<Error> Schema::check(View value, std::string_view name) const {
  return root_->check(value, std::string{name});
}

std::string Schema::with_defaults(View value) const {
  Writer out;
  root_->write_with_defaults(value, out);
  return out.take();
}

}  // namespace cofounder::json
