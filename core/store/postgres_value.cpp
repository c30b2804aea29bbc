// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_value.hpp"

#include "core/store/postgres_libpq.hpp"
#include "core/store/postgres_names.hpp"

#include <utility>

namespace cofounder {
namespace {

// Of pg_type.dat.
constexpr unsigned type_bool = 16;
constexpr unsigned type_bytes = 17;
constexpr unsigned type_integer = 20;
constexpr unsigned type_text = 25;
constexpr unsigned type_bytes_array = 1001;
constexpr unsigned type_text_array = 1009;
constexpr unsigned type_integer_array = 1016;

template <class Number>
void put(std::string& out, Number number) {
  using Bits = std::make_unsigned_t<Number>;
  const auto bits = static_cast<Bits>(number);
  for (int shift = static_cast<int>(sizeof(Number)) * 8 - 8; shift >= 0; shift -= 8) {
    out.push_back(static_cast<char>((bits >> static_cast<unsigned>(shift)) & 0xffU));
  }
}

// An array of one dimension, as array_recv() reads it.
std::string array_head(std::size_t size, bool has_nulls, unsigned element_type) {
  std::string out;
  put(out, std::int32_t{1});
  put(out, std::int32_t{has_nulls ? 1 : 0});
  put(out, element_type);
  put(out, static_cast<std::int32_t>(size));
  put(out, std::int32_t{1});
  return out;
}

std::string text_array(const std::vector<std::string>& all, unsigned type, bool empty_is_null) {
  std::string out = array_head(all.size(), empty_is_null, type);
  for (const std::string& one : all) {
    if (empty_is_null && one.empty()) {
      put(out, std::int32_t{-1});
      continue;
    }
    put(out, static_cast<std::int32_t>(one.size()));
    out += one;
  }
  return out;
}

}  // namespace

PostgresParams& PostgresParams::add(bool value) {
  values_.push_back({type_bool, false, std::string(1, value ? '\1' : '\0')});
  return *this;
}

PostgresParams& PostgresParams::add(std::string_view text) {
  values_.push_back({type_text, false, std::string{text}});
  return *this;
}

PostgresParams& PostgresParams::add_integer(std::int64_t number) {
  Value value{type_integer, false, {}};
  put(value.bytes, number);
  values_.push_back(std::move(value));
  return *this;
}

PostgresParams& PostgresParams::add(const std::optional<std::int64_t>& number) {
  if (number) return add_integer(*number);
  values_.push_back({type_integer, true, {}});
  return *this;
}

PostgresParams& PostgresParams::add(const std::optional<Time>& time) {
  if (time) return add(*time);
  values_.push_back({type_integer, true, {}});
  return *this;
}

PostgresParams& PostgresParams::add_text_or_null(std::string_view text) {
  return text.empty() ? add_null_text() : add(text);
}

PostgresParams& PostgresParams::add_null_text() {
  values_.push_back({type_text, true, {}});
  return *this;
}

PostgresParams& PostgresParams::add_null_bytes() {
  values_.push_back({type_bytes, true, {}});
  return *this;
}

PostgresParams& PostgresParams::add(Bytes bytes) {
  values_.push_back({type_bytes, false, std::string{bytes.bytes}});
  return *this;
}

PostgresParams& PostgresParams::add(const std::vector<std::int64_t>& numbers) {
  std::string out = array_head(numbers.size(), false, type_integer);
  for (const std::int64_t number : numbers) {
    put(out, std::int32_t{8});
    put(out, number);
  }
  values_.push_back({type_integer_array, false, std::move(out)});
  return *this;
}

PostgresParams& PostgresParams::add(const std::vector<std::string>& texts) {
  values_.push_back({type_text_array, false, text_array(texts, type_text, false)});
  return *this;
}

PostgresParams& PostgresParams::add_texts_or_null(const std::vector<std::string>& texts) {
  values_.push_back({type_text_array, false, text_array(texts, type_text, true)});
  return *this;
}

PostgresParams& PostgresParams::add_bytes(const std::vector<std::string>& all) {
  values_.push_back({type_bytes_array, false, text_array(all, type_bytes, false)});
  return *this;
}

void PostgresRows::Clear::operator()(pg_result* result) const noexcept { pq().clear(result); }

int PostgresRows::size() const noexcept { return result_ ? pq().ntuples(result_.get()) : 0; }

int PostgresRows::columns() const noexcept { return result_ ? pq().nfields(result_.get()) : 0; }

bool PostgresRows::is_null(int row, int column) const noexcept {
  return pq().getisnull(result_.get(), row, column) != 0;
}

std::string_view PostgresRows::text(int row, int column) const noexcept {
  return {pq().getvalue(result_.get(), row, column),
          static_cast<std::size_t>(pq().getlength(result_.get(), row, column))};
}

// Booleans and integers of 2, 4 and 8 bytes, most significant byte first.
std::int64_t PostgresRows::integer(int row, int column) const noexcept {
  const std::string_view bytes = text(row, column);
  if (bytes.empty()) return 0;
  std::uint64_t number = (static_cast<unsigned char>(bytes[0]) & 0x80U) != 0 ? ~std::uint64_t{0} : 0;
  for (const char byte : bytes) number = (number << 8U) | static_cast<unsigned char>(byte);
  return static_cast<std::int64_t>(number);
}

std::optional<Time> PostgresRows::optional_time(int row, int column) const noexcept {
  if (is_null(row, column)) return std::nullopt;
  return time(row, column);
}

std::string postgres_line(const char* text) {
  std::string line;
  for (const char* at = text == nullptr ? "" : text; *at != '\0'; ++at) {
    if (*at != '\n') {
      line += *at;
    } else if (at[1] != '\0') {
      line += "; ";
    }
  }
  return line;
}

PostgresFailure postgres_failure(const PGresult* result) {
  const char* state = pq().resultErrorField(result, PG_DIAG_SQLSTATE);
  const char* message = pq().resultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
  PostgresFailure failure;
  failure.state = state == nullptr ? "" : state;
  failure.message = postgres_line(message == nullptr ? pq().resultErrorMessage(result) : message);
  // The server ends the session, or never had it: nothing else of the connection counts.
  if (failure.state.starts_with("57P0") || failure.state.starts_with("08")) failure.state.clear();
  return failure;
}

}  // namespace cofounder
