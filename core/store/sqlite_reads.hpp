// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/schedule.hpp"
#include "core/scheduler/side_stores.hpp"
#include "core/scheduler/task_store.hpp"
#include "core/store/sqlite_connection.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace cofounder {

// What the reader thread does: every function sees one state of the file.  Throws SqliteError.
class SqliteReads {
 public:
  SqliteReads(const std::filesystem::path& file, const char* vfs, std::string node);

  std::optional<TaskRecord> get(TaskId task, Time now);
  TaskPage list(const TaskQuery& query, Time now);
  TaskCounts counts(Time since, Time now);
  std::vector<Schedule> schedules();
  std::optional<KeyValueStore::Value> value(const std::string& space, const std::string& key,
                                            Time now);
  KeyValueStore::Page scan(const std::string& space, const std::string& prefix,
                           const std::string& after, int count, Time now);
  std::vector<UsageStore::Sum> usage_sum(UsageStore::By by, Time from, Time to);

 private:
  class Snapshot;
  SqliteStatement& prepared(const std::string& sql);
  void read_attempts(TaskRecord& record);

  SqliteConnection connection_;
  std::string node_;
  std::unordered_map<std::string, SqliteStatement> statements_;  // by their text
};

}  // namespace cofounder
