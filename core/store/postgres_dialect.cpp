// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_dialect.hpp"

#include <utility>

namespace cofounder {
namespace {

// "%" stands for the schema, "@now" for the time.
std::string expanded(const std::string& schema, std::string_view text) {
  constexpr std::string_view now = "@now";
  // Stable within a statement, so that an index can be asked with it.
  constexpr std::string_view time =
      "coalesce($1::bigint, (extract(epoch FROM statement_timestamp()) * 1000)::bigint)";
  std::string out;
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] == '%') {
      out += PostgresDialect::quoted(schema) + ".";
      ++i;
    } else if (text.substr(i, now.size()) == now) {
      out += time;
      i += now.size();
    } else {
      out += text[i++];
    }
  }
  return out;
}

std::string usage_by(const char* key) {
  return std::string{"SELECT "} + key +
         " AS k, count(*), count(*) FILTER (WHERE NOT succeeded),"
         " coalesce(sum(input_tokens), 0)::bigint, coalesce(sum(output_tokens), 0)::bigint,"
         " coalesce(sum(cost_micros), 0)::bigint, count(*) FILTER (WHERE cost_micros IS NULL)"
         " FROM %task_costs WHERE at >= $1 AND at < $2 GROUP BY 1 ORDER BY 1";
}

// What a listing and a look at one task have in common, in the order in which they are read.
constexpr const char* living =
    "SELECT id, state, op, queue, priority, timeout, attempt, attempts_max, unique_key, schedule,"
    " submitter, submitted_at, run_at, started_at, error, NULL::bigint AS ended_at, @now";
constexpr const char* ended =
    "SELECT id, state, op, queue, priority, timeout, attempt, attempts_max, unique_key, schedule,"
    " submitter, submitted_at, run_at, started_at, error, ended_at, @now";
constexpr const char* filter =
    " WHERE id < $2 AND ($4::text IS NULL OR op = $4) AND ($5::text IS NULL OR queue = $5)";
constexpr const char* living_state =
    " AND ($6::bigint IS NULL OR CASE WHEN state = 2 THEN 2 WHEN run_at <= @now THEN 1"
    " ELSE 0 END = $6)";
constexpr const char* page = " ORDER BY id DESC LIMIT $3";

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

