// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/schedule.hpp"
#include "core/scheduler/side_stores.hpp"
#include "core/store/sqlite_connection.hpp"

#include <optional>
#include <string>

namespace cofounder {

// The writer's part of schedules, values and usage.  Within the engine's transaction.
class SqliteSide {
 public:
  explicit SqliteSide(SqliteConnection& connection);

  bool put_schedule(const Schedule& schedule);
  bool remove_schedule(const std::string& name);
  struct Fired {
    std::optional<Time> last;
    TaskId last_task = 0;
  };
  std::optional<Fired> fired(const std::string& name);
  void mark_fired(const std::string& name, Time due, TaskId last_task);

  Result<KeyValueStore::Written> put(const std::string& space, const std::string& key,
                                     const std::string& bytes, std::int64_t expected, Time expires,
                                     Time now, std::int64_t space_bytes_max);
  KeyValueStore::Written remove(const std::string& space, const std::string& key,
                                std::int64_t expected, Time now);
  std::optional<KeyValueStore::Value> take(const std::string& space, const std::string& key,
                                           Time now);

  void record(const UsageStore::Record& record);

 private:
  struct Found {
    std::int64_t version = 0;  // 0: absent or expired
    std::int64_t bytes = 0;    // of the row, expired or not
    bool is_row = false;
  };
  Found find(const std::string& space, const std::string& key, Time now);
  void erase(const std::string& space, const std::string& key, std::int64_t bytes);
  void purge_expired(Time now);
  void purge_expired_of(const std::string& space, Time now);
  std::int64_t bytes_of(const std::string& space);
  void add_bytes(const std::string& space, std::int64_t bytes);

  SqliteStatement has_schedule_;
  SqliteStatement put_schedule_;
  SqliteStatement remove_schedule_;
  SqliteStatement find_fired_;
  SqliteStatement mark_fired_;
  SqliteStatement find_value_;
  SqliteStatement read_value_;
  SqliteStatement put_value_;
  SqliteStatement remove_value_;
  SqliteStatement find_expired_;
  SqliteStatement sum_expired_;
  SqliteStatement remove_expired_;
  SqliteStatement find_space_;
  SqliteStatement add_bytes_;
  SqliteStatement next_version_;
  SqliteStatement record_;
};

}  // namespace cofounder
