// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/sqlite_connection.hpp"
#include "core/store/stores.hpp"

#include <memory>

namespace cofounder {

// PRAGMA application_id and user_version of our files.
inline constexpr std::int64_t sqlite_application_id = 0x434f4644;  // "COFD"
inline constexpr std::int64_t sqlite_schema_version = 2;

// The whole schema.  SQLite keeps the comments: `.schema` in its shell shows them.
// Times are milliseconds since 1970 UTC, durations milliseconds, states the numbers of TaskState.
inline constexpr const char* sqlite_schema = R"sql(
-- Tasks that are alive.  Small however much is kept: a task that ends moves to `finished`.
CREATE TABLE tasks (
  id INTEGER PRIMARY KEY,           -- TaskId: rises with the time of submission
  state INTEGER NOT NULL,           -- 0 waiting (for run_at or for a free slot), 2 running
  priority INTEGER NOT NULL,        -- -100..100, higher first
  run_at INTEGER NOT NULL,          -- not to be started before
  attempt INTEGER NOT NULL,         -- attempts begun; with `id` the fence of a completion
  uncounted INTEGER NOT NULL,       -- of them, those that do not count against attempts_max
  attempts_max INTEGER NOT NULL,
  timeout INTEGER NOT NULL,         -- of one attempt
  retry_on_timeout INTEGER NOT NULL,-- 0 or 1: may a timed out attempt be tried again
  submitted_at INTEGER NOT NULL,
  started_at INTEGER,               -- of the newest attempt
  op TEXT NOT NULL,                 -- plugin.operation
  queue TEXT NOT NULL,
  unique_key TEXT,                  -- no two living tasks share one
  schedule TEXT,                    -- name of the schedule that made it
  submitter TEXT NOT NULL,          -- who asked for it: uid:1000, plugin:oauth, schedule:nightly
  error TEXT                        -- of the newest failed attempt, as JSON
) STRICT;
CREATE UNIQUE INDEX tasks_unique_key ON tasks (unique_key) WHERE unique_key IS NOT NULL;

-- Tasks that are over, until they are purged.
CREATE TABLE finished (
  id INTEGER PRIMARY KEY,
  state INTEGER NOT NULL,           -- 3 succeeded, 4 failed, 5 cancelled, 6 timed out
  priority INTEGER NOT NULL,        -- from here to submitter: as in tasks
  run_at INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  attempts_max INTEGER NOT NULL,
  timeout INTEGER NOT NULL,
  retry_on_timeout INTEGER NOT NULL,
  submitted_at INTEGER NOT NULL,
  started_at INTEGER,
  op TEXT NOT NULL,
  queue TEXT NOT NULL,
  unique_key TEXT,
  schedule TEXT,
  submitter TEXT NOT NULL,
  error TEXT,                       -- why it did not succeed, as JSON
  ended_at INTEGER NOT NULL,
  took INTEGER NOT NULL,            -- duration of the last attempt
  result TEXT                       -- JSON; last, so that other columns are read without it
) STRICT;
CREATE INDEX finished_badly ON finished (state, id) WHERE state > 3;

-- What is large about a task, away from the columns that are read all the time.
CREATE TABLE payloads (
  id INTEGER PRIMARY KEY,           -- of the task
  args TEXT NOT NULL,               -- JSON object
  checkpoint BLOB                   -- what the newest attempt left for the next one
) STRICT;

-- One row for each attempt that ended.
CREATE TABLE attempts (
  task INTEGER NOT NULL,
  attempt INTEGER NOT NULL,
  node TEXT NOT NULL,               -- which daemon made it
  started_at INTEGER NOT NULL,
  ended_at INTEGER NOT NULL,
  outcome INTEGER NOT NULL,         -- the number of Outcome::Kind
  error TEXT,                       -- JSON
  PRIMARY KEY (task, attempt)
) STRICT, WITHOUT ROWID;

-- How many rows of each kind `finished` holds, kept so that counting needs no scan.
CREATE TABLE finished_counts (
  op TEXT NOT NULL,
  state INTEGER NOT NULL,
  count INTEGER NOT NULL,
  took INTEGER NOT NULL,            -- sum of the column of finished
  PRIMARY KEY (op, state)
) STRICT, WITHOUT ROWID;

CREATE TABLE schedules (
  name TEXT PRIMARY KEY,
  op TEXT NOT NULL,
  args TEXT NOT NULL,               -- JSON object
  language TEXT NOT NULL,           -- cron, calendar or every
  text TEXT NOT NULL,               -- the expression in that language
  timezone TEXT NOT NULL,           -- IANA name; empty: UTC
  missed INTEGER NOT NULL,          -- the number of Schedule::Missed
  overlap INTEGER NOT NULL,         -- the number of Schedule::Overlap
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL,
  timeout INTEGER NOT NULL,
  attempts_max INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  last_fired INTEGER,               -- the due time that fired last: it never fires again
  last_task INTEGER NOT NULL        -- 0: none yet
) STRICT, WITHOUT ROWID;

-- The durable maps of the plugins.
CREATE TABLE kv (
  space TEXT NOT NULL,              -- id of the plugin
  key TEXT NOT NULL,
  version INTEGER NOT NULL,         -- rises over the whole store
  expires INTEGER,                  -- absent from then on
  value BLOB NOT NULL,
  PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX kv_expires ON kv (expires) WHERE expires IS NOT NULL;

-- Bytes of keys and values in each space, expired but not yet deleted ones included.
CREATE TABLE kv_spaces (
  space TEXT PRIMARY KEY,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each use of a provider.  NULL: not known, which is not 0.
CREATE TABLE task_costs (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  plugin TEXT NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  operation TEXT NOT NULL,
  task INTEGER NOT NULL,            -- 0: outside of a task
  succeeded INTEGER NOT NULL,       -- 0 or 1
  input_tokens INTEGER,
  output_tokens INTEGER,
  cached_tokens INTEGER,
  cost_micros INTEGER,              -- micro-dollars
  took INTEGER NOT NULL
) STRICT;
CREATE INDEX task_costs_at ON task_costs (at);

CREATE TABLE meta (
  name TEXT PRIMARY KEY,            -- 'opened': how often; 'kv_version': the newest
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO meta VALUES ('opened', 0), ('kv_version', 0);
)sql";

// Opens the file for the writer; a new one is made.  Throws SqliteError.
// `store_unusable` comes back as an Error: the file is another program's or too new.
Result<std::unique_ptr<SqliteConnection>> open_sqlite_file(const SqliteOptions& options);

// What is said about an error while opening, with advice.
Error open_error(const SqliteOptions& options, const SqliteError& error);

}  // namespace cofounder
