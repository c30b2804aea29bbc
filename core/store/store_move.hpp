// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/postgres_store.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace cofounder {

// Moves all that a SQLite store keeps into a PostgreSQL schema that holds nothing yet: tasks, finished
// ones with their attempts and results, schedules, the values of plugins and costs.  In one
// transaction: it is all there or nothing is, and the file is left as it was but for its name, which
// gets ".moved" once the transaction is committed, so that no daemon runs its tasks again.
//
// No daemon may use the file meanwhile ("store_locked").  Blocks the loop it is given: for a program
// that does nothing else.
class StoreMove {
 public:
  using Moved = std::vector<std::pair<std::string, std::int64_t>>;  // table, rows
  using Done = UniqueFunction<void(Result<Moved>)>;

  StoreMove(Loop& loop, SqliteOptions from, PostgresOptions to);
  ~StoreMove();

  void run(Done done);  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
