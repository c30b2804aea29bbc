// SPDX-License-Identifier: Apache-2.0
// What is said to look at tasks, and to add up usage.
#include "core/store/postgres_dialect.hpp"

namespace cofounder {
namespace {

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

}  // namespace

void PostgresDialect::say_usage(const std::string& schema) {
  const auto sql = [&schema](std::string_view text) { return expanded(schema, text); };
  record_usage = sql(
      "INSERT INTO %task_costs (at, plugin, provider, model, operation, task, succeeded,"
      " input_tokens, output_tokens, cached_tokens, cost_micros, took)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)");
  usage_by_model = sql(usage_by("model"));
  usage_by_provider = sql(usage_by("provider"));
  usage_by_op = sql(usage_by("plugin || '.' || operation"));
  usage_by_day =
      sql(usage_by("to_char(to_timestamp(at / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"));
}

void PostgresDialect::say_reads(const std::string& schema) {
  const auto sql = [&schema](std::string_view text) { return expanded(schema, text); };
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
  nodes = sql(
      "SELECT name, version, CASE WHEN ended_at IS NOT NULL THEN 1 WHEN seen_at <= @now - $2 THEN 2"
      " ELSE 0 END, opened_at, seen_at, (SELECT count(*) FROM %tasks t WHERE t.state = 2"
      " AND t.owner = n.name) FROM %nodes n ORDER BY name");
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
}

}  // namespace cofounder
