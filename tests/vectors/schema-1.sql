-- SPDX-License-Identifier: Apache-2.0
-- A store of schema 1 with a task that waits and a use of a provider.
BEGIN TRANSACTION;
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
CREATE TABLE finished_counts (
  op TEXT NOT NULL,
  state INTEGER NOT NULL,
  count INTEGER NOT NULL,
  took INTEGER NOT NULL,            -- sum of the column of finished
  PRIMARY KEY (op, state)
) STRICT, WITHOUT ROWID;
CREATE TABLE kv (
  space TEXT NOT NULL,              -- id of the plugin
  key TEXT NOT NULL,
  version INTEGER NOT NULL,         -- rises over the whole store
  expires INTEGER,                  -- absent from then on
  value BLOB NOT NULL,
  PRIMARY KEY (space, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE kv_spaces (
  space TEXT PRIMARY KEY,
  bytes INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE meta (
  name TEXT PRIMARY KEY,            -- 'opened': how often; 'kv_version': the newest
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO "meta" VALUES('kv_version',0);
INSERT INTO "meta" VALUES('opened',0);
CREATE TABLE payloads (
  id INTEGER PRIMARY KEY,           -- of the task
  args TEXT NOT NULL,               -- JSON object
  checkpoint BLOB                   -- what the newest attempt left for the next one
) STRICT;
INSERT INTO "payloads" VALUES(1000,'{"name":"world"}',NULL);
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
INSERT INTO "tasks" VALUES(1000,0,0,4102444800000,0,0,5,900000,0,1795456358123,NULL,'hello.greet','default',NULL,NULL,'uid:0',NULL);
CREATE TABLE usage (
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
INSERT INTO "usage" VALUES(1,1795456358123,'huggingface','groq','org/name','chat',1000,1,3,2,NULL,4,10);
CREATE UNIQUE INDEX tasks_unique_key ON tasks (unique_key) WHERE unique_key IS NOT NULL;
CREATE INDEX finished_badly ON finished (state, id) WHERE state > 3;
CREATE INDEX kv_expires ON kv (expires) WHERE expires IS NOT NULL;
CREATE INDEX usage_at ON usage (at);
COMMIT;
PRAGMA application_id = 1129268804;
PRAGMA user_version = 1;
