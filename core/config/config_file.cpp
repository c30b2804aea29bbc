// SPDX-License-Identifier: Apache-2.0
#include "core/config/regular_file.hpp"
#include "core/config/tree.hpp"

#include <toml++/toml.h>

#include <sstream>

// The only file that knows toml++, which takes long to compile.
namespace cofounder::config {
namespace {

using FileName = std::shared_ptr<const std::string>;

template <class T>
std::string text_of(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

Node node_of(const toml::node& from, const FileName& file, std::uint32_t line) {
  Node node;
  node.file = file;
  node.line = line;
  if (const auto* table = from.as_table()) {
    node.kind = Node::Kind::table;
    for (const auto& [key, value] : *table) {
      node.keys.emplace_back(key.str());
      node.elements.push_back(node_of(value, file, key.source().begin.line));
    }
  } else if (const auto* array = from.as_array()) {
    node.kind = Node::Kind::array;
    for (const auto& value : *array) {
      node.elements.push_back(node_of(value, file, value.source().begin.line));
    }
  } else if (const auto* string = from.as_string()) {
    node.kind = Node::Kind::string;
    node.text = string->get();
  } else if (const auto* integer = from.as_integer()) {
    node.kind = Node::Kind::integer;
    node.integer = integer->get();
  } else if (const auto* number = from.as_floating_point()) {
    node.kind = Node::Kind::number;
    node.number = number->get();
  } else if (const auto* boolean = from.as_boolean()) {
    node.kind = Node::Kind::boolean;
    node.boolean = boolean->get();
  } else {
    node.kind = Node::Kind::time;
    if (const auto* date = from.as_date()) node.text = text_of(date->get());
    if (const auto* time = from.as_time()) node.text = text_of(time->get());
    if (const auto* both = from.as_date_time()) node.text = text_of(both->get());
  }
  return node;
}

}  // namespace

std::optional<Node> load_toml(const std::filesystem::path& file, std::string& problem) {
  const auto text = read_regular_file(file, /*bytes_max=*/1u << 20);
  if (!text) {
    problem = text.error().message;
    return std::nullopt;
  }
  try {
    const toml::table table = toml::parse(text->text, file.native());
    return node_of(table, std::make_shared<const std::string>(file.native()), 1);
  } catch (const toml::parse_error& error) {
    problem = file.native() + ":" + std::to_string(error.source().begin.line) + ": " +
              std::string{error.description()};
    return std::nullopt;
  }
}

}  // namespace cofounder::config
