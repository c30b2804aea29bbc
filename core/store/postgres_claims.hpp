// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/scheduler/task_store.hpp"
#include "core/store/postgres_connection.hpp"
#include "core/store/postgres_dialect.hpp"

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace cofounder {

// What this node runs, what it may run besides, and how it asks for that.  Changes with commits only.
class PostgresClaims {
 public:
  struct Row {
    ClaimedTask task;
    int priority = 0;
    bool has_args = true;
  };
  // What one claim gave.
  struct Taken {
    std::vector<Row> rows;
    bool may_be_more = false;  // some that were seen were held back by a limit of the others
  };

  void set_limits(ClaimLimits limits) { limits_ = std::move(limits); }

  void begun(const ClaimedTask& task);
  void ended(const AttemptKey& attempt);
  void clear() { running_.clear(); }
  bool is_running(TaskId task) const { return running_.contains(task); }
  std::vector<std::int64_t> running() const;
  std::vector<AttemptKey> attempts() const;
  // These make room in a queue whose limit is one of all nodes.
  bool free_shared(const std::vector<AttemptKey>& ending) const;

  // What may be claimed once `ending` have ended.
  class Room;
  Room room(const std::vector<AttemptKey>& ending) const;

 private:
  friend class Room;
  struct Running {
    std::int32_t attempt = 0;
    std::string plugin;
    std::string queue;
  };

  ClaimLimits limits_;
  std::unordered_map<TaskId, Running> running_;  // a few hundred
};

// The free slots in the middle of a transaction.
class PostgresClaims::Room {
 public:
  bool is_full() const;
  // Some of its queues have a limit of all nodes.
  bool has_shared() const noexcept { return !shared_.empty(); }
  // Adds the statement that asks for them, before the first that claims.
  void hold(PostgresTrip& trip, const PostgresDialect& dialect, const std::string& schema) const;
  // Adds the statement that claims.
  void ask(PostgresTrip& trip, const PostgresDialect& dialect, const std::optional<Time>& now,
           const std::string& node, int rows_max) const;
  // Reads what it gave, and takes the slots.
  Taken take(const PostgresRows& rows);
  // When to look again: the earliest of those that nothing holds back.
  Time next_due(const PostgresRows& rows) const;

 private:
  friend class PostgresClaims;
  bool is_open(const std::string& plugin, const std::string& queue) const;

  int total_ = 0;
  std::map<std::string, int> plugins_;
  std::map<std::string, int> queues_;
  std::map<std::string, int> shared_;  // at most, by all nodes
};

std::string plugin_of(const std::string& op);

}  // namespace cofounder
