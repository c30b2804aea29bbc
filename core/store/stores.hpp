// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/loop.hpp"
#include "core/scheduler/retry.hpp"
#include "core/scheduler/schedule.hpp"
#include "core/scheduler/side_stores.hpp"
#include "core/scheduler/store_upkeep.hpp"
#include "core/scheduler/task_store.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace cofounder {

// Everything that a daemon keeps, in one SQLite file, for one node.
//
// One writer thread owns the write connection (WAL, synchronous=FULL).  Its loop: take all that
// waits, BEGIN IMMEDIATE, apply, claim what the freed slots allow, COMMIT (one fdatasync), answer
// all.  There is no timer and no artificial delay: the batch grows with the load.  Reads have a
// connection and a thread of their own.
struct SqliteOptions {
  std::filesystem::path file;
  std::string node = "local";
  RetryPolicy retry;                 // for attempts lost in a crash
  int rows_max = 4096;               // of one commit
  const char* vfs = nullptr;         // tests: a SQLite VFS by name
  const char* synchronous = "FULL";  // tests only: to show what OFF breaks
};

struct Stores {
  std::unique_ptr<TaskStore> owner;  // the object that all references below point into
  TaskStore& tasks;
  ScheduleStore& schedules;
  KeyValueStore& values;
  UsageStore& usage;
  NodeStore* nodes = nullptr;  // of a store that several daemons share
  StoreUpkeep* upkeep = nullptr;  // nullptr: its server has tools of its own for that
};

// The lock file FILE.lock makes a second daemon fail in open() with code "store_locked".  A file
// that is not ours, is damaged, or has a newer schema: "store_unusable", with what to do.
Stores make_sqlite_store(Loop& loop, const Clock& clock, SqliteOptions options);

// As StoreUpkeep::check(), for a file that no daemon uses, such as a backup.  It is left as it is.
Result<std::vector<std::string>> check_sqlite_file(const std::filesystem::path& file);

// In memory, without threads: the reference that the contract tests hold the others against.
Stores make_memory_store(Loop& loop, const Clock& clock, std::string node = "local",
                         RetryPolicy retry = {});

}  // namespace cofounder
