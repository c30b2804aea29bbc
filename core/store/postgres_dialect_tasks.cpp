// SPDX-License-Identifier: Apache-2.0
// What is said to change tasks, schedules and values.
#include "core/store/postgres_dialect.hpp"

namespace cofounder {
namespace {

// Puts the rows of `source` into `finished`; what differs is given.
std::string into_finished(const char* state, const char* error, const char* rest) {
  return std::string{
             "INSERT INTO %finished (id, state, priority, run_at, attempt, attempts_max, timeout,"
             " retry_on_timeout, submitted_at, started_at, op, queue, unique_key, schedule,"
             " submitter, error, ended_at, took, result)"
             " SELECT t.id, "} +
         state +
         ", t.priority, t.run_at, t.attempt, t.attempts_max, t.timeout, t.retry_on_timeout,"
         " t.submitted_at, t.started_at, t.op, t.queue, t.unique_key, t.schedule, t.submitter, " +
         error + rest;
}

// Rows that are to become tasks: columns of `given` as in `submit`.
constexpr const char* insert_tasks =
    "INSERT INTO %tasks (id, state, priority, run_at, attempt, uncounted, attempts_max, timeout,"
    " retry_on_timeout, submitted_at, op, plugin, queue, unique_key, schedule, submitter)"
    " SELECT id, CASE WHEN run_at <= @now THEN 1 ELSE 0 END, priority, greatest(run_at, @now),"
    " 0, 0, attempts_max, timeout, retry <> 0, @now, op, split_part(op, '.', 1), queue,"
    " unique_key, schedule, submitter FROM given";
constexpr const char* unless_taken =
    " ON CONFLICT (unique_key) WHERE unique_key IS NOT NULL DO NOTHING RETURNING id";

}  // namespace

void PostgresDialect::say_writes(const std::string& schema) {
  const auto sql = [&schema](std::string_view text) { return expanded(schema, text); };
  checkpoint = sql(
      "WITH given AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])"
      " AS g(id, attempt, state)),"
      " locked AS MATERIALIZED (SELECT id, attempt FROM %tasks WHERE id = ANY($1) AND state = 2"
      " AND owner = $4 ORDER BY id FOR NO KEY UPDATE)"
      " UPDATE %payloads p SET checkpoint = g.state FROM locked l"
      " JOIN given g ON g.id = l.id AND g.attempt = l.attempt"
      " WHERE p.id = l.id AND p.id = ANY($1) RETURNING p.id, l.attempt");

  finish = sql(
      "WITH given AS (SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[],"
      " $5::bigint[], $6::text[], $7::bigint[], $8::bigint[], $9::text[], $10::bigint[],"
      " $11::bigint[], $12::bytea[], $15::text[]) AS g(id, attempt, kind, state, error, ended_at,"
      " took, result, run_at, uncounted, checkpoint, node)),"
      " locked AS MATERIALIZED (SELECT id, attempt, started_at, op FROM %tasks"
      " WHERE id = ANY($2) AND state = 2 AND owner = $13 ORDER BY id FOR UPDATE),"
      " ours AS MATERIALIZED (SELECT l.started_at, l.op, g.* FROM locked l"
      " JOIN given g ON g.id = l.id AND g.attempt = l.attempt),"
      " gone AS (DELETE FROM %tasks WHERE id = ANY(ARRAY(SELECT id FROM ours WHERE state >= 3))"
      " RETURNING *),"
      " kept AS (" +
      into_finished("o.state", "CASE WHEN o.state = 3 THEN NULL ELSE coalesce(o.error, t.error) END",
                    ", o.ended_at, o.took, o.result FROM gone t JOIN ours o ON o.id = t.id") +
      "), again AS (UPDATE %tasks t SET state = CASE WHEN o.run_at <= @now THEN 1 ELSE 0 END,"
      " run_at = o.run_at, uncounted = t.uncounted + o.uncounted,"
      " error = coalesce(o.error, t.error), owner = NULL, cancelled = false FROM ours o"
      " WHERE o.id = t.id AND t.id = ANY(ARRAY(SELECT id FROM ours WHERE state < 3))),"
      " tried AS (INSERT INTO %attempts (task, attempt, node, started_at, ended_at, outcome, error)"
      " SELECT id, attempt, node, started_at, ended_at, kind, error FROM ours),"
      " noted AS (UPDATE %payloads p"
      " SET checkpoint = CASE WHEN o.state < 3 THEN o.checkpoint END FROM ours o"
      " WHERE o.id = p.id AND p.id = ANY(ARRAY(SELECT id FROM ours WHERE state >= 3 OR kind = $14))"
      " AND (o.state < 3 OR p.checkpoint IS NOT NULL)),"
      " counted AS (INSERT INTO %finished_changes (op, state, count, took)"
      " SELECT op, state, count(*), sum(took) FROM ours WHERE state >= 3 GROUP BY op, state)"
      " SELECT id, attempt FROM ours");

  submit = sql(
      std::string{
          "WITH given AS (SELECT * FROM unnest($2::bigint[], $3::bigint[], $4::bigint[],"
          " $5::bigint[], $6::bigint[], $7::bigint[], $8::text[], $9::text[], $10::text[],"
          " $11::text[], $12::text[], $13::text[]) WITH ORDINALITY AS g(id, priority, run_at,"
          " attempts_max, timeout, retry, op, queue, unique_key, schedule, submitter, args, n)),"
          // In one order of keys, so that two nodes cannot wait for each other in a circle.
          " made AS ("} +
      insert_tasks + " ORDER BY unique_key NULLS FIRST, n" + unless_taken +
      "), kept AS (INSERT INTO %payloads (id, args) SELECT g.id, g.args FROM given g"
      " JOIN made m ON m.id = g.id) SELECT id, @now FROM made");
  find_unique = sql(
      "SELECT @now, unique_key, id, state, run_at, submitted_at FROM %tasks"
      " WHERE unique_key IS NOT NULL AND unique_key = ANY($2::text[])");
}

void PostgresDialect::say_changes(const std::string& schema) {
  const auto sql = [&schema](std::string_view text) { return expanded(schema, text); };
  cancel = sql(
      "WITH found AS MATERIALIZED (SELECT id, state, owner FROM %tasks WHERE id = $2"
      " FOR UPDATE),"
      " gone AS (DELETE FROM %tasks"
      " WHERE id = ANY(ARRAY(SELECT id FROM found WHERE state < 2)) RETURNING *),"
      " kept AS (" +
      into_finished("5", "t.error", ", @now, 0, NULL FROM gone t") +
      "), cleared AS (UPDATE %payloads SET checkpoint = NULL"
      " WHERE id = ANY(ARRAY(SELECT id FROM gone)) AND checkpoint IS NOT NULL),"
      " counted AS (INSERT INTO %finished_changes (op, state, count, took)"
      " SELECT op, 5, 1, 0 FROM gone)"
      ", told AS (UPDATE %tasks SET cancelled = true"
      " WHERE id = ANY(ARRAY(SELECT id FROM found WHERE state = 2 AND owner <> $3)))"
      " SELECT state, (SELECT owner FROM found) <> $3 FROM found");
  find_finished = sql("SELECT 1 FROM %finished WHERE id = $1");

  // The attempts of its former life do not count any more.
  retry = sql(
      std::string{
          "WITH found AS MATERIALIZED (SELECT * FROM %finished WHERE id = $2 FOR UPDATE),"
          " made AS (INSERT INTO %tasks (id, state, priority, run_at, attempt, uncounted,"
          " attempts_max, timeout, retry_on_timeout, submitted_at, started_at, op, plugin, queue,"
          " unique_key, schedule, submitter, error)"
          " SELECT id, 1, priority, @now, attempt, attempt, attempts_max, timeout,"
          " retry_on_timeout, submitted_at, started_at, op, split_part(op, '.', 1), queue,"
          " unique_key, schedule, submitter, error FROM found"} +
      unless_taken +
      "), gone AS (DELETE FROM %finished WHERE id = ANY(ARRAY(SELECT id FROM made))"
      " RETURNING op, state, took),"
      " counted AS (INSERT INTO %finished_changes (op, state, count, took)"
      " SELECT op, state, -1, -took FROM gone)"
      " SELECT id FROM made");
  find_alive = sql("SELECT 1 FROM %tasks WHERE id = $1");
  find_key_holder = sql(
      "SELECT t.id FROM %finished f JOIN %tasks t ON t.unique_key = f.unique_key"
      " AND t.unique_key IS NOT NULL WHERE f.id = $1");

  purge = sql(
      "WITH old AS MATERIALIZED (SELECT id FROM %finished WHERE id < $1 AND ended_at < $2"
      " ORDER BY id LIMIT $3 FOR UPDATE SKIP LOCKED),"
      " gone AS (DELETE FROM %finished WHERE id = ANY(ARRAY(SELECT id FROM old))"
      " RETURNING id, op, state, took),"
      " args AS (DELETE FROM %payloads WHERE id = ANY(ARRAY(SELECT id FROM old))),"
      " tried AS (DELETE FROM %attempts WHERE task = ANY(ARRAY(SELECT id FROM old))),"
      " counted AS (INSERT INTO %finished_changes (op, state, count, took)"
      " SELECT op, state, -count(*), -sum(took) FROM gone GROUP BY op, state)"
      " SELECT count(*) FROM gone");
  fold_counts = sql(
      "WITH old AS (DELETE FROM %finished_changes WHERE id = ANY(ARRAY("
      "SELECT id FROM %finished_changes ORDER BY id LIMIT 10000 FOR UPDATE SKIP LOCKED))"
      " RETURNING op, state, count, took)"
      " INSERT INTO %finished_counts AS c (op, state, count, took)"
      " SELECT op, state, sum(count), sum(took) FROM old GROUP BY op, state ORDER BY op, state"
      " ON CONFLICT (op, state) DO UPDATE SET count = c.count + excluded.count,"
      " took = c.took + excluded.took");
}

void PostgresDialect::say_schedules(const std::string& schema) {
  const auto sql = [&schema](std::string_view text) { return expanded(schema, text); };
  lock_schedule = sql("SELECT 1 FROM %schedules WHERE name = $1 FOR UPDATE");
  // ($2 schedule, $3 due, $4 not while one is alive, $5... the task as in submit)
  fire = sql(
      std::string{
          "WITH due AS (SELECT name, last_task FROM %schedules WHERE name = $2"
          " AND (last_fired IS NULL OR last_fired < $3)),"
          " given AS (SELECT $5::bigint AS id, $6::bigint AS priority, $7::bigint AS run_at,"
          " $8::bigint AS attempts_max, $9::bigint AS timeout, $10::bigint AS retry,"
          " $11::text AS op, $12::text AS queue, $13::text AS unique_key, $14::text AS schedule,"
          " $15::text AS submitter FROM due"
          " WHERE NOT ($4 AND EXISTS (SELECT 1 FROM %tasks WHERE id = due.last_task))),"
          " made AS ("} +
      insert_tasks + unless_taken +
      "), kept AS (INSERT INTO %payloads (id, args) SELECT id, $16::text FROM made),"
      " marked AS (UPDATE %schedules SET last_fired = $3,"
      " last_task = coalesce((SELECT id FROM made), last_task)"
      " WHERE name IN (SELECT name FROM due))"
      " SELECT id FROM made");
  put_schedule = sql(
      "INSERT INTO %schedules (name, op, args, language, text, timezone, missed, overlap, queue,"
      " priority, timeout, attempts_max, created_at, last_fired, last_task)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)"
      " ON CONFLICT (name) DO UPDATE SET op = excluded.op, args = excluded.args,"
      " language = excluded.language, text = excluded.text, timezone = excluded.timezone,"
      " missed = excluded.missed, overlap = excluded.overlap, queue = excluded.queue,"
      " priority = excluded.priority, timeout = excluded.timeout,"
      " attempts_max = excluded.attempts_max, created_at = excluded.created_at,"
      " last_fired = excluded.last_fired, last_task = excluded.last_task");
  remove_schedule = sql("DELETE FROM %schedules WHERE name = $1 RETURNING 1");
  schedules = sql(
      "SELECT name, op, args, language, text, timezone, missed, overlap, queue, priority, timeout,"
      " attempts_max, created_at, last_fired, last_task FROM %schedules ORDER BY name");
}

void PostgresDialect::say_values(const std::string& schema) {
  const auto sql = [&schema](std::string_view text) { return expanded(schema, text); };
  kv_make_space = sql("INSERT INTO %kv_spaces VALUES ($1, 0) ON CONFLICT DO NOTHING");
  kv_lock_space = sql("SELECT 1 FROM %kv_spaces WHERE space = $1 FOR UPDATE");
  kv_expire = sql(
      "WITH gone AS (DELETE FROM %kv WHERE space = $2 AND expires IS NOT NULL AND expires <= @now"
      " RETURNING octet_length(key) + octet_length(value) AS size)"
      " UPDATE %kv_spaces SET bytes = bytes - (SELECT sum(size) FROM gone)"
      " WHERE space = $2 AND EXISTS (SELECT 1 FROM gone)");
  // ($1 space, $2 key, $3 value, $4 expected version, $5 expires, $6 bytes at most)
  kv_put = sql(
      "WITH old AS (SELECT s.bytes, v.version,"
      " coalesce(octet_length(v.key) + octet_length(v.value), 0) AS size FROM %kv_spaces s"
      " LEFT JOIN %kv v ON v.space = s.space AND v.key = $2 WHERE s.space = $1),"
      " judged AS (SELECT size, coalesce(version, 0) AS version,"
      " $4 = -1 OR $4 = coalesce(version, 0) AS expected,"
      " bytes - size + octet_length($2) + octet_length($3) <= $6 AS fits FROM old),"
      " put AS (INSERT INTO %kv AS v (space, key, version, expires, value)"
      " SELECT $1, $2, nextval('%kv_versions'), $5, $3 FROM judged WHERE expected AND fits"
      " ON CONFLICT (space, key) DO UPDATE SET version = excluded.version,"
      " expires = excluded.expires, value = excluded.value RETURNING version),"
      " counted AS (UPDATE %kv_spaces SET bytes = bytes + octet_length($2) + octet_length($3)"
      " - (SELECT size FROM judged) WHERE space = $1 AND EXISTS (SELECT 1 FROM put))"
      " SELECT expected, fits, version, (SELECT version FROM put) FROM judged");
  // ($1 now, $2 space, $3 key, $4 expected version) -> what is there, what is gone
  kv_remove = sql(
      "WITH old AS (SELECT version FROM %kv WHERE space = $2 AND key = $3"
      " AND (expires IS NULL OR expires > @now)),"
      " gone AS (DELETE FROM %kv WHERE space = $2 AND key = $3"
      " AND (expires IS NULL OR expires > @now) AND ($4 = -1 OR version = $4)"
      " RETURNING octet_length(key) + octet_length(value) AS size),"
      " counted AS (UPDATE %kv_spaces SET bytes = bytes - (SELECT size FROM gone)"
      " WHERE space = $2 AND EXISTS (SELECT 1 FROM gone))"
      " SELECT (SELECT version FROM old), EXISTS (SELECT 1 FROM gone)");
  kv_take = sql(
      "WITH gone AS (DELETE FROM %kv WHERE space = $2 AND key = $3"
      " AND (expires IS NULL OR expires > @now) RETURNING value, version,"
      " octet_length(key) + octet_length(value) AS size),"
      " counted AS (UPDATE %kv_spaces SET bytes = bytes - (SELECT size FROM gone)"
      " WHERE space = $2 AND EXISTS (SELECT 1 FROM gone))"
      " SELECT value, version FROM gone");
  kv_get = sql(
      "SELECT value, version FROM %kv WHERE space = $2 AND key = $3"
      " AND (expires IS NULL OR expires > @now)");
  // ($3 from, $4 below, $5 after, $6 how many)
  kv_scan = sql(
      "SELECT key, value, version FROM %kv WHERE space = $2 AND key >= $3"
      " AND ($4::bytea IS NULL OR key < $4) AND ($5 = ''::bytea OR key > $5)"
      " AND (expires IS NULL OR expires > @now) ORDER BY key LIMIT $6");
}

}  // namespace cofounder
