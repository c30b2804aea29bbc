// SPDX-License-Identifier: Apache-2.0
// A round's way: out, back, more claims, the commit, the handlers.
#include "core/base/json.hpp"
#include "core/base/log.hpp"
#include "core/store/postgres_errors.hpp"
#include "core/store/postgres_writer.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace cofounder {
namespace {

constexpr int collisions_max = 40;
constexpr Milliseconds first_pause{1};
constexpr Milliseconds longest_pause{250};
constexpr Milliseconds worth_mentioning{1'000};  // a difference of clocks

}  // namespace

void PostgresWriter::send() {
  Round& round = *round_;
  round.claims.clear();
  round.transaction = 0;
  round.is_committing = false;
  round.due = Time::max();
  round.sent_at = loop_.clock().mono();
  const PostgresPlace here = place();
  PostgresTrip trip;
  trip.add(dialect_.begin);
  trip.add(dialect_.head, PostgresParams{}.add(here.now).add(options_.node).add(session_));
  ask_lease(trip, here);
  round.first_write = trip.size();
  round.batch.ask(trip, here);
  round.room = claims_.room(round.batch.ending());
  // A write that may be the bad one is tried without anything else.
  round.asks_claims =
      !is_closing_ && !round.is_alone && !round.room.is_full() && lease_.check();
  if (round.asks_claims) {
    trip.add(dialect_.promote, PostgresParams{}.add(here.now));
    if (round.room.has_shared()) round.room.hold(trip, dialect_, options_.schema);
    round.claim = trip.size();
    round.room.ask(trip, dialect_, here.now, options_.node, options_.rows_max);
    trip.add(dialect_.next_due);
  }
  trip.add(dialect_.tail);
  link_.connection()->run(std::move(trip), [this](PostgresAnswer answer) {
    if (answer.failure) return failed(*answer.failure);
    first_answer(std::move(answer));
  });
}

void PostgresWriter::first_answer(PostgresAnswer answer) {
  Round& round = *round_;
  const auto& rows = answer.rows;
  see_clock(rows[1].time(0, 0));
  if (!rows[1].boolean(0, 1) || !take_lease(rows)) {
    return roll_back([this] { replaced(); });
  }
  round.transaction = rows.back().integer(0, 0);
  const std::span<const PostgresRows> all{rows};
  if (!round.batch.take(all.subspan(round.first_write, round.batch.statements()))) {
    return failed({"40001", "a unique key changed hands"});
  }
  if (round.asks_claims) {
    round.is_held_back = round.room.has_shared() && rows[round.claim - 1].integer(0, 0) > 0;
    if (take_claims(rows[round.claim], rows[round.claim + 1])) return claim_more();
  }
  commit();
}

// True when another claim may give more.
bool PostgresWriter::take_claims(const PostgresRows& claimed, const PostgresRows& next) {
  PostgresClaims::Taken taken = round_->room.take(claimed);
  for (auto& row : taken.rows) round_->claims.push_back(std::move(row));
  round_->due = round_->room.next_due(next);
  return taken.may_be_more;
}

void PostgresWriter::claim_more() {
  const PostgresPlace here = place();
  PostgresTrip trip;
  round_->room.ask(trip, dialect_, here.now, options_.node, options_.rows_max);
  trip.add(dialect_.next_due);
  link_.connection()->run(std::move(trip), [this](PostgresAnswer answer) {
    if (answer.failure) return failed(*answer.failure);
    more_claims(std::move(answer));
  });
}

void PostgresWriter::more_claims(PostgresAnswer answer) {
  if (take_claims(answer.rows[0], answer.rows[1])) return claim_more();
  commit();
}

void PostgresWriter::commit() {
  round_->is_committing = true;
  PostgresTrip trip;
  trip.add(dialect_.commit);
  link_.connection()->run(std::move(trip), [this](PostgresAnswer answer) {
    if (answer.failure) return failed(*answer.failure);
    done();
  });
}

void PostgresWriter::done() {
  std::unique_ptr<Round> round = std::move(round_);
  if (!settled_.empty()) settle(*round);
  const bool frees_shared = claims_.free_shared(round->batch.ending());
  for (const AttemptKey& key : round->batch.ending()) claims_.ended(key);
  std::sort(round->claims.begin(), round->claims.end(),
            [](const PostgresClaims::Row& a, const PostgresClaims::Row& b) {
              return std::tuple{-a.priority, a.task.run_at, a.task.key.task} <
                     std::tuple{-b.priority, b.task.run_at, b.task.key.task};
            });
  lease_settled(*round);
  for (const PostgresClaims::Row& row : round->claims) claims_.begun(row.task);
  // What it does not run itself may be for others.
  const std::int64_t for_all = round->batch.submitted() + round->batch.given_back();
  if (frees_shared || for_all > static_cast<std::int64_t>(round->claims.size())) notifier_.tell();
  // As many as a round takes: there may be more.
  if (round->claims.size() >= static_cast<std::size_t>(options_.rows_max)) look_ = true;
  if (round->is_alone) look_ = true;
  for (PostgresRead& read : round->reads) reader_.read(std::move(read));
  deliver(std::move(round));
  pump();
}

void PostgresWriter::deliver(std::unique_ptr<Round> round) {
  if (round->is_answered) {
    for (const auto& write : round->batch.writes) {
      if (write->kind != PostgresWrite::Kind::finish) continue;
      const auto& finish = static_cast<const PostgresFinish&>(*write);
      for (std::size_t i = 0; i < finish.verdicts.size(); ++i) {
        if (finish.result->value()[i]) settled_.insert(finish.verdicts[i].key);
      }
    }
  }
  std::vector<ClaimedTask> claims;
  for (PostgresClaims::Row& row : round->claims) {
    if (const auto why = unreadable(row)) {
      Verdict verdict;
      verdict.key = row.task.key;
      verdict.outcome.error = *why;
      verdict.state = TaskState::failed;
      verdict.ended_at = clock_.now();
      std::vector<Verdict> verdicts;
      verdicts.push_back(std::move(verdict));
      waiting_.emplace_front(std::make_unique<PostgresFinish>(std::move(verdicts), nullptr));
      continue;
    }
    claims.push_back(std::move(row.task));
  }
  std::optional<Time> due;
  if (!round->is_alone && !is_closing_) {
    const bool always = std::exchange(tell_due_always_, false);
    if (always || round->due != told_due_) due = round->due;
    told_due_ = round->due;
  }
  if (due && *due != Time::max()) *due -= ahead_;
  loop_.post([weak = std::weak_ptr<Front>{front_}, round = std::shared_ptr<Round>{std::move(round)},
              claims = std::move(claims), due]() mutable {
    // Any of these handlers may destroy the store.
    for (const auto& write : round->batch.writes) {
      if (weak.expired()) return;
      if (!round->is_answered) write->deliver();
    }
    if (const auto front = weak.lock(); front && !claims.empty()) {
      front->listener.on_claimed(std::move(claims));
    }
    if (const auto front = weak.lock();
        front && !round->cancelled.empty() && front->listener.on_cancelled) {
      front->listener.on_cancelled(std::move(round->cancelled));
    }
    if (const auto front = weak.lock(); front && due) front->listener.on_next_due(*due);
  });
}

// What was written although its caller was told that nobody knows, and who asks again.
void PostgresWriter::settle(Round& round) {
  for (const auto& write : round.batch.writes) {
    if (write->kind != PostgresWrite::Kind::finish) continue;
    auto& finish = static_cast<PostgresFinish&>(*write);
    for (std::size_t i = 0; i < finish.verdicts.size(); ++i) {
      if (settled_.erase(finish.verdicts[i].key) == 1) finish.result->value()[i] = true;
    }
  }
}

std::optional<Error> PostgresWriter::unreadable(const PostgresClaims::Row& row) {
  if (row.has_args) return std::nullopt;
  log::error("store: task " + to_string(row.task.key.task) + " fails, for its args are missing");
  Error error = make_error("record_unreadable",
                           "The row of this task in the store cannot be read: its args are missing.");
  error.hint = "Look at it with psql in the table finished, and submit the task anew.";
  return error;
}

void PostgresWriter::failed(const PostgresFailure& failure) {
  using Cure = PostgresDialect::Cure;
  switch (PostgresDialect::cure(failure)) {
    case Cure::reconnect:
      return;  // connection_down() comes, and the round goes over the next one
    case Cure::repeat:
      if (++round_->collisions > collisions_max) {
        const Error why = postgres_unavailable(failure);
        return roll_back([this, why] {
          refuse_round(why);
          look_ = true;
          again_timer_ = loop_.clock().call_after(longest_pause, [this] {
            again_timer_ = 0;
            pump();
          });
        });
      }
      return roll_back([this] { repeat_later(); });
    case Cure::drop_names:
      log::warning("store: prepared statements do not last here, going on without them");
      link_.connection()->forget_names();
      return roll_back([this] { send(); });
    case Cure::wait: {
      const Error why = postgres_unavailable(failure);
      return roll_back([this, why] { go_away(why); });
    }
    case Cure::none:
      break;
  }
  // One bad request is not the end of those that came with it: each is tried by itself.
  if (round_->batch.writes.empty()) {
    const Error why = postgres_open_error(failure, options_.schema);
    return roll_back([this, why] { go_away(why); });
  }
  if (!round_->is_alone) return roll_back([this] { split(); });
  const Error why = postgres_refused(failure);
  roll_back([this, why] {
    refuse_round(why);
    look_ = true;
    pump();
  });
}

void PostgresWriter::roll_back(UniqueFunction<void()> next) {
  PostgresTrip trip;
  trip.add(dialect_.rollback);
  link_.connection()->run(std::move(trip),
                          [next = std::move(next)](const PostgresAnswer& answer) mutable {
                            // When the connection broke meanwhile the round goes over the next one.
                            if (!answer.failure) next();
                          });
  round_->is_committing = false;
}

// Each time after a longer wait of a random length, so that those who collided do not meet again.
void PostgresWriter::repeat_later() {
  const int doublings = std::min(round_->collisions, 8);
  const Milliseconds most = std::min(first_pause * (1 << doublings), longest_pause);
  const double part = std::uniform_real_distribution<>{0.1, 1.0}(random_);
  loop_.clock().cancel(std::exchange(again_timer_, 0));
  again_timer_ = loop_.clock().call_after(
      std::chrono::duration_cast<Nanoseconds>(most * part), [this] {
        again_timer_ = 0;
        if (state_ == State::open && round_) send();
      });
}

void PostgresWriter::split() {
  auto round = std::exchange(round_, nullptr);
  for (auto& write : round->batch.writes) alone_.push_back(std::move(write));
  for (auto read = round->reads.rbegin(); read != round->reads.rend(); ++read) {
    waiting_.emplace_front(std::move(*read));
  }
  look_ = true;
  pump();
}

void PostgresWriter::see_clock(Time database) {
  if (options_.test_clock != nullptr) return;
  const Milliseconds ahead = database - clock_.now();
  const Milliseconds before = std::exchange(
      ahead_, std::abs(ahead.count()) < worth_mentioning.count() ? Milliseconds{0} : ahead);
  if (before == Milliseconds{0} && ahead_ != Milliseconds{0}) {
    log::warning("store: the clock of the database is " + std::to_string(ahead_.count()) +
                 " ms ahead of this node's; the database's counts");
  }
}

}  // namespace cofounder
