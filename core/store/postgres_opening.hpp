// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/task_store.hpp"
#include "core/store/postgres_connection.hpp"
#include "core/store/postgres_dialect.hpp"

#include <string>
#include <vector>

namespace cofounder {

// An attempt that nobody makes any more.
struct PostgresLost {
  ClaimedTask task;         // without its args
  bool is_cancelled = false;
  std::string ran_on{};     // empty: this node
};

// Enters the database: checks it, makes or migrates the schema (one node at a time, the others wait
// for it), and takes the node's name.
class PostgresOpening {
 public:
  struct Entered {
    std::uint32_t number = 0;  // of the node, for the ids that it makes
    TaskId newest = 0;
    Time now{};                // by the database
    std::int64_t waiting = 0;
    std::int64_t taken = 0;    // how often others took over its tasks
    std::vector<PostgresLost> lost;  // attempts that a former daemon of this name left running
  };
  using Done = UniqueFunction<void(Result<Entered>)>;

  // `session` tells this daemon from others of the same name.
  PostgresOpening(Loop& loop, PostgresConnection& connection, const PostgresOptions& options,
                  const PostgresDialect& dialect, std::string session)
      : loop_{loop},
        connection_{connection},
        options_{options},
        dialect_{dialect},
        session_{std::move(session)} {}

  ~PostgresOpening() { loop_.clock().cancel(timer_); }

  // Drop it only after `done`, or with the connection.
  void run(Done done);

  static std::vector<PostgresLost> read_lost(const PostgresRows& rows);

 private:
  void begin();
  void read_version();
  void migrate(std::int64_t from, bool make_schema);
  void check_shape();
  void look_for_namesake();
  void wait_for_namesake(Time since);
  void enter();
  PostgresParams of_node() const;  // now and the name
  std::optional<Time> now() const;
  void fail(Error error);
  void fail(const PostgresFailure& failure);
  // Goes on with `next` when the trip succeeded.
  void send(PostgresTrip trip, UniqueFunction<void(std::vector<PostgresRows>)> next);

  Loop& loop_;
  PostgresConnection& connection_;
  const PostgresOptions& options_;
  const PostgresDialect& dialect_;
  std::string session_;
  Done done_;
  int tries_ = 0;
  int namesakes_ = 0;  // how often one was met
  TimerId timer_ = 0;
  std::vector<std::string> migration_;
  Entered entered_;
};

}  // namespace cofounder
