// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/stores.hpp"

#include <functional>
#include <string>

namespace cofounder {

// Whether statements are prepared under names on the server.  A pooler that gives each transaction
// another session keeps neither them nor LISTEN; `automatic` notices it.
enum class PostgresPrepare { automatic, on, off };

// Everything that the daemons of several nodes keep together, in one schema of a PostgreSQL.
//
// All of it happens on the loop; libpq is only asked for what is there.  Writes go in rounds over one
// connection: all that waits goes to the server in one trip of the pipeline (checkpoints, then
// completions, then new tasks as one insert, then the rest, then the claims for the slots that are
// free), and once every answer is there a second trip commits.  So a claim or a thousand concurrent
// submits cost one flush of the server's log, and when a connection breaks during a commit the store
// knows all that it did and needs to ask only one thing: whether it was committed.  A handler that
// hears a success can rely on it; one that hears "store_unavailable" can rely on nothing having
// changed, but for the case that the server is away for long just then: the message says so.
// Reads have connections of their own and wait for the writes that were asked for before them.
//
// The clock is the database's: what is due, when a task began and ended, in which order nodes see
// things.  A node whose own clock is off by more than a second has its times (a delay, the next due
// time) translated.
//
// Each node shows by a beat that it is alive; one that is silent for the time of a lease loses its
// tasks to the others, and ends them itself before that: see PostgresLease.  One that was closed says
// so, and its name is free at once.
//
// Nodes hear of new work by NOTIFY, which each sends at most every 5 ms and only for what it does not
// run itself; a slow poll stands behind it.  Through a pooler there is only the poll: a task that
// another node submits starts up to `poll_every` later.
struct PostgresOptions {
  std::string dsn;       // as libpq takes it, without a password
  // Asked before each connecting; none: no password, or by passfile.
  std::function<Result<std::string>()> password;
  std::string schema = "cofounder";
  std::string node = "local";  // no two daemons of one schema share a name
  std::string version;         // of the daemon, for those who look at the nodes
  PostgresPrepare prepare = PostgresPrepare::automatic;
  int connections_max = 4;  // one writes, one listens, the others read; at least 3
  RetryPolicy retry;        // for attempts lost in a crash
  int rows_max = 4096;      // of one round
  Milliseconds connect_timeout{10'000};
  Milliseconds answer_timeout{20'000};  // a server that is silent for so long counts as gone
  Milliseconds patience{5'000};  // a server that is gone for so long: callers are told
  Milliseconds beat_every{2'000};       // how often a node shows that it is alive
  // Not seen for so long: others take its tasks over.
  Milliseconds lease{13'000};
  // Connected for so long, a node judges whether others are alive: when the server was away, each of
  // them had the time to come back.
  Milliseconds judge_after{13'000};
  // Not heard for so long: the node ends its tasks itself.  Less than `lease` by the time that this
  // may take.
  Milliseconds end_claims_after{8'000};
  Milliseconds poll_every{1'000};         // without NOTIFY; 0: never
  Milliseconds poll_listening_every{5'000};
  const Clock* test_clock = nullptr;  // tests only: decides instead of the database's
};

// open() fails with "store_unusable" when the database cannot serve (wrong password, no rights,
// another encoding, a newer schema), "store_unavailable" when it cannot be reached; both say what to
// do, and neither ever holds the password or the connection string.
Stores make_postgres_store(Loop& loop, const Clock& clock, PostgresOptions options);

}  // namespace cofounder
