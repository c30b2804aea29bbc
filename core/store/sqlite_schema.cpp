// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_schema.hpp"

#include <string>

namespace cofounder {
namespace {

Error unusable(const SqliteOptions& options, const std::string& why, std::string hint) {
  Error error = make_error("store_unusable", options.file.string() + " " + why + ".");
  error.hint = std::move(hint);
  return error;
}

void create(SqliteConnection& connection) {
  connection.execute("BEGIN IMMEDIATE");
  connection.execute(sqlite_schema);
  connection.execute("PRAGMA application_id = " + std::to_string(sqlite_application_id));
  connection.execute("PRAGMA user_version = " + std::to_string(sqlite_schema_version));
  connection.execute("COMMIT");
}

// Version 1 had another name for the table of costs.
void migrate_from_1(SqliteConnection& connection) {
  connection.execute("BEGIN IMMEDIATE");
  connection.execute("ALTER TABLE usage RENAME TO task_costs");
  connection.execute("DROP INDEX usage_at");
  connection.execute("CREATE INDEX task_costs_at ON task_costs (at)");
  connection.execute("PRAGMA user_version = 2");
  connection.execute("COMMIT");
}

bool set_wal(SqliteConnection& connection) {
  SqliteStatement statement{connection, "PRAGMA journal_mode = WAL"};
  auto rows = statement.query();
  return rows.next() && rows.text(0) == "wal";
}

}  // namespace

Result<std::unique_ptr<SqliteConnection>> open_sqlite_file(const SqliteOptions& options) {
  auto connection = std::make_unique<SqliteConnection>(options.file, options.vfs);
  // The identity first: a stranger's file must not be changed, not even its journal mode.
  const std::int64_t application = connection->integer("PRAGMA application_id");
  const std::int64_t version = connection->integer("PRAGMA user_version");
  const bool is_new = application == 0 && version == 0 &&
                      connection->integer("SELECT count(*) FROM sqlite_schema") == 0;
  if (!is_new && application != sqlite_application_id) {
    return unusable(options, "is a database of another program",
                    "Set [store] file to a file of its own; a missing one is created.");
  }
  if (!is_new && version != 1 && version != sqlite_schema_version) {
    return unusable(options,
                    "has schema version " + std::to_string(version) +
                        ", and this cofounderd knows version " +
                        std::to_string(sqlite_schema_version),
                    "Install the cofounderd that wrote it or a newer one, or put a backup of the time "
                    "before in its place.");
  }
  if (!set_wal(*connection)) {
    return unusable(options, "cannot have a write-ahead log",
                    "Put it on a local file system: network file systems lack shared memory.");
  }
  connection->execute(std::string{"PRAGMA synchronous = "} + options.synchronous);
  connection->execute("PRAGMA cache_size = -8000");
  connection->execute("PRAGMA temp_store = MEMORY");
  if (is_new) create(*connection);
  if (version == 1) migrate_from_1(*connection);
  return connection;
}

Error open_error(const SqliteOptions& options, const SqliteError& error) {
  if (!error.is_damage()) {
    Error away =
        make_error("store_unavailable",
                   options.file.string() + " cannot be opened: " + error.what() + ".", true);
    away.hint = "Look at the disk's space and health.";
    return away;
  }
  if (error.is_corrupt()) {
    return unusable(options, std::string{"is damaged: "} + error.what(),
                    "\"cofounderctl store check FILE\" says more. Move it and its -wal and -shm away "
                    "and put a backup in its place; without one, \"sqlite3 FILE .recover\" saves what "
                    "can be read, and a missing file is created anew.");
  }
  return unusable(options, std::string{"cannot be used: "} + error.what(),
                  "Check that its folder exists and that both can be read and written.");
}

}  // namespace cofounder
