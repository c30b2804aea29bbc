// SPDX-License-Identifier: Apache-2.0
#include "core/config/tree.hpp"

#include <algorithm>
#include <utility>

namespace cofounder::config {

const Node* Node::find(std::string_view key) const noexcept {
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] == key) return &elements[i];
  }
  return nullptr;
}

std::string Node::where() const {
  return (file == nullptr ? std::string{} : *file) + ":" + std::to_string(line);
}

std::string_view describe(Node::Kind kind) noexcept {
  switch (kind) {
    case Node::Kind::boolean:
      return "true or false";
    case Node::Kind::integer:
      return "a whole number";
    case Node::Kind::number:
      return "a number with a fraction";
    case Node::Kind::string:
      return "a string";
    case Node::Kind::time:
      return "a date or time";
    case Node::Kind::array:
      return "a list";
    case Node::Kind::table:
      return "a table";
  }
  return "something else";
}

bool is_secret_table(const Node& node) noexcept {
  return node.is_table() && !node.keys.empty() &&
         std::all_of(node.keys.begin(), node.keys.end(), [](const std::string& key) {
           return key == "credential" || key == "env" || key == "file";
         });
}

void merge(Node& base, Node over) {
  // A secret with another source replaces the first one: both together would be none.
  const bool together =
      base.is_table() && over.is_table() && !is_secret_table(base) && !is_secret_table(over);
  if (!together) {
    base = std::move(over);
    return;
  }
  for (std::size_t i = 0; i < over.keys.size(); ++i) {
    const auto found = std::find(base.keys.begin(), base.keys.end(), over.keys[i]);
    if (found == base.keys.end()) {
      base.keys.push_back(std::move(over.keys[i]));
      base.elements.push_back(std::move(over.elements[i]));
    } else {
      const auto index = static_cast<std::size_t>(found - base.keys.begin());
      merge(base.elements[index], std::move(over.elements[i]));
    }
  }
}

}  // namespace cofounder::config
