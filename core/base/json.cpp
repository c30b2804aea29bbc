// SPDX-License-Identifier: Apache-2.0
#include "core/base/json.hpp"

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>
#include <charconv>
#include <cmath>
#include <limits>

namespace cofounder::json {
namespace bj = boost::json;
namespace {

const bj::value& as_value(const void* pointer) noexcept {
  return *static_cast<const bj::value*>(pointer);
}

std::string_view view_of(const bj::string& text) noexcept { return {text.data(), text.size()}; }

}  // namespace

Kind View::kind() const noexcept {
  if (value_ == nullptr) return Kind::null;
  switch (as_value(value_).kind()) {
    case bj::kind::null:
      return Kind::null;
    case bj::kind::bool_:
      return Kind::boolean;
    case bj::kind::int64:
    case bj::kind::uint64:
      return Kind::integer;
    case bj::kind::double_:
      return Kind::number;
    case bj::kind::string:
      return Kind::string;
    case bj::kind::array:
      return Kind::array;
    case bj::kind::object:
      return Kind::object;
  }
  return Kind::null;
}

std::optional<bool> View::as_bool() const noexcept {
  if (value_ == nullptr || !as_value(value_).is_bool()) return std::nullopt;
  return as_value(value_).get_bool();
}

std::optional<std::int64_t> View::as_integer() const noexcept {
  if (value_ == nullptr) return std::nullopt;
  const bj::value& value = as_value(value_);
  if (value.is_int64()) return value.get_int64();
  if (value.is_double()) {  // 1e3 and 5.0 are whole numbers, too
    const double number = value.get_double();
    if (std::trunc(number) == number && std::abs(number) < 9.0e15) {
      return static_cast<std::int64_t>(number);
    }
  }
  return std::nullopt;
}

std::optional<double> View::as_number() const noexcept {
  if (value_ == nullptr) return std::nullopt;
  const bj::value& value = as_value(value_);
  if (value.is_double()) return value.get_double();
  if (value.is_int64()) return static_cast<double>(value.get_int64());
  if (value.is_uint64()) return static_cast<double>(value.get_uint64());
  return std::nullopt;
}

std::optional<std::string_view> View::as_string() const noexcept {
  if (value_ == nullptr || !as_value(value_).is_string()) return std::nullopt;
  return view_of(as_value(value_).get_string());
}

View View::find(std::string_view key) const noexcept {
  if (value_ == nullptr || !as_value(value_).is_object()) return {};
  return View{as_value(value_).get_object().if_contains({key.data(), key.size()})};
}

View View::at_pointer(std::string_view pointer) const noexcept {
  if (value_ == nullptr) return {};
  boost::system::error_code error;
  return View{as_value(value_).find_pointer({pointer.data(), pointer.size()}, error)};
}

std::size_t View::size() const noexcept {
  if (value_ == nullptr) return 0;
  const bj::value& value = as_value(value_);
  if (value.is_array()) return value.get_array().size();
  if (value.is_object()) return value.get_object().size();
  return 0;
}

View View::at(std::size_t index) const noexcept {
  const bj::value& value = as_value(value_);
  if (value.is_array()) return View{&value.get_array()[index]};
  return View{&(value.get_object().begin() + static_cast<std::ptrdiff_t>(index))->value()};
}

std::string_view View::key_at(std::size_t index) const noexcept {
  const auto key =
      (as_value(value_).get_object().begin() + static_cast<std::ptrdiff_t>(index))->key();
  return {key.data(), key.size()};
}

std::string View::text() const {
  std::string out;
  append_to(out);
  return out;
}

namespace {

// Our own writer rather than the library's, which writes 0.5 as 5E-1.
void append_value(std::string& out, const bj::value& value) {
  Writer number;
  switch (value.kind()) {
    case bj::kind::null:
      out += "null";
      break;
    case bj::kind::bool_:
      out += value.get_bool() ? "true" : "false";
      break;
    case bj::kind::int64:
      out += number.integer(value.get_int64()).text();
      break;
    case bj::kind::uint64:
      out += number.unsigned_integer(value.get_uint64()).text();
      break;
    case bj::kind::double_:
      out += number.number(value.get_double()).text();
      break;
    case bj::kind::string:
      append_quoted(out, view_of(value.get_string()));
      break;
    case bj::kind::array: {
      out += '[';
      bool comma = false;
      for (const bj::value& item : value.get_array()) {
        if (comma) out += ',';
        comma = true;
        append_value(out, item);
      }
      out += ']';
      break;
    }
    case bj::kind::object: {
      out += '{';
      bool comma = false;
      for (const auto& member : value.get_object()) {
        if (comma) out += ',';
        comma = true;
        append_quoted(out, {member.key().data(), member.key().size()});
        out += ':';
        append_value(out, member.value());
      }
      out += '}';
      break;
    }
  }
}

}  // namespace

void View::append_to(std::string& out) const {
  if (value_ == nullptr) {
    out += "null";
  } else {
    append_value(out, as_value(value_));
  }
}

std::string View::string_or(std::string_view key, std::string_view fallback) const {
  return std::string{find(key).as_string().value_or(fallback)};
}

std::int64_t View::integer_or(std::string_view key, std::int64_t fallback) const noexcept {
  return find(key).as_integer().value_or(fallback);
}

bool View::bool_or(std::string_view key, bool fallback) const noexcept {
  return find(key).as_bool().value_or(fallback);
}

struct Document::State {
  bj::monotonic_resource memory;
  bj::value root;
};

Document::Document() noexcept = default;
Document::~Document() = default;
Document::Document(Document&&) noexcept = default;
Document& Document::operator=(Document&&) noexcept = default;

View Document::root() const noexcept { return state_ ? View{&state_->root} : View{}; }

namespace {

// Builds the value.  The library's own handler takes what the library made of a number's digits,
// which in 1.81 may be off by one unit in the last place.
struct Builder {
  static constexpr std::size_t max_object_size = bj::object::max_size();
  static constexpr std::size_t max_array_size = bj::array::max_size();
  static constexpr std::size_t max_key_size = bj::string::max_size();
  static constexpr std::size_t max_string_size = bj::string::max_size();
  using Code = bj::error_code;
  using Text = bj::string_view;

