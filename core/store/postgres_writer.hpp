// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/ids.hpp"
#include "core/store/postgres_claims.hpp"
#include "core/store/postgres_lease.hpp"
#include "core/store/postgres_notifier.hpp"
#include "core/store/postgres_opening.hpp"
#include "core/store/postgres_reader.hpp"
#include "core/store/postgres_write.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <variant>
#include <vector>

namespace cofounder {

// Makes rounds of what is asked for, one at a time: see PostgresOptions.  While a round is on its way
// the next one gathers, so the batch grows with the load.
//
// A round whose connection breaks is sent again over the next one; when that happened during the
// commit, the server is asked first what became of the transaction.
class PostgresWriter {
 public:
  PostgresWriter(Loop& loop, const Clock& clock, const PostgresOptions& options,
                 const PostgresDialect& dialect);
  ~PostgresWriter();

  void open(TaskStore::Listener listener, TaskStore::Done<TaskStore::Opened> done);
  void write(std::unique_ptr<PostgresWrite> write);
  void read(PostgresRead read);
  void set_limits(ClaimLimits limits);
  void claim_due();
  void close(UniqueFunction<void()> done);
  // There is news for other nodes, and it is committed.
  void tell_others() { notifier_.tell(); }

  PostgresPlace place();
  Milliseconds ahead() const noexcept { return ahead_; }
  // Runs `action` on the loop, not within a call of ours, unless the store is gone by then.
  void post(UniqueFunction<void()> action);

 private:
  enum class State { closed, opening, open, broken, away };
  using Entry = std::variant<std::unique_ptr<PostgresWrite>, PostgresRead>;
  struct Front {  // what the loop may still call
    TaskStore::Listener listener;
  };
  // One transaction, from the first trip to the last handler.
  struct Round {
    PostgresBatch batch;
    std::vector<PostgresRead> reads;
    PostgresClaims::Room room;
    std::vector<PostgresClaims::Row> claims;
    std::size_t first_write = 0;  // where in the trip the batch begins
    bool asks_claims = false;
    std::size_t claim = 0;  // which statement of the trip claims
    bool beats = false;
    bool judges = false;  // other nodes
    bool asks_cancelled = false;
    Mono sent_at{};
    std::int64_t taken = 0;
    std::vector<PostgresLost> taken_over;
    std::vector<AttemptKey> cancelled;
    bool is_held_back = false;  // another node claims from a queue of ours just now
    Time due = Time::max();
    std::int64_t transaction = 0;  // 0: it wrote nothing
    bool is_committing = false;
    bool is_alone = false;     // one write, to see whether it is the one that is refused
    bool is_answered = false;  // its callers were told that nobody knows
    int collisions = 0;
  };

  // postgres_writer.cpp: what is asked for.
  void look(bool tell_always);
  void pump();
  void take(Round& round);
  void refuse(const Error& why);
  void refuse_round(const Error& why);
  void finish_closing();
  void poll_later();
  void stop_timers();

  // postgres_round.cpp: a round's way.
  void send();
  void ask_lease(PostgresTrip& trip, const PostgresPlace& here);
  bool take_lease(const std::vector<PostgresRows>& rows);
  void first_answer(PostgresAnswer answer);
  void claim_more();
  void more_claims(PostgresAnswer answer);
  bool take_claims(const PostgresRows& claimed, const PostgresRows& next);
  void commit();
  void committed(PostgresAnswer answer);
  void done();
  void deliver(std::unique_ptr<Round> round);
  void settle(Round& round);
  void failed(const PostgresFailure& failure);
  void roll_back(UniqueFunction<void()> next);
  void repeat_later();
  void split();
  void see_clock(Time database);
  std::optional<Error> unreadable(const PostgresClaims::Row& row);

  // postgres_recovery.cpp: the connection's coming and going.
  void connection_up();
  void connection_down(const Error& why);
  void entered(Result<PostgresOpening::Entered> result);
  void recover(std::vector<PostgresLost> lost, Outcome::Kind kind);
  void finish_lost(std::vector<Verdict> verdicts, const std::string& ran_on);
  void give_up_waiting();
  void go_away(const Error& why);
  void clear_former_session();
  void ask_fate();
  void fate_known(const PostgresAnswer& answer);
  void find_orphans();
  void go_on();

  // postgres_nodes.cpp: this node among the others.
  void lose_all(const char* why);
  void replaced();
  void lease_settled(Round& round);
  void give_back_claims(Round& round);
  void take_over(std::vector<PostgresLost> tasks);
  void say_goodbye();

  Loop& loop_;
  const Clock& clock_;
  const PostgresOptions& options_;
  const PostgresDialect& dialect_;
  std::shared_ptr<Front> front_ = std::make_shared<Front>();
  const std::string session_;
  const std::string application_name_;

  State state_ = State::closed;
  Error refusal_;  // while nothing can be written
  TaskStore::Done<TaskStore::Opened> opened_;
  TaskStore::Opened opening_result_;
  std::unique_ptr<PostgresOpening> opening_;
  std::vector<UniqueFunction<void()>> closing_;
  bool is_closing_ = false;

  std::deque<Entry> waiting_;
  std::deque<std::unique_ptr<PostgresWrite>> alone_;  // of a round that was refused
  std::unique_ptr<Round> round_;
  bool look_ = false;
  bool has_news_ = false;
  bool said_goodbye_ = false;
  bool is_saying_goodbye_ = false;
  PostgresLease lease_;
  Mono entered_at_{};
  std::int64_t taken_ = 0;  // how often others took over our tasks
  bool tell_due_always_ = false;
  Time told_due_ = Time::max();
  PostgresClaims claims_;
  std::set<AttemptKey> settled_;  // verdicts whose callers were told that nobody knows
  IdSource ids_;
  Milliseconds ahead_{0};  // of the database's clock, when it is more than a second
  int former_backend_ = 0;

  TimerId poll_timer_ = 0;
  TimerId patience_timer_ = 0;
  TimerId again_timer_ = 0;
  TimerId held_timer_ = 0;
  std::minstd_rand random_;
  PostgresLink link_;
  PostgresReader reader_;
  PostgresNotifier notifier_;
};

}  // namespace cofounder
