// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/sqlite_connection.hpp"

namespace cofounder {

// Every statement that changes tasks, prepared once.  The SQL stands in the .cpp.
struct SqliteStatements {
  explicit SqliteStatements(SqliteConnection& connection);

  SqliteStatement begin;
  SqliteStatement commit;
  SqliteStatement count_opening;

  SqliteStatement load;         // -> id, state, priority, run_at, attempt, op, queue
  SqliteStatement load_counts;  // -> op, state, count, took
  SqliteStatement newest_id;

  SqliteStatement insert_task;
  SqliteStatement insert_payload;
  SqliteStatement find_unique;  // key -> id, state, run_at, submitted_at
  SqliteStatement find_task;    // id -> as read_claim() wants it
  SqliteStatement mark_claimed;
  SqliteStatement insert_attempt;
  SqliteStatement move_to_finished;
  SqliteStatement delete_task;
  SqliteStatement wait_again;
  SqliteStatement set_checkpoint;

  SqliteStatement find_finished;  // id -> state, op, queue, priority, unique_key, took
  SqliteStatement revive;
  SqliteStatement delete_finished;
  SqliteStatement find_purgeable;  // id bound, before, limit -> id, state, op, took
  SqliteStatement delete_payload;
  SqliteStatement delete_attempts;
  SqliteStatement set_count;
  SqliteStatement delete_count;
};

}  // namespace cofounder
