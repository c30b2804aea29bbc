// SPDX-License-Identifier: Apache-2.0
// The coming and going of the writer's connection.
#include "core/base/log.hpp"
#include "core/store/postgres_errors.hpp"
#include "core/store/postgres_writer.hpp"
#include "core/store/store_errors.hpp"

#include <utility>

namespace cofounder {
namespace {

constexpr Milliseconds ask_again_after{100};

}  // namespace

void PostgresWriter::connection_up() {
  if (state_ == State::opening) {
    entered_at_ = loop_.clock().mono();
    opening_ =
        std::make_unique<PostgresOpening>(loop_, *link_.connection(), options_, dialect_, session_);
    opening_->run([this](Result<PostgresOpening::Entered> result) { entered(std::move(result)); });
    return;
  }
  clear_former_session();
}

void PostgresWriter::connection_down(const Error& why) {
  if (state_ == State::opening) return entered(why);
  if (state_ == State::open) {
    state_ = State::broken;
    log::warning("store: the connection to PostgreSQL broke, connecting again");
    patience_timer_ = loop_.clock().call_after(options_.patience, [this, why] {
      patience_timer_ = 0;
      go_away(why);
    });
  }
}

// ---- opening --------------------------------------------------------------------------------

void PostgresWriter::entered(Result<PostgresOpening::Entered> result) {
  if (!result) {
    state_ = State::closed;
    refusal_ = result.error();
    refuse(refusal_);
    post([this, why = refusal_] {
      opening_.reset();
      link_.stop();
      if (opened_) std::exchange(opened_, nullptr)(why);
    });
    return finish_closing();
  }
  ids_ = IdSource{result->number};
  ids_.after(result->newest);
  see_clock(result->now);
  opening_result_ = {};
  opening_result_.waiting = result->waiting;
  opening_result_.recovered = static_cast<std::int64_t>(result->lost.size());
  recover(std::move(result->lost), Outcome::Kind::lost);
  state_ = State::open;
  taken_ = result->taken;
  lease_.start(entered_at_);
  former_backend_ = link_.connection()->backend();
  notifier_.start();
  poll_later();
  pump();
}

// Ends attempts that nobody makes any more; when the store is being opened, its caller is told then.
void PostgresWriter::recover(std::vector<PostgresLost> lost, Outcome::Kind kind) {
  std::vector<Verdict> verdicts;
  std::string ran_on;
  for (const PostgresLost& one : lost) {
    if (one.ran_on != ran_on && !verdicts.empty()) {
      finish_lost(std::exchange(verdicts, {}), ran_on);
    }
    ran_on = one.ran_on;
    Outcome outcome;
    outcome.kind = one.is_cancelled ? Outcome::Kind::cancelled : kind;
    if (one.is_cancelled) outcome.error = make_error("cancelled", "cancelled while it ran");
    const double chance = std::uniform_real_distribution<>{}(random_);
    verdicts.push_back(decide(options_.retry, one.task, std::move(outcome), clock_.now(),
                              Milliseconds{0}, chance));
    if (!is_over(verdicts.back().state)) ++opening_result_.waiting;
  }
  finish_lost(std::move(verdicts), ran_on);
}

void PostgresWriter::finish_lost(std::vector<Verdict> verdicts, const std::string& ran_on) {
  auto done = [this](const Result<std::vector<bool>>& saved) {
    if (!opened_) return;
    if (saved) {
      std::exchange(opened_, nullptr)(opening_result_);
    } else {
      std::exchange(opened_, nullptr)(saved.error());
    }
  };
  auto finish = std::make_unique<PostgresFinish>(std::move(verdicts), std::move(done));
  finish->ran_on = ran_on;
  waiting_.emplace_front(std::move(finish));
}

// ---- a connection that broke ----------------------------------------------------------------

// The server may not have noticed: the session still holds its locks.
void PostgresWriter::clear_former_session() {
  PostgresTrip trip;
  PostgresParams former;
  former.add(std::exchange(former_backend_, 0)).add(application_name_);
  trip.add(dialect_.end_session, std::move(former));
  link_.connection()->run(std::move(trip), [this](const PostgresAnswer& answer) {
    // It may not be ours to end, or be unknown there: then it ends by its own timeout.
    if (answer.failure && answer.failure->is_lost()) return;
    former_backend_ = link_.connection()->backend();
    if (round_ && round_->is_committing && round_->transaction != 0) return ask_fate();
    if (round_) round_->is_committing = false;
    find_orphans();
  });
}

void PostgresWriter::ask_fate() {
  PostgresTrip trip;
  trip.add(dialect_.fate, PostgresParams{}.add(round_->transaction));
  link_.connection()->run(std::move(trip), [this](const PostgresAnswer& answer) {
    if (answer.failure && answer.failure->is_lost()) return;
    fate_known(answer);
  });
}

void PostgresWriter::fate_known(const PostgresAnswer& answer) {
  const std::string fate = answer.failure || answer.rows[0].is_null(0, 0)
                               ? "unknown"
                               : answer.rows[0].string(0, 0);
  if (fate == "in progress") {
    loop_.clock().cancel(std::exchange(again_timer_, 0));
    again_timer_ = loop_.clock().call_after(ask_again_after, [this] {
      again_timer_ = 0;
      if (link_.connection() != nullptr && round_) ask_fate();
    });
    return;
  }
  if (fate == "committed") {
    log::info("store: what was being committed when the connection broke is there");
    done();
    return find_orphans();
  }
  round_->is_committing = false;
  if (fate != "aborted" && !round_->is_answered) refuse_round(postgres_in_doubt());
  if (round_ && round_->is_answered) round_.reset();
  find_orphans();
}

// What the database believes to run here, and does not.
void PostgresWriter::find_orphans() {
  PostgresTrip trip;
  trip.add(dialect_.head,
           PostgresParams{}.add(place().now).add(options_.node).add(session_));
  trip.add(dialect_.find_lost, PostgresParams{}.add(options_.node).add(claims_.running()));
  link_.connection()->run(std::move(trip), [this](PostgresAnswer answer) {
    if (answer.failure && answer.failure->is_lost()) return;
    if (answer.failure) return go_away(postgres_unavailable(*answer.failure));
    if (!answer.rows[0].boolean(0, 1)) return replaced();
    auto lost = PostgresOpening::read_lost(answer.rows[1]);
    if (!lost.empty()) {
      log::warning("store: " + std::to_string(lost.size()) +
                   " claims got lost with the connection; these tasks wait again");
      recover(std::move(lost), Outcome::Kind::stopped);
    }
    go_on();
  });
}

void PostgresWriter::go_on() {
  const bool was_away = state_ == State::away;
  loop_.clock().cancel(std::exchange(patience_timer_, 0));
  state_ = State::open;
  lease_.server_is_back();
  if (was_away) {
    log::info("store: PostgreSQL can be used again");
    reader_.hurry();
    post([this] { front_->listener.on_availability(true, Error{}); });
  }
  look_ = true;
  if (round_) return send();
  pump();
}

// Callers are not kept waiting any longer.  Who has a claim on an answer that nobody knows yet is told
// so; what came of it is found out all the same.
void PostgresWriter::go_away(const Error& why) {
  refusal_ = why;
  if (opened_) {
    // It was not open yet.
    post([this, why] {
      if (opened_) std::exchange(opened_, nullptr)(why);
    });
  }
  const bool was_away = std::exchange(state_, State::away) == State::away;
  if (!was_away) {
    post([this, why] { front_->listener.on_availability(false, why); });
  }
  if (round_ && round_->is_committing && round_->transaction != 0) {
    if (!std::exchange(round_->is_answered, true)) {
      auto shared = std::make_shared<std::vector<PostgresRead>>(std::exchange(round_->reads, {}));
      post([shared, why] {
        for (PostgresRead& read : *shared) read.fail(why);
      });
    }
  } else {
    refuse_round(why);
  }
  refuse(why);
  if (link_.connection() != nullptr) {
    former_backend_ = 0;
    post([this] { link_.restart(/*soon=*/false); });
  }
  finish_closing();
}

}  // namespace cofounder