std::string PostgresDialect::quoted(const std::string& name) {
  std::string out = "\"";
  for (const char c : name) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

PostgresDialect::Cure PostgresDialect::cure(const PostgresFailure& failure) noexcept {
  const std::string& state = failure.state;
  if (failure.is_lost()) return Cure::reconnect;
  if (state == "40001" || state == "40P01" || state == "55P03" || state == "40003") {
    return Cure::repeat;
  }
  // Unknown, or known already: the session is not the one that we prepared them in.
  if (state == "26000" || state == "42P05") return Cure::drop_names;
  // No resources, no disk, not writable (a standby), an operator's or a timeout's doing.
  if (state.starts_with("53") || state.starts_with("58") || state.starts_with("57") ||
      state.starts_with("25") || state.starts_with("XX") || state.starts_with("28") ||
      state == "42501") {
    return Cure::wait;
  }
  return Cure::none;
}

PostgresDialect::PostgresDialect(const std::string& schema) {
  const auto sql = [&schema](std::string_view text) { return expanded(schema, text); };

  begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
  begin_reading = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
  commit = "COMMIT";
  rollback = "ROLLBACK";
  lock_schema = "SELECT pg_advisory_xact_lock(hashtextextended('cofounder ' || $1, 0))";
  find_schema =
      "SELECT to_regnamespace(quote_ident($1)) IS NOT NULL,"
      " to_regclass(quote_ident($1) || '.meta') IS NOT NULL,"
      " current_setting('server_encoding'),"
      " pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean";
  create_schema = "CREATE SCHEMA " + quoted(schema);
  find_version = sql("SELECT value FROM %meta WHERE name = 'version'");
  // The smallest number that no node has; who asks holds the lock of the schema.
  enter_node = sql(
      "WITH free AS (SELECT coalesce((SELECT number FROM %nodes WHERE name = $2),"
      " (SELECT min(n) FROM generate_series(0, 511) AS g(n)"
      " WHERE NOT EXISTS (SELECT 1 FROM %nodes WHERE number = n))) AS number),"
      " entered AS (INSERT INTO %nodes (name, number, session, opened_at)"
      " SELECT $2, number, $3, @now FROM free"
      " ON CONFLICT (name) DO UPDATE SET session = excluded.session,"
      " opened_at = excluded.opened_at RETURNING number)"
      " SELECT number, greatest((SELECT max(id) FROM %tasks), (SELECT max(id) FROM %finished)),"
      " @now FROM entered");
  find_lost = sql(
      "SELECT id, attempt, uncounted, op, queue, timeout, attempts_max, retry_on_timeout,"
      " submitted_at, run_at, started_at FROM %tasks"
      " WHERE state = 2 AND owner = $1 AND NOT id = ANY($2::bigint[]) ORDER BY id");
  count_waiting = sql("SELECT count(*) FROM %tasks WHERE state < 2");

  // A node that stands still keeps nobody waiting for its locks.  Plans that were made while a table
  // was empty must not read all of it later.
  head = sql(
      "SELECT @now, (SELECT session FROM %nodes WHERE name = $2) IS NOT DISTINCT FROM $3,"
      " set_config('idle_in_transaction_session_timeout', '10000', true),"
      " set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)");
  tail = "SELECT pg_current_xact_id_if_assigned()::text::bigint";
  fate = "SELECT pg_xact_status($1::text::xid8)";
  end_session =
      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
      " WHERE pid = $1 AND application_name = $2 AND usename = current_user"
      " AND pid <> pg_backend_pid()";

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
      " $11::bigint[], $12::bytea[]) AS g(id, attempt, kind, state, error, ended_at, took, result,"
      " run_at, uncounted, checkpoint)),"
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
      " error = coalesce(o.error, t.error), owner = NULL FROM ours o"
      " WHERE o.id = t.id AND t.id = ANY(ARRAY(SELECT id FROM ours WHERE state < 3))),"
      " tried AS (INSERT INTO %attempts (task, attempt, node, started_at, ended_at, outcome, error)"
      " SELECT id, attempt, $13, started_at, ended_at, kind, error FROM ours),"
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

  cancel = sql(
      "WITH found AS MATERIALIZED (SELECT id, state FROM %tasks WHERE id = $2 FOR UPDATE),"
      " gone AS (DELETE FROM %tasks"
      " WHERE id = ANY(ARRAY(SELECT id FROM found WHERE state < 2)) RETURNING *),"
      " kept AS (" +
      into_finished("5", "t.error", ", @now, 0, NULL FROM gone t") +
      "), cleared AS (UPDATE %payloads SET checkpoint = NULL"
      " WHERE id = ANY(ARRAY(SELECT id FROM gone)) AND checkpoint IS NOT NULL),"
      " counted AS (INSERT INTO %finished_changes (op, state, count, took)"
      " SELECT op, 5, 1, 0 FROM gone)"
      " SELECT state FROM found");
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

  promote = sql(
      "UPDATE %tasks SET state = 1 WHERE id = ANY(ARRAY(SELECT id FROM %tasks WHERE state = 0"
      " AND run_at <= @now ORDER BY run_at LIMIT 4096 FOR UPDATE SKIP LOCKED))");

  // ($2 node, $3 how many, $4 plugins, $5 how many of each, $6 queues with a limit, $7 how many)
  // A lane is a queue and a plugin; those that are full are passed over without reading them.
  claim = sql(
      "WITH RECURSIVE lanes AS ("
      "(SELECT queue, plugin FROM %tasks WHERE state = 1 ORDER BY queue, plugin LIMIT 1)"
      " UNION ALL SELECT n.queue, n.plugin FROM lanes l CROSS JOIN LATERAL ("
      "SELECT queue, plugin FROM %tasks t WHERE t.state = 1"
      " AND (t.queue, t.plugin) > (l.queue, l.plugin) ORDER BY queue, plugin LIMIT 1) n),"
      " open AS (SELECT l.queue, l.plugin, p.free AS plugin_free,"
      " coalesce(q.free, $3) AS queue_free FROM lanes l"
      " JOIN unnest($4::text[], $5::bigint[]) AS p(plugin, free) ON p.plugin = l.plugin"
      " LEFT JOIN unnest($6::text[], $7::bigint[]) AS q(queue, free) ON q.queue = l.queue),"
      " seen AS MATERIALIZED (SELECT c.*, o.plugin, o.queue, o.plugin_free, o.queue_free FROM open o"
      " CROSS JOIN LATERAL (SELECT t.id, t.priority, t.run_at FROM %tasks t WHERE t.state = 1"
      " AND t.queue = o.queue AND t.plugin = o.plugin ORDER BY t.priority DESC, t.run_at, t.id"
      " LIMIT least($3, o.plugin_free, o.queue_free) FOR UPDATE SKIP LOCKED) c),"
      " ranked AS (SELECT id, plugin_free, queue_free,"
      " row_number() OVER (ORDER BY priority DESC, run_at, id) AS place,"
      " row_number() OVER (PARTITION BY plugin ORDER BY priority DESC, run_at, id) AS in_plugin,"
      " row_number() OVER (PARTITION BY queue ORDER BY priority DESC, run_at, id) AS in_queue"
      " FROM seen),"
      " chosen AS MATERIALIZED (SELECT id FROM ranked WHERE place <= $3"
      " AND in_plugin <= plugin_free AND in_queue <= queue_free),"
      " claimed AS (UPDATE %tasks SET state = 2, owner = $2, attempt = attempt + 1,"
      " started_at = @now WHERE id = ANY(ARRAY(SELECT id FROM chosen)) RETURNING *)"
      " SELECT c.id, c.attempt, c.uncounted, c.op, c.queue, c.timeout, c.attempts_max,"
      " c.retry_on_timeout, c.submitted_at, c.run_at, c.started_at, c.priority, p.args,"
      " p.checkpoint, (SELECT count(*) FROM seen) FROM claimed c LEFT JOIN %payloads p"
      " ON p.id = c.id AND p.id = ANY(ARRAY(SELECT id FROM chosen))");
  // Looks at the next hundred only: a million that are blocked shall not be read each time.
  next_due = sql(
      "WITH next AS MATERIALIZED (SELECT run_at, queue, plugin FROM %tasks WHERE state = 0"
      " ORDER BY run_at LIMIT 100)"
      " SELECT queue, plugin, min(run_at), (SELECT count(*) FROM next),"
      " (SELECT max(run_at) FROM next) FROM next GROUP BY queue, plugin");

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

  record_usage = sql(
      "INSERT INTO %task_costs (at, plugin, provider, model, operation, task, succeeded,"
      " input_tokens, output_tokens, cached_tokens, cost_micros, took)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)");
  usage_by_model = sql(usage_by("model"));
  usage_by_provider = sql(usage_by("provider"));
  usage_by_op = sql(usage_by("plugin || '.' || operation"));
  usage_by_day =
      sql(usage_by("to_char(to_timestamp(at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"));

  const std::string tasks = " FROM %tasks";
  const std::string finished = " FROM %finished";
  get = sql(std::string{living} + ", (SELECT args FROM %payloads WHERE id = $2), NULL, owner" +
            tasks + " WHERE id = $2 UNION ALL " + ended +
            ", (SELECT args FROM %payloads WHERE id = $2), result, NULL" + finished +
            " WHERE id = $2");
  get_attempts = sql(
      "SELECT attempt, node, started_at, ended_at, outcome, error FROM %attempts WHERE task = $1"
      " ORDER BY attempt");
  list_living = sql(living + tasks + filter + living_state + page);
  list_finished = sql(ended + finished + filter + " AND state = $6" + page);
  list_badly = sql(ended + finished + filter + " AND state > 3 AND state = $6" + page);
  list = sql("(" + std::string{living} + tasks + filter + " AND $6::bigint IS NULL" + page +
             ") UNION ALL (" + ended + finished + filter + page + ")" + page);
  count_living = sql(
      "SELECT CASE WHEN state = 2 THEN 2 ELSE 0 END, queue, count(*),"
      " count(*) FILTER (WHERE run_at <= @now) FROM %tasks"
      " WHERE id >= $2 AND submitted_at >= $3 GROUP BY 1, 2");
  count_finished = sql(
      "SELECT op, state, count(*), sum(took)::bigint FROM %finished"
      " WHERE id >= $1 AND submitted_at >= $2 GROUP BY op, state ORDER BY op, state");
  count_all_finished = sql(
      "SELECT op, state, sum(count)::bigint, sum(took)::bigint FROM ("
      "SELECT op, state, count, took FROM %finished_counts UNION ALL"
      " SELECT op, state, count, took FROM %finished_changes) AS all_changes"
      " GROUP BY op, state HAVING sum(count) <> 0 ORDER BY op, state");

  listen = "LISTEN " + quoted("cofounder_" + schema);
  notify = "NOTIFY " + quoted("cofounder_" + schema);
}

}  // namespace cofounder
