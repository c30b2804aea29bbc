// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/ids.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

struct pg_result;  // PGresult of libpq

// Values on their way to and from PostgreSQL, all in its binary format: no escaping, no limits of C
// strings, and a text that is not UTF-8 is refused by the server instead of being cut.
namespace cofounder {

// The parameters of one statement, in order.
class PostgresParams {
 public:
  struct Value {
    unsigned type = 0;  // the OID of a built-in type: these never change
    bool is_null = false;
    std::string bytes;
  };
  // Bytes that are no text.
  struct Bytes {
    std::string_view bytes;
  };

  PostgresParams& add(bool value);
  PostgresParams& add(std::string_view text);
  PostgresParams& add(const std::string& text) { return add(std::string_view{text}); }
  PostgresParams& add(const char* text) { return add(std::string_view{text}); }
  PostgresParams& add(Bytes bytes);
  PostgresParams& add(Time time) { return add_integer(time.time_since_epoch().count()); }
  PostgresParams& add(Milliseconds duration) { return add_integer(duration.count()); }
  template <class T>
    requires std::is_integral_v<T>
  PostgresParams& add(T number) {
    return add_integer(static_cast<std::int64_t>(number));
  }
  PostgresParams& add(const std::optional<std::int64_t>& number);
  PostgresParams& add(const std::optional<Time>& time);
  PostgresParams& add_text_or_null(std::string_view text);  // empty: NULL
  PostgresParams& add_null_text();
  PostgresParams& add_null_bytes();

  // Arrays, for unnest().
  PostgresParams& add(const std::vector<std::int64_t>& numbers);
  PostgresParams& add(const std::vector<std::string>& texts);
  PostgresParams& add_texts_or_null(const std::vector<std::string>& texts);  // empty: NULL
  PostgresParams& add_bytes(const std::vector<std::string>& all);

  const std::vector<Value>& values() const noexcept { return values_; }

 private:
  PostgresParams& add_integer(std::int64_t number);

  std::vector<Value> values_;
};

// The rows that one statement gave.
class PostgresRows {
 public:
  PostgresRows() noexcept = default;
  explicit PostgresRows(pg_result* result) noexcept : result_{result} {}

  int size() const noexcept;
  bool empty() const noexcept { return size() == 0; }
  int columns() const noexcept;
  bool is_null(int row, int column) const noexcept;
  std::int64_t integer(int row, int column) const noexcept;  // NULL is 0
  int small(int row, int column) const noexcept { return static_cast<int>(integer(row, column)); }
  bool boolean(int row, int column) const noexcept { return integer(row, column) != 0; }
  std::string_view text(int row, int column) const noexcept;  // valid as long as the rows are
  std::string string(int row, int column) const { return std::string{text(row, column)}; }
  TaskId id(int row, int column) const noexcept {
    return static_cast<TaskId>(integer(row, column));
  }
  Time time(int row, int column) const noexcept {
    return Time{Milliseconds{integer(row, column)}};
  }
  std::optional<Time> optional_time(int row, int column) const noexcept;

 private:
  struct Clear {
    void operator()(pg_result* result) const noexcept;
  };
  std::unique_ptr<pg_result, Clear> result_;
};

// Why the server, or the way to it, did not do what it was asked to.
struct PostgresFailure {
  std::string state;    // SQLSTATE; empty: the connection broke
  std::string message;  // one line, never a secret
  bool is_lost() const noexcept { return state.empty(); }
};

}  // namespace cofounder
