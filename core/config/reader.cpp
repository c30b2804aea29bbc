// SPDX-License-Identifier: Apache-2.0
#include "core/config/reader.hpp"

#include "core/base/text.hpp"

#include <algorithm>

namespace cofounder::config {

bool is_section(const std::vector<Option>& options, std::string_view section) noexcept {
  return std::any_of(options.begin(), options.end(), [&](const Option& option) {
    return option.name.size() > section.size() && option.name.starts_with(section) &&
           option.name[section.size()] == '.';
  });
}

const Option* find_option(const std::vector<Option>& options, std::string_view name) noexcept {
  const auto found = std::find_if(options.begin(), options.end(),
                                  [&](const Option& option) { return option.name == name; });
  return found == options.end() ? nullptr : &*found;
}

std::string dotted(std::string_view section, std::string_view key) {
  std::string name{section};
  if (!name.empty()) name += '.';
  return name.append(key);
}

void Reader::fail(const Node& at, std::string_view text) {
  errors_.lines.push_back(at.where() + ": " + std::string{text});
}

void Reader::warn(const Node& at, std::string_view text) {
  errors_.warnings.push_back(at.where() + ": " + std::string{text});
}

// The value itself is not shown: it may be a secret in the wrong place.
void Reader::wrong(const Node& at, std::string_view name, std::string_view wanted) {
  fail(at, std::string{name} + " must be " + std::string{wanted} + ", not " +
               std::string{describe(at.kind)});
}

bool Reader::expect_table(std::string_view name, const Node& node) {
  if (!node.is_table()) wrong(node, name, "a table");
  return node.is_table();
}

void Reader::unknown_key(std::string_view section, std::string_view key, const Node& node,
                         const std::vector<Option>& options) {
  std::vector<std::string_view> here;
  std::string_view elsewhere;
  for (const Option& option : options) {
    std::string_view rest = option.name;
    if (!section.empty()) {
      if (!rest.starts_with(section) || rest.size() <= section.size() ||
          rest[section.size()] != '.') {
        rest = {};
      } else {
        rest.remove_prefix(section.size() + 1);
      }
    }
    if (!rest.empty()) here.push_back(rest.substr(0, rest.find('.')));
    const auto dot = option.name.rfind('.');
    if (dot != std::string_view::npos && option.name.substr(dot + 1) == key) {
      elsewhere = option.name;
    }
  }
  if (section.empty()) here.push_back("plugin");
  if (section == "control") here.push_back("access");
  if (section == "scheduler") here.insert(here.end(), {"queues", "cluster_queues"});

  std::string text = "unknown key " + dotted(section, key);
  const std::string_view near = nearest(key, here);
  if (!near.empty()) {
    text += "; did you mean " + dotted(section, near) + "?";
  } else if (!elsewhere.empty()) {
    text += "; did you mean " + std::string{elsewhere} + "?";
  }
  fail(node, text);
}

void Reader::read_integer(const Option& option, std::string_view name, const Node& node,
                          int& target) {
  if (node.kind == Node::Kind::integer && node.integer >= option.least &&
      node.integer <= option.most) {
    target = static_cast<int>(node.integer);
    return;
  }
  const std::string wanted =
      "a whole number from " + std::to_string(option.least) + " to " + std::to_string(option.most);
  if (node.kind != Node::Kind::integer) return wrong(node, name, wanted);
  fail(node, std::string{name} + " must be " + wanted + ", not " + std::to_string(node.integer));
}

void Reader::read_bytes(const Option& option, std::string_view name, const Node& node,
                        std::uint64_t& target) {
  constexpr std::string_view wanted = "a number of bytes or a size such as \"64MiB\"";
  std::optional<std::uint64_t> bytes;
  if (node.kind == Node::Kind::integer && node.integer >= 0) {
    bytes = static_cast<std::uint64_t>(node.integer);
  } else if (node.kind == Node::Kind::string) {
    bytes = parse_size(node.text);
  } else if (node.kind != Node::Kind::integer) {
    return wrong(node, name, wanted);
  }
  if (!bytes) return fail(node, std::string{name} + " must be " + std::string{wanted});
  if (*bytes < static_cast<std::uint64_t>(option.least)) {
    return fail(node, std::string{name} + " must be at least " +
                          size_text(static_cast<std::uint64_t>(option.least)));
  }
  target = *bytes;
}

void Reader::read_duration(const Option& option, std::string_view name, const Node& node,
                           Milliseconds& target) {
  constexpr std::string_view wanted = "a duration such as \"250ms\", \"30s\", \"15min\" or \"24h\"";
  if (node.kind != Node::Kind::string) return wrong(node, name, wanted);
  const Result<Milliseconds> duration = parse_duration(node.text);
  if (!duration) return fail(node, std::string{name} + " must be " + std::string{wanted});
  if (duration->count() < option.least || duration->count() > option.most) {
    return fail(node, std::string{name} + " must be from " +
                          cofounder::to_string(Milliseconds{option.least}) + " to " +
                          cofounder::to_string(Milliseconds{option.most}));
  }
  target = *duration;
}

bool Reader::check_text(const Option& option, std::string_view name, const Node& node) {
  const std::string_view wanted = option.wanted.empty() ? "a string" : option.wanted;
  if (node.kind != Node::Kind::string) {
    wrong(node, name, wanted);
    return false;
  }
  if (node.text.find('\0') != std::string::npos ||
      (option.is_valid != nullptr && !option.is_valid(node.text))) {
    fail(node, std::string{name} + " must be " + std::string{wanted});
    return false;
  }
  return true;
}

template <class Text>
void Reader::read_list(const Option& option, std::string_view name, const Node& node,
                       std::vector<Text>& target) {
  if (node.kind != Node::Kind::array) return wrong(node, name, "a list of strings");
  std::vector<Text> values;
  for (std::size_t i = 0; i < node.elements.size(); ++i) {
    const std::string element = std::string{name} + "[" + std::to_string(i) + "]";
    if (!check_text(option, element, node.elements[i])) return;
    values.emplace_back(node.elements[i].text);
  }
  target = std::move(values);
}

void Reader::read(const Option& option, std::string_view name, const Node& node) {
  struct Visitor {
    Reader& reader;
    const Option& option;
    std::string_view name;
    const Node& node;

    void operator()(bool* target) const {
      if (node.kind != Node::Kind::boolean) return reader.wrong(node, name, "true or false");
      *target = node.boolean;
    }
    void operator()(int* target) const { reader.read_integer(option, name, node, *target); }
    void operator()(std::uint64_t* target) const { reader.read_bytes(option, name, node, *target); }
    void operator()(Milliseconds* target) const {
      reader.read_duration(option, name, node, *target);
    }
    void operator()(std::string* target) const {
      if (reader.check_text(option, name, node)) *target = node.text;
    }
    void operator()(std::filesystem::path* target) const {
      if (reader.check_text(option, name, node)) *target = node.text;
    }
    void operator()(std::vector<std::string>* target) const {
      reader.read_list(option, name, node, *target);
    }
    void operator()(std::vector<std::filesystem::path>* target) const {
      reader.read_list(option, name, node, *target);
    }
  };
  std::visit(Visitor{*this, option, name, node}, option.target);
}

}  // namespace cofounder::config
