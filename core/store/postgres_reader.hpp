// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/postgres_dialect.hpp"
#include "core/store/postgres_link.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <vector>

namespace cofounder {

// A question that changes nothing.  It may be asked more than once.
struct PostgresRead {
  PostgresTrip trip;
  UniqueFunction<void(std::vector<PostgresRows>)> answer;
  UniqueFunction<void(const Error&)> fail;
  int tries = 0;
};

// Asks over connections of its own, each opened when there is more to ask than the others carry.  A
// broken connection's questions go to the next one.  While the server is away (some attempts in a row
// have failed) each question is answered so at once, for who asks may have several.
class PostgresReader {
 public:
  PostgresReader(Loop& loop, const PostgresOptions& options, const PostgresDialect& dialect,
                 const std::string& application_name);
  ~PostgresReader();

  void read(PostgresRead read);
  bool is_idle() const noexcept { return under_way_ == 0 && waiting_.empty(); }
  UniqueFunction<void()> on_idle;  // after the last answer
  void stop();
  // The server is there: do not wait for the time of the next attempt.
  void hurry();

 private:
  struct Slot {
    std::unique_ptr<PostgresLink> link;
    bool begun = false;
    std::size_t carries = 0;
  };

  void pump();
  void send(Slot& slot, std::shared_ptr<PostgresRead> read);
  void answered(Slot& slot, const std::shared_ptr<PostgresRead>& read, PostgresAnswer answer);
  void down(const Error& why);

  void went_up();
  void fail_soon(PostgresRead read);

  Loop& loop_;
  const PostgresDialect& dialect_;
  std::shared_ptr<PostgresReader*> self_ = std::make_shared<PostgresReader*>(this);
  int downs_ = 0;              // in a row
  std::optional<Error> away_;  // why
  std::vector<std::unique_ptr<Slot>> slots_;
  std::deque<std::shared_ptr<PostgresRead>> waiting_;
  std::size_t under_way_ = 0;
};

}  // namespace cofounder
