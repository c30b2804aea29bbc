// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "core/base/json.hpp"

namespace cofounder::json {
namespace {

// Bytes that stand for themselves inside of a string.
constexpr auto is_plain = [] {
  std::array<bool, 256> plain{};
  for (std::size_t c = 0x20; c < 0x7f; ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

// The length of the valid UTF-8 sequence at `p`, or 0.
std::size_t sequence_length(const unsigned char* p, std::size_t left) noexcept {
  const auto continues = [&](std::size_t i) { return i < left && (p[i] & 0xc0) == 0x80; };
  if (p[0] < 0x80) return 1;
  if (p[0] < 0xc2) return 0;
  if (p[0] < 0xe0) return continues(1) ? 2 : 0;
  if (p[0] < 0xf0) {
    if (!continues(1) || !continues(2)) return 0;
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;  // overlong
    if (p[0] == 0xed && p[1] > 0x9f) return 0;  // surrogate
    return 3;
  }
  if (p[0] < 0xf5) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
    return 4;
  }
  return 0;
}

void append_escape(std::string& out, unsigned char c) {
  constexpr std::string_view hex = "0123456789abcdef";
  switch (c) {
    case '"':
      out += "\\\"";
      break;
    case '\\':
      out += "\\\\";
      break;
    case '\b':
      out += "\\b";
      break;
    case '\f':
      out += "\\f";
      break;
    case '\n':
      out += "\\n";
      break;
    case '\r':
      out += "\\r";
      break;
    case '\t':
      out += "\\t";
      break;
    default:
      out += "\\u00";
      out += hex[c >> 4];
      out += hex[c & 15];
  }
}

template <class T>
void append_number(std::string& out, T value) {
  std::array<char, 40> buffer;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
  out.append(buffer.data(), end);
}

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t left = text.size();
  std::size_t plain = 0;  // bytes before p that are copied as they are
  while (plain < left && is_plain[p[plain]]) ++plain;
  out += '"';
  if (plain == left) {  // nearly always
    out.append(text);
    out += '"';
    return;
  }
  p += plain, left -= plain;
  const auto flush = [&] {
    out.append(reinterpret_cast<const char*>(p) - plain, plain);
    plain = 0;
  };
  while (left > 0) {
    if (is_plain[*p]) {
      ++plain, ++p, --left;
      continue;
    }
    if (*p < 0x80) {
      flush();
      append_escape(out, *p);
      ++p, --left;
      continue;
    }
    const std::size_t length = sequence_length(p, left);
    if (length != 0) {
      plain += length, p += length, left -= length;
    } else {
      flush();
      out += "\xef\xbf\xbd";
      ++p, --left;
    }
  }
  flush();
  out += '"';
}

std::string quote(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 2);
  append_quoted(out, text);
  return out;
}

void Writer::separate() {
  if (comma_) text_ += ',';
  comma_ = true;
}

Writer& Writer::begin_object() {
  separate();
  text_ += '{';
  comma_ = false;
  return *this;
}

Writer& Writer::end_object() {
  text_ += '}';
  comma_ = true;
  return *this;
}

Writer& Writer::begin_array() {
  separate();
  text_ += '[';
  comma_ = false;
  return *this;
}

Writer& Writer::end_array() {
  text_ += ']';
  comma_ = true;
  return *this;
}

Writer& Writer::key(std::string_view key) {
  separate();
  append_quoted(text_, key);
  text_ += ':';
  comma_ = false;
  return *this;
}

Writer& Writer::string(std::string_view value) {
  separate();
  append_quoted(text_, value);
  return *this;
}

Writer& Writer::integer(std::int64_t value) {
  separate();
  append_number(text_, value);
  return *this;
}

Writer& Writer::unsigned_integer(std::uint64_t value) {
  separate();
  append_number(text_, value);
  return *this;
}

Writer& Writer::number(double value) {
  if (!std::isfinite(value)) return null();
  separate();
  if (value == 0 && std::signbit(value)) {
    text_ += "-0.0";  // "-0" would be read as an integer
  } else {
    append_number(text_, value);
  }
  return *this;
}

Writer& Writer::boolean(bool value) {
  separate();
  text_ += value ? "true" : "false";
  return *this;
}

Writer& Writer::null() {
  separate();
  text_ += "null";
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  separate();
  text_ += json;
  return *this;
}

std::string to_json(const Error& error) {
  Writer out;
  out.begin_object()
      .member("code", error.code)
      .member("message", error.message)
      .member("retryable", error.retryable);
  if (!error.plugin.empty()) out.member("plugin", error.plugin);
  if (!error.hint.empty()) out.member("hint", error.hint);
  if (error.retry_after.count() > 0) {
    out.member("retry_after_ms", std::int64_t{error.retry_after.count()});
  }
  out.end_object();
  return out.take();
}

Error error_from_json(View value) {
  Error error;
  error.code = value.string_or("code", "");
  error.message = value.string_or("message", "");
  error.retryable = value.bool_or("retryable", false);
  error.plugin = value.string_or("plugin", "");
  error.hint = value.string_or("hint", "");
  error.retry_after = Milliseconds{value.integer_or("retry_after_ms", 0)};
  return error;
}

}  // namespace cofounder::json
