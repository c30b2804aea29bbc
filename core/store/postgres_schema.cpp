// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_dialect.hpp"

namespace cofounder {
namespace {

// Times are milliseconds since 1970 UTC, durations milliseconds, states the numbers of TaskState.
// Identifiers and names compare bytewise (COLLATE "C"), like everywhere else in the daemon.
constexpr const char* version_1[] = {
    // Tasks that are alive.  Small however much is kept: a task that ends moves to `finished`.  Room
    // is left in each page, and dead rows are taken away early: this table is all change.
    R"sql(CREATE TABLE %tasks (
      id bigint PRIMARY KEY,              -- TaskId: rises with the time of submission
      state smallint NOT NULL CHECK (state BETWEEN 0 AND 2),  -- 0 waits, 1 is due, 2 runs
      priority smallint NOT NULL CHECK (priority BETWEEN -100 AND 100),
      run_at bigint NOT NULL CHECK (run_at >= 0),
      attempt integer NOT NULL CHECK (attempt >= 0),  -- with id and owner the fence of a completion
      uncounted integer NOT NULL CHECK (uncounted BETWEEN 0 AND attempt),
      attempts_max integer NOT NULL CHECK (attempts_max >= 0),
      timeout bigint NOT NULL CHECK (timeout >= 0),
      retry_on_timeout boolean NOT NULL,
      submitted_at bigint NOT NULL,
      started_at bigint,                  -- of the newest attempt
      owner text COLLATE "C",             -- the node that runs it
      op text COLLATE "C" NOT NULL CHECK (op <> ''),
      plugin text COLLATE "C" NOT NULL,   -- the first part of op
      queue text COLLATE "C" NOT NULL CHECK (queue <> ''),
      unique_key text COLLATE "C",        -- no two living tasks share one
      schedule text COLLATE "C",
      submitter text COLLATE "C" NOT NULL,
      error text,                         -- of the newest failed attempt, as JSON
      cancelled boolean NOT NULL DEFAULT false,  -- its owner has to be told
      CHECK ((state = 2) = (owner IS NOT NULL))
    ) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02,
            autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0,
            autovacuum_analyze_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.2))sql",
    R"sql(CREATE INDEX tasks_ready ON %tasks (queue, plugin, priority DESC, run_at, id)
      WHERE state = 1)sql",
    "CREATE INDEX tasks_scheduled ON %tasks (run_at) WHERE state = 0",
    "CREATE INDEX tasks_running ON %tasks (owner, queue) WHERE state = 2",
    "CREATE INDEX tasks_cancelled ON %tasks (owner) WHERE cancelled",
    "CREATE UNIQUE INDEX tasks_unique_key ON %tasks (unique_key) WHERE unique_key IS NOT NULL",

    // Tasks that are over, until they are purged.
    R"sql(CREATE TABLE %finished (
      id bigint PRIMARY KEY,
      state smallint NOT NULL,            -- 3 succeeded, 4 failed, 5 cancelled, 6 timed out
      priority smallint NOT NULL,         -- from here to submitter: as in tasks
      run_at bigint NOT NULL,
      attempt integer NOT NULL,
      attempts_max integer NOT NULL,
      timeout bigint NOT NULL,
      retry_on_timeout boolean NOT NULL,
      submitted_at bigint NOT NULL,
      started_at bigint,
      op text COLLATE "C" NOT NULL,
      queue text COLLATE "C" NOT NULL,
      unique_key text COLLATE "C",
      schedule text COLLATE "C",
      submitter text COLLATE "C" NOT NULL,
      error text,
      ended_at bigint NOT NULL,
      took bigint NOT NULL,               -- duration of the last attempt
      result text                         -- JSON
    ) WITH (autovacuum_vacuum_scale_factor = 0.05))sql",
    "CREATE INDEX finished_badly ON %finished (state, id) WHERE state > 3",

    // What is large about a task, away from the columns that change all the time.
    R"sql(CREATE TABLE %payloads (
      id bigint PRIMARY KEY,
      args text NOT NULL,
      checkpoint bytea
    ) WITH (autovacuum_vacuum_scale_factor = 0.05))sql",

    // One row for each attempt that ended.
    R"sql(CREATE TABLE %attempts (
      task bigint NOT NULL,
      attempt integer NOT NULL,
      node text COLLATE "C" NOT NULL,
      started_at bigint NOT NULL,
      ended_at bigint NOT NULL,
      outcome smallint NOT NULL,          -- the number of Outcome::Kind
      error text,
      PRIMARY KEY (task, attempt)
    ) WITH (autovacuum_vacuum_scale_factor = 0.05))sql",

    // How many rows of each kind `finished` holds: the sum of both tables.  A change is a row of its
    // own, so that nodes never wait for each other; now and then they are folded into the first.
    R"sql(CREATE TABLE %finished_counts (
      op text COLLATE "C" NOT NULL,
      state smallint NOT NULL,
      count bigint NOT NULL,
      took bigint NOT NULL,
      PRIMARY KEY (op, state)
    ))sql",
    R"sql(CREATE TABLE %finished_changes (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      op text COLLATE "C" NOT NULL,
      state smallint NOT NULL,
      count bigint NOT NULL,
      took bigint NOT NULL
    ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000,
            autovacuum_vacuum_cost_delay = 0))sql",

    R"sql(CREATE TABLE %schedules (
      name text COLLATE "C" PRIMARY KEY,
      op text NOT NULL,
      args text NOT NULL,
      language text NOT NULL,
      text text NOT NULL,
      timezone text NOT NULL,
      missed smallint NOT NULL,
      overlap smallint NOT NULL,
      queue text NOT NULL,
      priority smallint NOT NULL,
      timeout bigint NOT NULL,
      attempts_max integer NOT NULL,
      created_at bigint NOT NULL,
      last_fired bigint,                  -- the due time that fired last: it never fires again
      last_task bigint NOT NULL           -- 0: none yet
    ) WITH (fillfactor = 50))sql",

    // The durable maps of the plugins.  Keys are bytes: they are ordered as such.
    R"sql(CREATE TABLE %kv (
      space text COLLATE "C" NOT NULL,
      key bytea NOT NULL,
      version bigint NOT NULL,            -- rises over the whole store
      expires bigint,                     -- absent from then on
      value bytea NOT NULL,
      PRIMARY KEY (space, key)
    ) WITH (autovacuum_vacuum_scale_factor = 0.05))sql",
    "CREATE INDEX kv_expires ON %kv (space, expires) WHERE expires IS NOT NULL",
    // Bytes of keys and values in each space.  Who writes there locks the row.
    R"sql(CREATE TABLE %kv_spaces (
      space text COLLATE "C" PRIMARY KEY,
      bytes bigint NOT NULL
    ) WITH (fillfactor = 50))sql",
    "CREATE SEQUENCE %kv_versions",

    // One row for each use of a provider.  NULL: not known, which is not 0.
    R"sql(CREATE TABLE %task_costs (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      at bigint NOT NULL,
      plugin text COLLATE "C" NOT NULL,
      provider text COLLATE "C" NOT NULL,
      model text COLLATE "C" NOT NULL,
      operation text COLLATE "C" NOT NULL,
      task bigint NOT NULL,
      succeeded boolean NOT NULL,
      input_tokens bigint,
      output_tokens bigint,
      cached_tokens bigint,
      cost_micros bigint,
      took bigint NOT NULL
    ))sql",
    "CREATE INDEX task_costs_at ON %task_costs (at)",

    // Who uses the queue.  `session` is new with each start of the node's daemon: one that was
    // replaced sees that it was.
    R"sql(CREATE TABLE %nodes (
      name text COLLATE "C" PRIMARY KEY,
      number smallint NOT NULL UNIQUE CHECK (number BETWEEN 0 AND 511),  -- in the ids it makes
      session text NOT NULL,
      version text NOT NULL,
      opened_at bigint NOT NULL,
      seen_at bigint NOT NULL,            -- the newest beat
      ended_at bigint,                    -- it said goodbye
      taken bigint NOT NULL DEFAULT 0     -- how often others took its tasks over
    ) WITH (fillfactor = 30, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0))sql",
};

