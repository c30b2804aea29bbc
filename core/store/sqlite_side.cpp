// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_side.hpp"

#include "core/store/store_errors.hpp"

#include <utility>
#include <vector>

namespace cofounder {

SqliteSide::SqliteSide(SqliteConnection& connection)
    : has_schedule_{connection, "SELECT 1 FROM schedules WHERE name = ?1"},
      put_schedule_{connection,
                    "INSERT OR REPLACE INTO schedules (name, op, args, language, text, timezone,"
                    " missed, overlap, queue, priority, timeout, attempts_max, created_at,"
                    " last_fired, last_task)"
                    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"},
      remove_schedule_{connection, "DELETE FROM schedules WHERE name = ?1"},
      find_fired_{connection, "SELECT last_fired, last_task FROM schedules WHERE name = ?1"},
      mark_fired_{connection,
                  "UPDATE schedules SET last_fired = ?2, last_task = ?3 WHERE name = ?1"},
      find_value_{connection,
                  "SELECT version, expires, length(CAST(key AS BLOB)) + length(value) FROM kv"
                  " WHERE space = ?1 AND key = ?2"},
      read_value_{connection, "SELECT value FROM kv WHERE space = ?1 AND key = ?2"},
      put_value_{connection,
                 "INSERT OR REPLACE INTO kv (space, key, version, expires, value)"
                 " VALUES (?1, ?2, ?3, ?4, ?5)"},
      remove_value_{connection, "DELETE FROM kv WHERE space = ?1 AND key = ?2"},
      find_expired_{connection,
                    "SELECT space, key, length(CAST(key AS BLOB)) + length(value) FROM kv"
                    " WHERE expires <= ?1 ORDER BY expires LIMIT 16"},
      sum_expired_{connection,
                   "SELECT total(length(CAST(key AS BLOB)) + length(value)) FROM kv"
                   " WHERE space = ?1 AND expires <= ?2"},
      remove_expired_{connection, "DELETE FROM kv WHERE space = ?1 AND expires <= ?2"},
      find_space_{connection, "SELECT bytes FROM kv_spaces WHERE space = ?1"},
      add_bytes_{connection,
                 "INSERT INTO kv_spaces (space, bytes) VALUES (?1, ?2)"
                 " ON CONFLICT (space) DO UPDATE SET bytes = bytes + excluded.bytes"},
      next_version_{connection,
                    "UPDATE meta SET value = value + 1 WHERE name = 'kv_version'"
                    " RETURNING value"},
      record_{connection,
              "INSERT INTO task_costs (at, plugin, provider, model, operation, task, succeeded,"
              " input_tokens, output_tokens, cached_tokens, cost_micros, took)"
              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"} {}

bool SqliteSide::put_schedule(const Schedule& schedule) {
  bool is_new = false;
  {
    auto rows = has_schedule_.query(schedule.name);
    is_new = !rows.next();
  }
  put_schedule_.run(schedule.name, schedule.op, schedule.args, schedule.language, schedule.text,
                    schedule.timezone, static_cast<int>(schedule.missed),
                    static_cast<int>(schedule.overlap), schedule.queue, schedule.priority,
                    schedule.timeout, schedule.attempts_max, schedule.created_at,
                    schedule.last_fired, static_cast<std::int64_t>(schedule.last_task));
  return is_new;
}

bool SqliteSide::remove_schedule(const std::string& name) {
  {
    auto rows = has_schedule_.query(name);
    if (!rows.next()) return false;
  }
  remove_schedule_.run(name);
  return true;
}

std::optional<SqliteSide::Fired> SqliteSide::fired(const std::string& name) {
  auto rows = find_fired_.query(name);
  if (!rows.next()) return std::nullopt;
  return Fired{rows.optional_time(0), static_cast<TaskId>(rows.integer(1))};
}

void SqliteSide::mark_fired(const std::string& name, Time due, TaskId last_task) {
  mark_fired_.run(name, due, static_cast<std::int64_t>(last_task));
}

SqliteSide::Found SqliteSide::find(const std::string& space, const std::string& key, Time now) {
  auto rows = find_value_.query(space, key);
  if (!rows.next()) return {};
  const bool is_expired = !rows.is_null(1) && rows.time(1) <= now;
  return {is_expired ? 0 : rows.integer(0), rows.integer(2), true};
}

Result<KeyValueStore::Written> SqliteSide::put(const std::string& space, const std::string& key,
                                               const std::string& bytes, std::int64_t expected,
                                               Time expires, Time now,
                                               std::int64_t space_bytes_max) {
  purge_expired(now);
  Found found = find(space, key, now);
  if (expected != KeyValueStore::any_version && expected != found.version) {
    return KeyValueStore::Written{false, found.version};
  }
  const auto size = static_cast<std::int64_t>(key.size() + bytes.size());
  if (bytes_of(space) - found.bytes + size > space_bytes_max) {
    purge_expired_of(space, now);
    found = find(space, key, now);
    if (bytes_of(space) - found.bytes + size > space_bytes_max) {
      return space_is_full(space, space_bytes_max);
    }
  }
  std::int64_t version = 0;
  {
    auto rows = next_version_.query();
    if (rows.next()) version = rows.integer(0);
  }
  put_value_.run(space, key, version,
                 expires == Time::max() ? std::optional<Time>{} : std::optional{expires},
                 Blob{bytes});
  add_bytes(space, size - found.bytes);
  return KeyValueStore::Written{true, version};
}

KeyValueStore::Written SqliteSide::remove(const std::string& space, const std::string& key,
                                          std::int64_t expected, Time now) {
  const Found found = find(space, key, now);
  if (found.version == 0 || (expected != KeyValueStore::any_version && expected != found.version)) {
    return {false, found.version};
  }
  erase(space, key, found.bytes);
  return {true, 0};
}

std::optional<KeyValueStore::Value> SqliteSide::take(const std::string& space,
                                                     const std::string& key, Time now) {
  const Found found = find(space, key, now);
  if (!found.is_row) return std::nullopt;
  KeyValueStore::Value value;
  value.version = found.version;
  {
    auto rows = read_value_.query(space, key);
    if (rows.next()) value.bytes = rows.text(0);
  }
  erase(space, key, found.bytes);
  if (found.version == 0) return std::nullopt;
  return value;
}

void SqliteSide::erase(const std::string& space, const std::string& key, std::int64_t bytes) {
  remove_value_.run(space, key);
  add_bytes(space, -bytes);
}

// A few with every write, so that nobody has to wait for a great clearing.
void SqliteSide::purge_expired(Time now) {
  struct Expired {
    std::string space;
    std::string key;
    std::int64_t bytes;
  };
  std::vector<Expired> all;
  for (auto rows = find_expired_.query(now); rows.next();) {
    all.push_back({rows.string(0), rows.string(1), rows.integer(2)});
  }
  for (const Expired& expired : all) erase(expired.space, expired.key, expired.bytes);
}

void SqliteSide::purge_expired_of(const std::string& space, Time now) {
  std::int64_t bytes = 0;
  {
    auto rows = sum_expired_.query(space, now);
    if (rows.next()) bytes = rows.integer(0);
  }
  if (bytes == 0) return;
  remove_expired_.run(space, now);
  add_bytes(space, -bytes);
}

std::int64_t SqliteSide::bytes_of(const std::string& space) {
  auto rows = find_space_.query(space);
  return rows.next() ? rows.integer(0) : 0;
}

void SqliteSide::add_bytes(const std::string& space, std::int64_t bytes) {
  add_bytes_.run(space, bytes);
}

void SqliteSide::record(const UsageStore::Record& record) {
  record_.run(record.at, record.plugin, record.provider, record.model, record.operation,
              static_cast<std::int64_t>(record.task), record.succeeded, record.input_tokens,
              record.output_tokens, record.cached_tokens, record.cost_micros, record.took);
}

}  // namespace cofounder
