// SPDX-License-Identifier: Apache-2.0
// This node among the others: its lease, their tasks, its goodbye.
#include "core/base/log.hpp"
#include "core/store/postgres_errors.hpp"
#include "core/store/postgres_writer.hpp"

#include <utility>

namespace cofounder {
namespace {

constexpr int taken_over_max = 1'000;  // in one round
constexpr Milliseconds held_wait{20};  // about as long as a round takes

}  // namespace

// What a round asks besides its writes, in the order in which take_lease() reads it.
void PostgresWriter::ask_lease(PostgresTrip& trip, const PostgresPlace& here) {
  Round& round = *round_;
  round.taken_over.clear();
  round.cancelled.clear();
  round.beats = lease_.wants_beat();
  round.judges = round.beats && !is_closing_ && lease_.may_judge_others();
  round.asks_cancelled = round.beats || std::exchange(has_news_, false) || round.asks_cancelled;
  if (round.beats) {
    trip.add(dialect_.beat, PostgresParams{}.add(here.now).add(options_.node).add(session_));
  }
  if (round.judges) {
    PostgresParams params;
    params.add(here.now).add(options_.node).add(options_.lease).add(taken_over_max);
    trip.add(dialect_.take_over, std::move(params));
  }
  if (round.asks_cancelled) {
    trip.add(dialect_.find_cancelled, PostgresParams{}.add(options_.node));
  }
}

// False: this node was replaced.
bool PostgresWriter::take_lease(const std::vector<PostgresRows>& rows) {
  Round& round = *round_;
  std::size_t at = 2;
  if (round.beats) {
    if (rows[at].empty()) return false;
    round.taken = rows[at++].integer(0, 0);
  }
  if (round.judges) round.taken_over = PostgresOpening::read_lost(rows[at++]);
  if (round.asks_cancelled) {
    const PostgresRows& found = rows[at];
    for (int i = 0; i < found.size(); ++i) {
      round.cancelled.push_back({found.id(i, 0), found.small(i, 1)});
    }
  }
  return true;
}

// After a commit.
void PostgresWriter::lease_settled(Round& round) {
  // First whether it was too late, then whether it is well again.
  const bool was_held = lease_.check();
  if (round.beats) {
    lease_.renewed(round.sent_at);
    if (std::exchange(taken_, round.taken) != round.taken) {
      lose_all("other nodes took them over");
    }
  }
  const bool is_held = lease_.check();
  if (is_held && !was_held) look_ = true;
  if (!is_held && !round.claims.empty()) give_back_claims(round);
  if (!round.taken_over.empty()) take_over(std::move(round.taken_over));
  if (round.is_held_back && held_timer_ == 0) {
    held_timer_ = loop_.clock().call_after(held_wait, [this] {
      held_timer_ = 0;
      look(false);
    });
  }
}

// The commit took so long that others may have these by now.
void PostgresWriter::give_back_claims(Round& round) {
  std::vector<PostgresLost> back;
  for (PostgresClaims::Row& row : std::exchange(round.claims, {})) {
    back.push_back({std::move(row.task)});
  }
  recover(std::move(back), Outcome::Kind::stopped);
}

void PostgresWriter::take_over(std::vector<PostgresLost> tasks) {
  log::warning("store: node " + tasks.front().ran_on + " is gone; " +
               std::to_string(tasks.size()) + " tasks that it ran are tried again");
  recover(std::move(tasks), Outcome::Kind::lost);
}

// Whatever this node runs is no longer surely its own.
void PostgresWriter::lose_all(const char* why) {
  auto attempts = claims_.attempts();
  if (attempts.empty()) return;
  log::warning("store: " + std::to_string(attempts.size()) + " tasks that run here are ended, for " +
               why);
  post([this, attempts = std::move(attempts)]() mutable {
    if (front_->listener.on_lost) front_->listener.on_lost(std::move(attempts));
  });
}

void PostgresWriter::replaced() {
  lose_all("another daemon entered under the name of this node");
  go_away(postgres_replaced(options_.node));
}

// So that nobody waits for the end of the lease.
void PostgresWriter::say_goodbye() {
  is_saying_goodbye_ = true;
  lease_.stop();
  PostgresTrip trip;
  trip.add(dialect_.goodbye, PostgresParams{}.add(place().now).add(options_.node).add(session_));
  trip.add(dialect_.notify);
  link_.connection()->run(std::move(trip), [this](const PostgresAnswer& answer) {
    if (answer.failure) {
      log::warning("store: could not say goodbye (" + answer.failure->message + "), ignoring");
    }
    is_saying_goodbye_ = false;
    finish_closing();
  });
}

}  // namespace cofounder