constexpr const char* record_version[] = {
    "CREATE TABLE %meta (name text PRIMARY KEY, value bigint NOT NULL)",
    "INSERT INTO %meta VALUES ('version', 1)",
};

}  // namespace

std::vector<std::string> PostgresDialect::migration(const std::string& schema, std::int64_t to) {
  std::vector<std::string> all;
  const auto add = [&](std::string sql) {
    const auto at = sql.find('%');
    sql.replace(at, 1, quoted(schema) + ".");
    all.push_back(std::move(sql));
  };
  if (to != 1) return all;
  for (const char* sql : version_1) add(sql);
  for (const char* sql : record_version) add(sql);
  // So that what somebody alters by hand is noticed at the next start.
  add("CREATE TABLE %shape (what text COLLATE \"C\" PRIMARY KEY)");
  add("INSERT INTO %shape " + shape(schema));
  return all;
}

std::string PostgresDialect::shape(const std::string& schema) {
  std::string name = "'";
  for (const char c : schema) name += c == '\'' ? std::string{"''"} : std::string{c};
  name += "'";
  return "SELECT 'column ' || c.relname || '.' || a.attname || ' ' ||"
         " format_type(a.atttypid, a.atttypmod) FROM pg_attribute a"
         " JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
         " WHERE n.nspname = " + name + " AND c.relkind = 'r' AND a.attnum > 0"
         " AND NOT a.attisdropped"
         " UNION ALL SELECT 'index ' || indexname FROM pg_indexes WHERE schemaname = " + name;
}

}  // namespace cofounder
