// SPDX-License-Identifier: Apache-2.0
// Forms, as browsers and SDKs send them.
#include "tests/simulators/http_server.hpp"

namespace simulator {
namespace {

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view lower_case) {
  if (text.size() < lower_case.size()) return false;
  for (std::size_t i = 0; i < lower_case.size(); ++i) {
    const char c = text[i];
    if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != lower_case[i]) return false;
  }
  return true;
}

// The value of `name="..."` (or name=token) in a header value.
std::optional<std::string> parameter(std::string_view header, std::string_view name) {
  for (std::size_t at = header.find(';'); at != std::string_view::npos;
       at = header.find(';', at + 1)) {
    std::string_view rest = header.substr(at + 1);
    while (!rest.empty() && rest[0] == ' ') rest.remove_prefix(1);
    if (!starts_with_ignoring_case(rest, std::string{name} + "=")) continue;
    rest.remove_prefix(name.size() + 1);
    if (rest.empty() || rest[0] != '"') return std::string{rest.substr(0, rest.find(';'))};
    std::string value;
    for (std::size_t i = 1; i < rest.size(); ++i) {
      if (rest[i] == '"') return value;
      if (rest[i] == '\\' && i + 1 < rest.size()) ++i;
      value += rest[i];
    }
    return std::nullopt;
  }
  return std::nullopt;
}

bool parse_part_head(std::string_view head, FormPart& part) {
  bool has_name = false;
  while (!head.empty()) {
    const auto end = head.find("\r\n");
    const std::string_view line = head.substr(0, end);
    head = end == std::string_view::npos ? std::string_view{} : head.substr(end + 2);
    if (starts_with_ignoring_case(line, "content-disposition: form-data")) {
      const auto name = parameter(line, "name");
      if (!name) return false;
      part.name = *name;
      part.file_name = parameter(line, "filename");
      has_name = true;
    } else if (starts_with_ignoring_case(line, "content-type: ")) {
      part.content_type = line.substr(14);
    }
  }
  return has_name;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '+' && plus_is_space) {
      out += ' ';
    } else if (text[i] != '%') {
      out += text[i];
    } else {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_value(text[i + 1]), low = hex_value(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    }
  }
  return out;
}

std::optional<std::vector<std::pair<std::string, std::string>>> parse_form(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> fields;
  while (!text.empty()) {
    const auto end = text.find('&');
    const std::string_view field = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view{} : text.substr(end + 1);
    const auto equals = field.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    auto name = percent_decode(field.substr(0, equals), true);
    auto value = percent_decode(field.substr(equals + 1), true);
    if (!name || !value) return std::nullopt;
    fields.emplace_back(std::move(*name), std::move(*value));
  }
  return fields;
}

std::optional<std::vector<FormPart>> parse_multipart(std::string_view content_type,
                                                     std::string_view body) {
  if (!starts_with_ignoring_case(content_type, "multipart/form-data")) return std::nullopt;
  const auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > 70) return std::nullopt;
  const std::string opening = "--" + *boundary;
  const std::string separator = "\r\n" + opening;
  if (!body.starts_with(opening)) return std::nullopt;
  body.remove_prefix(opening.size());
  std::vector<FormPart> parts;
  for (;;) {
    if (body == "--\r\n" || body == "--") return parts;
    if (!body.starts_with("\r\n")) return std::nullopt;
    body.remove_prefix(2);
    const auto head_end = body.find("\r\n\r\n");
    if (head_end == std::string_view::npos) return std::nullopt;
    FormPart part;
    if (!parse_part_head(body.substr(0, head_end), part)) return std::nullopt;
    body.remove_prefix(head_end + 4);
    const auto end = body.find(separator);
    if (end == std::string_view::npos) return std::nullopt;
    part.body = body.substr(0, end);
    body.remove_prefix(end + separator.size());
    parts.push_back(std::move(part));
  }
}

}  // namespace simulator
