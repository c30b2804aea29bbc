// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/function.hpp"
#include "core/base/loop.hpp"
#include "core/store/postgres_store.hpp"
#include "core/store/postgres_value.hpp"

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cofounder {

// Statements that go to the server together and come back together: one trip of the pipeline.
struct PostgresTrip {
  struct Statement {
    const std::string* sql = nullptr;
    PostgresParams params;
    bool is_kept = true;  // the text outlives the connection: it may be prepared
  };
  std::vector<Statement> statements;

  void add(const std::string& sql, PostgresParams params = {}) {
    statements.push_back({&sql, std::move(params)});
  }
  // A text that is gone after run().
  void add_once(const std::string& sql) { statements.push_back({&sql, {}, false}); }
  std::size_t size() const noexcept { return statements.size(); }
};

// What a trip gave: the rows of each statement, or why it failed (then none of them counts).
struct PostgresAnswer {
  std::vector<PostgresRows> rows;
  std::optional<PostgresFailure> failure;
};

// One connection to the server.  Never blocks: connecting, sending and receiving are events of the
// loop.  On the loop only.  No handler comes after the destructor.
//
// Trips are answered in the order of run().  When the connection breaks every trip under way is
// answered with a failure that is_lost(), and on_lost comes last; the object is of no use then.
class PostgresConnection {
 public:
  // Keywords and values of PQconnectStartParams(), host names replaced by addresses.
  using Settings = std::vector<std::pair<std::string, std::string>>;
  struct Options {
    Settings settings;
    PostgresPrepare prepare = PostgresPrepare::automatic;
    Milliseconds connect_timeout{10'000};
    Milliseconds answer_timeout{30'000};  // of a trip; later the connection counts as broken
  };

  // Real time, whatever the store's clock: the network knows no other.
  PostgresConnection(Loop& loop, Options options);
  ~PostgresConnection();
  PostgresConnection(const PostgresConnection&) = delete;
  PostgresConnection& operator=(const PostgresConnection&) = delete;

  // `done` once: nothing, or why it cannot connect.
  void connect(UniqueFunction<void(std::optional<PostgresFailure>)> done);
  bool is_open() const noexcept;

  void run(PostgresTrip trip, UniqueFunction<void(PostgresAnswer)> done);
  std::size_t under_way() const noexcept;

  void on_lost(UniqueFunction<void(PostgresFailure)> action);
  // A NOTIFY of another session arrived.
  void on_notice(UniqueFunction<void()> action);

  // The session changes under us: a pooler stands between.  Known once it is open.
  bool is_pooled() const noexcept;
  // Statements have no names from now on; what was prepared is not used any more.
  void forget_names() noexcept;
  bool uses_names() const noexcept;
  int backend() const noexcept;  // process id of the server's side
  std::string parameter(const char* name) const;  // "server_encoding"; empty: not told

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace cofounder