  bj::value_stack values;
  explicit Builder(bj::storage_ptr memory) { values.reset(std::move(memory)); }

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code&) { return true; }
  bool on_object_end(std::size_t count, Code&) { return values.push_object(count), true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(std::size_t count, Code&) { return values.push_array(count), true; }
  bool on_key_part(Text text, std::size_t, Code&) { return values.push_chars(text), true; }
  bool on_key(Text text, std::size_t, Code&) { return values.push_key(text), true; }
  bool on_string_part(Text text, std::size_t, Code&) { return values.push_chars(text), true; }
  bool on_string(Text text, std::size_t, Code&) { return values.push_string(text), true; }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(std::int64_t value, Text, Code&) { return values.push_int64(value), true; }
  bool on_uint64(std::uint64_t value, Text, Code&) { return values.push_uint64(value), true; }
  bool on_double(double value, Text text, Code&) {
    double exact = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), exact);
    const bool is_read = error == std::errc{} && end == text.data() + text.size();
    return values.push_double(is_read ? exact : value), true;
  }
  bool on_bool(bool value, Code&) { return values.push_bool(value), true; }
  bool on_null(Code&) { return values.push_null(), true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }
};

}  // namespace

Result<Document> parse(std::string_view text, std::size_t depth_max) {
  Document document;
  document.state_ = std::make_unique<Document::State>();
  bj::parse_options options;
  options.max_depth = depth_max;
  bj::basic_parser<Builder> parser{options, bj::storage_ptr{&document.state_->memory}};
  boost::system::error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read < text.size()) error = bj::error::extra_data;
  if (error) {
    return make_error("invalid_json",
                      "not valid JSON at byte " + std::to_string(read) + ": " + error.message());
  }
  // The value lives in the document's memory: it must not be freed one by one.
  document.state_->root = parser.handler().values.release();
  return document;
}

}  // namespace cofounder::json
