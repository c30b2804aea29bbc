// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_connection.hpp"

#include <sqlite3.h>

#include <utility>

namespace cofounder {

bool SqliteError::is_damage() const noexcept {
  return code() == SQLITE_CORRUPT || code() == SQLITE_NOTADB || code() == SQLITE_ERROR ||
         code() == SQLITE_MISMATCH || code() == SQLITE_CANTOPEN || code() == SQLITE_PERM ||
         code() == SQLITE_READONLY || code() == SQLITE_AUTH;
}

bool SqliteError::is_corrupt() const noexcept {
  return code() == SQLITE_CORRUPT || code() == SQLITE_NOTADB;
}

namespace {

// What SQLite is told to open.  A file without a log is told to be one that does not change: then
// SQLite makes no files beside it, and needs no right to.
std::string name_to_open(const std::filesystem::path& file, SqliteConnection::Mode mode) {
  std::error_code error;
  const bool has_log = std::filesystem::exists(file.string() + "-wal", error);
  if (mode == SqliteConnection::Mode::read_write || has_log) return file.string();
  std::string name = "file:";
  for (const char c : std::filesystem::absolute(file).string()) {
    if (c == '%') {
      name += "%25";
    } else if (c == '?') {
      name += "%3f";
    } else if (c == '#') {
      name += "%23";
    } else {
      name += c;
    }
  }
  return name + "?immutable=1";
}

}  // namespace

SqliteConnection::SqliteConnection(const std::filesystem::path& file, const char* vfs, Mode mode) {
  // Its statistics take a lock for every allocation.  Refused once SQLite is in use: no harm.
  static const int unused = sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
  static_cast<void>(unused);
  // Each connection belongs to one thread, so SQLite's own locking would be wasted.
  const int flags =
      SQLITE_OPEN_NOMUTEX | (mode == Mode::read_write ? SQLITE_OPEN_READWRITE
                                                      : SQLITE_OPEN_READONLY | SQLITE_OPEN_URI);
  const int code = sqlite3_open_v2(name_to_open(file, mode).c_str(), &connection_, flags, vfs);
  if (code != SQLITE_OK) {
    const std::string message = connection_ != nullptr ? sqlite3_errmsg(connection_) : "no memory";
    sqlite3_close_v2(connection_);
    throw SqliteError{code, message};
  }
  sqlite3_extended_result_codes(connection_, 1);
  sqlite3_busy_timeout(connection_, 2'000);
  // It takes the place of SQLite's own checkpoints: ours are made between commits, when the answers
  // are out.
  sqlite3_wal_hook(
      connection_,
      [](void* pages, sqlite3*, const char*, int count) {
        *static_cast<int*>(pages) = count;
        return SQLITE_OK;
      },
      &wal_pages_);
}

SqliteConnection::~SqliteConnection() { sqlite3_close_v2(connection_); }

void SqliteConnection::fail(int code) const {
  const int extended = sqlite3_extended_errcode(connection_);
  throw SqliteError{extended != SQLITE_OK ? extended : code, sqlite3_errmsg(connection_)};
}

void SqliteConnection::execute(const std::string& sql) {
  const int code = sqlite3_exec(connection_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) fail(code);
}

std::int64_t SqliteConnection::integer(const std::string& sql) {
  SqliteStatement statement{*this, sql};
  auto rows = statement.query();
  return rows.next() ? rows.integer(0) : 0;
}

void SqliteConnection::rollback() noexcept {
  // An error here means that SQLite rolled back by itself already.
  if (is_in_transaction()) sqlite3_exec(connection_, "ROLLBACK", nullptr, nullptr, nullptr);
}

bool SqliteConnection::is_in_transaction() const noexcept {
  return sqlite3_get_autocommit(connection_) == 0;
}

void SqliteConnection::checkpoint() {
  const int code =
      sqlite3_wal_checkpoint_v2(connection_, nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  if (code != SQLITE_OK && code != SQLITE_BUSY) fail(code);
}

SqliteStatement::SqliteStatement(SqliteConnection& connection, std::string_view sql)
    : connection_{connection} {
  const int code = sqlite3_prepare_v3(connection.get(), sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement_, nullptr);
  if (code != SQLITE_OK) connection_.fail(code);
}

SqliteStatement::~SqliteStatement() { sqlite3_finalize(statement_); }

SqliteStatement::SqliteStatement(SqliteStatement&& other) noexcept
    : connection_{other.connection_}, statement_{std::exchange(other.statement_, nullptr)} {}

void SqliteStatement::bind_integer(int index, std::int64_t value) {
  const int code = sqlite3_bind_int64(statement_, index, value);
  if (code != SQLITE_OK) connection_.fail(code);
}

void SqliteStatement::bind_null(int index) {
  const int code = sqlite3_bind_null(statement_, index);
  if (code != SQLITE_OK) connection_.fail(code);
}

void SqliteStatement::bind_text(int index, std::string_view value) {
  // A null pointer would be NULL rather than an empty text.
  const char* data = value.data() != nullptr ? value.data() : "";
  const int code = sqlite3_bind_text64(statement_, index, data, value.size(), nullptr, SQLITE_UTF8);
  if (code != SQLITE_OK) connection_.fail(code);
}

void SqliteStatement::bind_blob(int index, std::string_view value) {
  const char* data = value.data() != nullptr ? value.data() : "";
  const int code = sqlite3_bind_blob64(statement_, index, data, value.size(), nullptr);
  if (code != SQLITE_OK) connection_.fail(code);
}

bool SqliteStatement::step() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) connection_.fail(code);
  return false;
}

void SqliteStatement::reset() noexcept { sqlite3_reset(statement_); }

std::int64_t SqliteStatement::Rows::integer(int column) const noexcept {
  return sqlite3_column_int64(statement_.statement_, column);
}

bool SqliteStatement::Rows::is_null(int column) const noexcept {
  return sqlite3_column_type(statement_.statement_, column) == SQLITE_NULL;
}

std::string_view SqliteStatement::Rows::text(int column) const noexcept {
  const void* data = sqlite3_column_blob(statement_.statement_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_.statement_, column));
  return {static_cast<const char*>(data), data == nullptr ? 0 : size};
}

}  // namespace cofounder
