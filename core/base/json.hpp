// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

// JSON for the whole core.  The library behind it (Boost.JSON) is compiled in json.cpp only: it is
// slow to compile, and nobody else needs to know it.
namespace cofounder::json {

enum class Kind { null, boolean, integer, number, string, array, object };

// A look at a value of a Document: as cheap as a pointer, valid as long as the document.  A default
// one ("absent") is what find() returns for a missing member; it has kind null and is false.
class View {
 public:
  View() noexcept = default;

  explicit operator bool() const noexcept { return value_ != nullptr; }
  Kind kind() const noexcept;
  bool is_null() const noexcept { return kind() == Kind::null; }
  bool is_string() const noexcept { return kind() == Kind::string; }
  bool is_object() const noexcept { return kind() == Kind::object; }
  bool is_array() const noexcept { return kind() == Kind::array; }

  // The value when it has that kind, else nothing.  as_integer takes whole numbers in the range of
  // int64; as_number also takes integers.
  std::optional<bool> as_bool() const noexcept;
  std::optional<std::int64_t> as_integer() const noexcept;
  std::optional<double> as_number() const noexcept;
  std::optional<std::string_view> as_string() const noexcept;

  // Objects: the member `key`, or absent.  Of double keys the last counts.
  View find(std::string_view key) const noexcept;
  // RFC 6901; absent when there is no such value or the pointer is malformed.
  View at_pointer(std::string_view pointer) const noexcept;
  // Arrays and objects: how many; element or member number `index` (< size()).
  std::size_t size() const noexcept;
  View at(std::size_t index) const noexcept;
  std::string_view key_at(std::size_t index) const noexcept;

  // The text of the value, compact.
  std::string text() const;
  void append_to(std::string& out) const;

  // Shorthand for members of objects with a fallback.
  std::string string_or(std::string_view key, std::string_view fallback) const;
  std::int64_t integer_or(std::string_view key, std::int64_t fallback) const noexcept;
  bool bool_or(std::string_view key, bool fallback) const noexcept;

 private:
  friend class Document;
  explicit View(const void* value) noexcept : value_{value} {}
  const void* value_ = nullptr;
};

// A parsed text.  Movable; the views of it stay valid when it moves.
class Document {
 public:
  Document() noexcept;
  ~Document();
  Document(Document&&) noexcept;
  Document& operator=(Document&&) noexcept;

  View root() const noexcept;

 private:
  friend Result<Document> parse(std::string_view text, std::size_t depth_max);
  struct State;
  std::unique_ptr<State> state_;
};

// Code "invalid_json"; the message says at which byte.  Nothing deeper than `depth_max`, UTF-8
// only, nothing after the value but white space.
Result<Document> parse(std::string_view text, std::size_t depth_max = 64);

// Writes JSON text piece by piece, with the commas in the right places.  Keys and values have to
// alternate as JSON wants; that is asserted in debug builds only.
class Writer {
 public:
  Writer& begin_object();
  Writer& end_object();
  Writer& begin_array();
  Writer& end_array();
  Writer& key(std::string_view key);

  Writer& string(std::string_view value);  // broken UTF-8 becomes U+FFFD
  Writer& integer(std::int64_t value);
  Writer& unsigned_integer(std::uint64_t value);
  Writer& number(double value);  // NaN and infinities become null
  Writer& boolean(bool value);
  Writer& null();
  Writer& raw(std::string_view json);  // a value that is JSON text already

  // key() and value in one.
  Writer& member(std::string_view k, std::string_view v) { return key(k).string(v); }
  Writer& member(std::string_view k, const char* v) { return key(k).string(v); }
  Writer& member(std::string_view k, const std::string& v) { return key(k).string(v); }
  Writer& member(std::string_view k, bool v) { return key(k).boolean(v); }
  Writer& member(std::string_view k, int v) { return key(k).integer(v); }
  Writer& member(std::string_view k, std::int64_t v) { return key(k).integer(v); }
  Writer& member(std::string_view k, std::uint64_t v) { return key(k).unsigned_integer(v); }
  Writer& member(std::string_view k, double v) { return key(k).number(v); }
  Writer& member_raw(std::string_view k, std::string_view json) { return key(k).raw(json); }

  const std::string& text() const noexcept { return text_; }
  std::string take() noexcept { return std::move(text_); }

 private:
  void separate();
  std::string text_;
  bool comma_ = false;
};

// `text` as a JSON string, with its quotes.
std::string quote(std::string_view text);
void append_quoted(std::string& out, std::string_view text);

// {"code":..., "message":..., "retryable":..., "plugin"?:..., "hint"?:...}
std::string to_json(const Error& error);
Error error_from_json(View value);

}  // namespace cofounder::json
