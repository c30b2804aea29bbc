// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/store/postgres_value.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

// All that is said to the database, and how its refusals are understood.  An engine that speaks the
// protocol but differs is a matter of this file and its schema.
//
// Of a statement that uses the time, parameter $1 is the time: NULL in a daemon, where the database's
// clock decides, and a test's own time in a test.  Statements name no table without its schema, so
// that they mean the same through any session.
struct PostgresDialect {
  explicit PostgresDialect(const std::string& schema);

  // What may be done about a failure.
  enum class Cure {
    reconnect,   // the connection or the server went away
    repeat,      // it collided with another transaction: the same will succeed
    drop_names,  // prepared statements do not survive here: the same without them
    wait,        // the server cannot write at all: later
    none         // the request itself, or the schema, is wrong
  };
  static Cure cure(const PostgresFailure& failure) noexcept;

  // The schema, version by version: the statements that lead to each.
  static constexpr std::int64_t version = 1;
  static std::vector<std::string> migration(const std::string& schema, std::int64_t to);

  static std::string quoted(const std::string& name);  // as an identifier
  // The query for what the schema consists of: its columns and indexes, as texts.
  static std::string shape(const std::string& schema);

  // Opening.
  std::string begin;
  std::string commit;
  std::string rollback;
  std::string lock_schema;   // ($1 schema) until the end of the transaction
  std::string find_schema;   // -> schema exists, meta exists, encoding, is read-only
  std::string create_schema;
  std::string find_version;
  std::string find_altered;  // -> what a migration made and is not there any more
  std::string find_namesake; // ($1 now, $2 name, $3 session, $4 lease) -> since, seen, is alive
  std::string forget_nodes;  // ($1 now): those that were not here for long
  std::string enter_node;    // ($1 now, $2 name, $3 session, $4 version) -> number, newest id, now,
                             // taken
  std::string find_lost;     // ($1 node, $2 but these) -> what runs under the name of the node
  std::string goodbye;       // ($1 now, $2 node, $3 session)
  std::string count_waiting;

  // A round.
  std::string head;  // ($1 now, $2 node, $3 session) -> now, is the node still ours
  std::string beat;  // ($1 now, $2 node, $3 session) -> taken; nothing: replaced
  std::string take_over;  // ($1 now, $2 node, $3 lease, $4 how many) -> as find_lost, owner
  std::string find_cancelled;  // ($1 node) -> id, attempt
  std::string tail;  // -> the transaction's number; NULL when it wrote nothing
  std::string fate;  // ($1 number of a transaction) -> "committed", "aborted", "in progress"
  std::string end_session;  // ($1 process, $2 application): a session of ours that we lost

  std::string checkpoint;  // ($1 id[], $2 attempt[], $3 state[], $4 node) -> id, attempt
  std::string finish;
  std::string submit;
  std::string find_unique;  // ($1 now, $2 keys) -> now, key, id, state, run_at, submitted_at
  std::string cancel;
  std::string find_finished;
  std::string retry;
  std::string find_alive;
  std::string find_key_holder;
  std::string purge;
  std::string fold_counts;
  std::string promote;   // ($1 now): what became due is ready
  std::string hold_queues;  // ($1 schema, $2 queues) -> how many another node holds just now
  std::string claim;
  std::string next_due;  // -> queue, plugin, earliest, how many were looked at, latest of them

  std::string lock_schedule;
  std::string fire;
  std::string put_schedule;
  std::string remove_schedule;
  std::string schedules;

  std::string kv_make_space;
  std::string kv_lock_space;
  std::string kv_expire;
  std::string kv_put;
  std::string kv_remove;
  std::string kv_take;
  std::string kv_get;
  std::string kv_scan;

  std::string record_usage;
  std::string usage_by_model;
  std::string usage_by_provider;
  std::string usage_by_op;
  std::string usage_by_day;

  // Reads.
  std::string begin_reading;  // all that follows sees one moment
  std::string get;
  std::string get_attempts;
  std::string list;           // ($1 now, $2 before id, $3 limit, $4 op, $5 queue, $6 state)
  std::string list_living;
  std::string list_finished;
  std::string list_badly;     // those that did not succeed
  std::string count_living;   // ($1 now, $2 first id, $3 since)
  std::string count_finished;
  std::string count_all_finished;
  std::string nodes;  // ($1 now, $2 lease)

  // Telling other nodes that there is work.
  std::string listen;
  std::string notify;

 private:
  // "%" becomes the schema, "@now" the time.
  static std::string expanded(const std::string& schema, std::string_view text);
  void say_opening(const std::string& schema);
  void say_round(const std::string& schema);
  void say_claims(const std::string& schema);
  void say_writes(const std::string& schema);
  void say_changes(const std::string& schema);
  void say_schedules(const std::string& schema);
  void say_values(const std::string& schema);
  void say_usage(const std::string& schema);
  void say_reads(const std::string& schema);
};

}  // namespace cofounder
