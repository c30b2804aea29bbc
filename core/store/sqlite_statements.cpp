// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_statements.hpp"

namespace cofounder {

SqliteStatements::SqliteStatements(SqliteConnection& connection)
    : begin{connection, "BEGIN IMMEDIATE"},
      commit{connection, "COMMIT"},
      count_opening{connection, "UPDATE meta SET value = value + 1 WHERE name = 'opened'"},
      load{connection,
           "SELECT id, state, priority, run_at, attempt, op, queue, uncounted, attempts_max,"
           " timeout FROM tasks ORDER BY id"},
      load_counts{connection, "SELECT op, state, count, took FROM finished_counts"},
      newest_id{connection,
                "SELECT max(coalesce((SELECT max(id) FROM tasks), 0),"
                "           coalesce((SELECT max(id) FROM finished), 0))"},
      insert_task{connection,
                  "INSERT INTO tasks (id, state, priority, run_at, attempt, uncounted,"
                  " attempts_max, timeout, retry_on_timeout, submitted_at, op, queue, unique_key,"
                  " schedule, submitter)"
                  " VALUES (?1, 0, ?2, ?3, 0, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)"},
      insert_payload{connection, "INSERT INTO payloads (id, args) VALUES (?1, ?2)"},
      find_unique{connection,
                  "SELECT id, state, run_at, submitted_at FROM tasks WHERE unique_key = ?1"},
      find_task{connection,
                "SELECT t.attempt, t.uncounted, t.op, t.queue, t.timeout, t.attempts_max,"
                " t.retry_on_timeout, t.submitted_at, t.run_at, t.started_at, t.priority,"
                " p.args, p.checkpoint"
                " FROM tasks t LEFT JOIN payloads p ON p.id = t.id WHERE t.id = ?1"},
      mark_claimed{connection,
                   "UPDATE tasks SET state = 2, attempt = ?2, started_at = ?3 WHERE id = ?1"},
      insert_attempt{connection,
                     "INSERT INTO attempts (task, attempt, node, started_at, ended_at, outcome,"
                     " error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"},
      // A task that succeeded in the end has no error; its attempts keep theirs.
      move_to_finished{connection,
                       "INSERT INTO finished (id, state, priority, run_at, attempt, attempts_max,"
                       " timeout, retry_on_timeout, submitted_at, started_at, op, queue,"
                       " unique_key, schedule, submitter, error, ended_at, took, result)"
                       " SELECT id, ?2, priority, run_at, attempt, attempts_max, timeout,"
                       " retry_on_timeout, submitted_at, started_at, op, queue, unique_key,"
                       " schedule, submitter, iif(?2 = 3, NULL, coalesce(?3, error)), ?4, ?5, ?6"
                       " FROM tasks WHERE id = ?1"},
      delete_task{connection, "DELETE FROM tasks WHERE id = ?1"},
      wait_again{connection,
                 "UPDATE tasks SET state = 0, run_at = ?2, uncounted = uncounted + ?3,"
                 " error = coalesce(?4, error) WHERE id = ?1"},
      set_checkpoint{connection, "UPDATE payloads SET checkpoint = ?2 WHERE id = ?1"},
      find_finished{connection,
                    "SELECT state, op, queue, priority, unique_key, took FROM finished"
                    " WHERE id = ?1"},
      // The attempts of its former life do not count any more.
      revive{connection,
             "INSERT INTO tasks (id, state, priority, run_at, attempt, uncounted, attempts_max,"
             " timeout, retry_on_timeout, submitted_at, started_at, op, queue, unique_key,"
             " schedule, submitter, error)"
             " SELECT id, 0, priority, ?2, attempt, attempt, attempts_max, timeout,"
             " retry_on_timeout, submitted_at, started_at, op, queue, unique_key, schedule,"
             " submitter, error FROM finished WHERE id = ?1"},
      delete_finished{connection, "DELETE FROM finished WHERE id = ?1"},
      find_purgeable{connection,
                     "SELECT id, state, op, took FROM finished WHERE id < ?1 AND ended_at < ?2"
                     " ORDER BY id LIMIT ?3"},
      delete_payload{connection, "DELETE FROM payloads WHERE id = ?1"},
      delete_attempts{connection, "DELETE FROM attempts WHERE task = ?1"},
      set_count{connection,
                "INSERT OR REPLACE INTO finished_counts (op, state, count, took)"
                " VALUES (?1, ?2, ?3, ?4)"},
      delete_count{connection, "DELETE FROM finished_counts WHERE op = ?1 AND state = ?2"} {}

}  // namespace cofounder
