// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

struct sqlite3;
struct sqlite3_stmt;

namespace cofounder {

// SQLite said no.  Thrown by everything below.
class SqliteError : public std::runtime_error {
 public:
  SqliteError(int extended_code, const std::string& message)
      : std::runtime_error{message}, code_{extended_code} {}
  int code() const noexcept { return code_ & 0xff; }  // SQLITE_FULL, SQLITE_IOERR, ...
  // The file itself is the trouble: no other try will help.
  bool is_damage() const noexcept;
  // It is no database, or not a whole one.
  bool is_corrupt() const noexcept;

 private:
  int code_;
};

// One connection; one thread.
class SqliteConnection {
 public:
  // `read_only`: leaves the file and its folder as they are; it has to be one that nobody writes.
  enum class Mode { read_write, read_only };
  SqliteConnection(const std::filesystem::path& file, const char* vfs, Mode mode = Mode::read_write);
  ~SqliteConnection();
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  void execute(const std::string& sql);
  std::int64_t integer(const std::string& sql);  // first column of the first row
  void rollback() noexcept;
  bool is_in_transaction() const noexcept;

  int wal_pages() const noexcept { return wal_pages_; }  // after the last commit
  // Copies what it can from the WAL to the file, without waiting for readers.
  void checkpoint();

  sqlite3* get() const noexcept { return connection_; }
  [[noreturn]] void fail(int code) const;

 private:
  sqlite3* connection_ = nullptr;
  int wal_pages_ = 0;
};

// Bytes rather than text.
struct Blob {
  std::string_view bytes;
};
// Text, or NULL when it is empty.
struct TextOrNull {
  std::string_view text;
};

// A prepared statement.  run(values...) for those without rows; else
//   for (auto rows = statement.query(values...); rows.next();) rows.integer(0)
// Values are bound without copying: they have to live until run() returned or the rows are gone.
class SqliteStatement {
 public:
  SqliteStatement(SqliteConnection& connection, std::string_view sql);
  ~SqliteStatement();
  SqliteStatement(SqliteStatement&& other) noexcept;
  SqliteStatement(const SqliteStatement&) = delete;
  SqliteStatement& operator=(const SqliteStatement&) = delete;

  class Rows {
   public:
    explicit Rows(SqliteStatement& statement) noexcept : statement_{statement} {}
    ~Rows() { statement_.reset(); }
    Rows(const Rows&) = delete;
    Rows& operator=(const Rows&) = delete;

    bool next() { return statement_.step(); }
    std::int64_t integer(int column) const noexcept;
    int small(int column) const noexcept { return static_cast<int>(integer(column)); }
    // Within the years that can be told: whoever wrote another one, it is shown and not computed.
    static constexpr std::int64_t time_max = 253'402'300'799'999;  // the end of 9999
    Time time(int column) const noexcept {
      return Time{Milliseconds{std::clamp<std::int64_t>(integer(column), 0, time_max)}};
    }
    bool is_null(int column) const noexcept;
    // Valid until the next row.
    std::string_view text(int column) const noexcept;
    std::string string(int column) const { return std::string{text(column)}; }
    std::optional<Time> optional_time(int column) const noexcept {
      return is_null(column) ? std::nullopt : std::optional{time(column)};
    }

   private:
    SqliteStatement& statement_;
  };

  template <class... Values>
  void run(const Values&... values) {
    const Rows rows{*this};
    bind_all(values...);
    step();
  }
  template <class... Values>
  Rows query(const Values&... values) {
    bind_all(values...);
    return Rows{*this};
  }

 private:
  template <class... Values>
  void bind_all(const Values&... values) {
    int index = 0;
    (bind(++index, values), ...);
  }
  template <class Integer>
    requires std::is_integral_v<Integer>
  void bind(int index, Integer value) {
    bind_integer(index, static_cast<std::int64_t>(value));
  }
  void bind(int index, Time value) { bind_integer(index, value.time_since_epoch().count()); }
  void bind(int index, Milliseconds value) { bind_integer(index, value.count()); }
  void bind(int index, std::nullopt_t) { bind_null(index); }
  template <class T>
  void bind(int index, const std::optional<T>& value) {
    if (value) {
      bind(index, *value);
    } else {
      bind_null(index);
    }
  }
  void bind(int index, const std::string& value) { bind_text(index, value); }
  void bind(int index, std::string_view value) { bind_text(index, value); }
  void bind(int index, Blob value) { bind_blob(index, value.bytes); }
  void bind(int index, TextOrNull value) {
    if (value.text.empty()) {
      bind_null(index);
    } else {
      bind_text(index, value.text);
    }
  }

  void bind_integer(int index, std::int64_t value);
  void bind_null(int index);
  void bind_text(int index, std::string_view value);
  void bind_blob(int index, std::string_view value);
  bool step();
  void reset() noexcept;

  SqliteConnection& connection_;
  sqlite3_stmt* statement_ = nullptr;
};

}  // namespace cofounder
