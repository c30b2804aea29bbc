// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_dialect.hpp"

#include <utility>

namespace cofounder {

// "%" stands for the schema, "@now" for the time.
std::string PostgresDialect::expanded(const std::string& schema, std::string_view text) {
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
  say_opening(schema);
  say_round(schema);
  say_claims(schema);
  say_writes(schema);
  say_changes(schema);
  say_schedules(schema);
  say_values(schema);
  say_usage(schema);
  say_reads(schema);
  listen = "LISTEN " + quoted("cofounder_" + schema);
  notify = "NOTIFY " + quoted("cofounder_" + schema);
}

void PostgresDialect::say_opening(const std::string& schema) {
  const auto sql = [&schema](std::string_view text) { return expanded(schema, text); };
  begin = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
  begin_reading = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
  commit = "COMMIT";
  rollback = "ROLLBACK";
  lock_schema = "SELECT pg_advisory_xact_lock(hashtextextended('cofounder ' || $1, 0))";
  find_schema =
      // The tables themselves, and not to_regclass(): that one may answer from before the lock.
      "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1),"
      " EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"
      " WHERE n.nspname = $1 AND c.relname = 'meta'),"
      " current_setting('server_encoding'),"
      " pg_is_in_recovery() OR current_setting('default_transaction_read_only')::boolean";
  create_schema = "CREATE SCHEMA " + quoted(schema);
  find_version = sql("SELECT value FROM %meta WHERE name = 'version'");
  find_altered = sql("SELECT what FROM %shape EXCEPT SELECT * FROM (" + shape(schema) +
                     ") AS there ORDER BY 1 LIMIT 5");
  // Alive: its beat is new, and the server still has a session of it.  A daemon that was killed has
  // none, and its successor need not wait.
  find_namesake = sql(
      "SELECT opened_at, seen_at, EXISTS (SELECT 1 FROM pg_stat_activity a"
      " WHERE a.application_name = 'cofounderd ' || n.session) FROM %nodes n"
      " WHERE name = $2 AND session <> $3 AND ended_at IS NULL AND seen_at > @now - $4");
  forget_nodes = sql(
      "DELETE FROM %nodes n WHERE seen_at < @now - 604800000"
      " AND NOT EXISTS (SELECT 1 FROM %tasks t WHERE t.state = 2 AND t.owner = n.name)");
  // The smallest number that no node has; who asks holds the lock of the schema.
  enter_node = sql(
      "WITH free AS (SELECT coalesce((SELECT number FROM %nodes WHERE name = $2),"
      " (SELECT min(n) FROM generate_series(0, 511) AS g(n)"
      " WHERE NOT EXISTS (SELECT 1 FROM %nodes WHERE number = n))) AS number),"
      " entered AS (INSERT INTO %nodes (name, number, session, version, opened_at, seen_at)"
      " SELECT $2, number, $3, $4, @now, @now FROM free WHERE number IS NOT NULL"
      " ON CONFLICT (name) DO UPDATE SET session = excluded.session, version = excluded.version,"
      " opened_at = excluded.opened_at, seen_at = excluded.seen_at, ended_at = NULL"
      " RETURNING number, taken)"
      " SELECT number, greatest((SELECT max(id) FROM %tasks), (SELECT max(id) FROM %finished)),"
      " @now, taken FROM entered");
  goodbye = sql("UPDATE %nodes SET ended_at = @now, seen_at = @now WHERE name = $2 AND session = $3");
  find_lost = sql(
      "SELECT id, attempt, uncounted, op, queue, timeout, attempts_max, retry_on_timeout,"
      " submitted_at, run_at, started_at, cancelled FROM %tasks"
      " WHERE state = 2 AND owner = $1 AND NOT id = ANY($2::bigint[]) ORDER BY id");
  count_waiting = sql("SELECT count(*) FROM %tasks WHERE state < 2");
}

void PostgresDialect::say_round(const std::string& schema) {
  const auto sql = [&schema](std::string_view text) { return expanded(schema, text); };
  // A node that stands still keeps nobody waiting for its locks.  Plans that were made while a table
  // was empty must not read all of it later.
  head = sql(
      "SELECT @now, (SELECT session FROM %nodes WHERE name = $2) IS NOT DISTINCT FROM $3,"
      " set_config('idle_in_transaction_session_timeout', '10000', true),"
      " set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)");
  beat = sql(
      "UPDATE %nodes SET seen_at = greatest(seen_at, @now) WHERE name = $2 AND session = $3"
      " RETURNING taken");
  // Of nodes that are gone.  One that beats in this moment holds its row, and is passed over.
  take_over = sql(
      "WITH gone AS MATERIALIZED (SELECT name FROM %nodes n WHERE name <> $2"
      " AND (ended_at IS NOT NULL OR seen_at < @now - $3)"
      " AND EXISTS (SELECT 1 FROM %tasks t WHERE t.state = 2 AND t.owner = n.name)"
      " FOR NO KEY UPDATE SKIP LOCKED),"
      " seen AS MATERIALIZED (SELECT id, owner FROM %tasks WHERE state = 2"
      " AND owner = ANY(ARRAY(SELECT name FROM gone)) ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED),"
      " told AS (UPDATE %nodes SET taken = taken + 1 WHERE name IN (SELECT owner FROM seen)),"
      " taken AS (UPDATE %tasks SET owner = $2 WHERE id = ANY(ARRAY(SELECT id FROM seen))"
      " RETURNING *)"
      " SELECT t.id, t.attempt, t.uncounted, t.op, t.queue, t.timeout, t.attempts_max,"
      " t.retry_on_timeout, t.submitted_at, t.run_at, t.started_at, t.cancelled, s.owner"
      " FROM taken t JOIN seen s ON s.id = t.id ORDER BY s.owner, t.id");
  find_cancelled = sql("SELECT id, attempt FROM %tasks WHERE cancelled AND owner = $1");
  tail = "SELECT pg_current_xact_id_if_assigned()::text::bigint";
  fate = "SELECT pg_xact_status($1::text::xid8)";
  end_session =
      "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
      " WHERE pid = $1 AND application_name = $2 AND usename = current_user"
      " AND pid <> pg_backend_pid()";
}

void PostgresDialect::say_claims(const std::string& schema) {
  const auto sql = [&schema](std::string_view text) { return expanded(schema, text); };
  promote = sql(
      "UPDATE %tasks SET state = 1 WHERE id = ANY(ARRAY(SELECT id FROM %tasks WHERE state = 0"
      " AND run_at <= @now ORDER BY run_at LIMIT 4096 FOR UPDATE SKIP LOCKED))");

  // Of queues whose limit is one of all nodes: who claims there does so alone, until its commit.
  // Nobody waits for it, and what is claimed next knows which are held: it sees what was committed
  // before the lock was free.
  hold_queues = sql(
      "WITH asked AS MATERIALIZED (SELECT queue FROM unnest($2::text[]) AS g(queue)"
      " WHERE EXISTS (SELECT 1 FROM %tasks t WHERE t.state = 1 AND t.queue = g.queue)),"
      " tried AS MATERIALIZED (SELECT queue, pg_try_advisory_xact_lock("
      "hashtextextended('cofounder ' || $1 || ' ' || queue, 0)) AS held FROM asked)"
      " SELECT count(*) FILTER (WHERE NOT held), set_config('cofounder.held',"
      " coalesce(array_agg(queue) FILTER (WHERE held), '{}')::text, true) FROM tried");

  // ($2 node, $3 how many, $4 plugins, $5 how many of each, $6 queues with a limit, $7 how many,
  // $8 queues with a limit of all nodes, $9 how many)
  // A lane is a queue and a plugin; those that are full are passed over without reading them.
  claim = sql(
      "WITH RECURSIVE lanes AS ("
      "(SELECT queue, plugin FROM %tasks WHERE state = 1 ORDER BY queue, plugin LIMIT 1)"
      " UNION ALL SELECT n.queue, n.plugin FROM lanes l CROSS JOIN LATERAL ("
      "SELECT queue, plugin FROM %tasks t WHERE t.state = 1"
      " AND (t.queue, t.plugin) > (l.queue, l.plugin) ORDER BY queue, plugin LIMIT 1) n),"
      " shared AS MATERIALIZED (SELECT g.queue, CASE WHEN g.queue = ANY("
      "coalesce(nullif(current_setting('cofounder.held', true), ''), '{}')::text[]) THEN"
      " greatest(0, g.most - (SELECT count(*) FROM %tasks r WHERE r.state = 2 AND r.queue = g.queue))"
      " ELSE 0 END AS free FROM unnest($8::text[], $9::bigint[]) AS g(queue, most)),"
      " open AS (SELECT l.queue, l.plugin, p.free AS plugin_free,"
      " least(coalesce(q.free, $3), coalesce(s.free, $3)) AS queue_free FROM lanes l"
      " JOIN unnest($4::text[], $5::bigint[]) AS p(plugin, free) ON p.plugin = l.plugin"
      " LEFT JOIN unnest($6::text[], $7::bigint[]) AS q(queue, free) ON q.queue = l.queue"
      " LEFT JOIN shared s ON s.queue = l.queue),"
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
}

}  // namespace cofounder
