// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_writer.hpp"

#include "core/store/store_errors.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {
namespace {

constexpr std::size_t bytes_max = 16U << 20U;  // of one round

}  // namespace

PostgresWriter::PostgresWriter(Loop& loop, const Clock& clock, const PostgresOptions& options,
                               const PostgresDialect& dialect)
    : loop_{loop},
      clock_{clock},
      options_{options},
      dialect_{dialect},
      session_{random_hex(8)},
      // Of this process alone: it ends its own former sessions by this name.
      application_name_{"cofounderd " + session_},
      refusal_{store_closed()},
      lease_{loop, options},
      random_{std::random_device{}()},
      link_{loop, options, application_name_},
      reader_{loop, options, dialect, application_name_},
      notifier_{loop, options, dialect, application_name_} {
  link_.on_up = [this] { connection_up(); };
  link_.on_down = [this](const Error& why) { connection_down(why); };
  reader_.on_idle = [this] { finish_closing(); };
  notifier_.on_news = [this] {
    has_news_ = true;
    look(false);
  };
  lease_.on_beat_due = [this] {
    lease_.check();
    look(false);
  };
  lease_.on_expired = [this] { lose_all("the database did not hear of this node for too long"); };
}

PostgresWriter::~PostgresWriter() {
  front_.reset();
  stop_timers();
}

void PostgresWriter::stop_timers() {
  for (TimerId* timer : {&poll_timer_, &patience_timer_, &again_timer_, &held_timer_}) {
    loop_.clock().cancel(std::exchange(*timer, 0));
  }
}

PostgresPlace PostgresWriter::place() {
  PostgresPlace place{dialect_, options_.node, ids_, std::nullopt, ahead_};
  if (options_.test_clock != nullptr) place.now = options_.test_clock->now();
  return place;
}

void PostgresWriter::post(UniqueFunction<void()> action) {
  loop_.post([front = std::weak_ptr<Front>{front_}, action = std::move(action)]() mutable {
    if (!front.expired()) action();
  });
}

void PostgresWriter::open(TaskStore::Listener listener, TaskStore::Done<TaskStore::Opened> done) {
  if (state_ != State::closed) {
    return post([done = std::move(done)]() mutable {
      done(make_error("store_unusable", "The store is open already."));
    });
  }
  front_->listener = std::move(listener);
  state_ = State::opening;
  is_closing_ = false;
  said_goodbye_ = false;
  told_due_ = Time::max();
  claims_.clear();
  opened_ = std::move(done);
  link_.start();
}

void PostgresWriter::write(std::unique_ptr<PostgresWrite> write) {
  if (state_ == State::closed || state_ == State::away || is_closing_) {
    const Error why = is_closing_ ? store_closed() : refusal_;
    return post([write = std::move(write), why] { write->fail(why); });
  }
  waiting_.emplace_back(std::move(write));
  pump();
}

void PostgresWriter::read(PostgresRead read) {
  if (state_ == State::closed || is_closing_) {
    const Error why = is_closing_ ? store_closed() : refusal_;
    return post([read = std::make_shared<PostgresRead>(std::move(read)), why] { read->fail(why); });
  }
  // With nothing to be written before it, it need not wait; nor must it while the server is away, for a
  // round of which nobody knows whether it was written.
  const bool is_first = waiting_.empty() && !round_ && alone_.empty() && state_ != State::opening;
  if (is_first || state_ == State::away) {
    return reader_.read(std::move(read));
  }
  waiting_.emplace_back(std::move(read));
}

void PostgresWriter::set_limits(ClaimLimits limits) {
  claims_.set_limits(std::move(limits));
  look(false);
}

void PostgresWriter::claim_due() { look(true); }

void PostgresWriter::look(bool tell_always) {
  if (is_closing_) return;
  look_ = true;
  tell_due_always_ = tell_due_always_ || tell_always;
  pump();
}

void PostgresWriter::close(UniqueFunction<void()> done) {
  closing_.push_back(std::move(done));
  is_closing_ = true;
  look_ = false;
  if (state_ == State::closed || state_ == State::away) refusal_ = store_closed();
  pump();
  finish_closing();
}

void PostgresWriter::finish_closing() {
  // What nobody waits for any more does not hold it up.
  const bool is_busy = round_ && !round_->is_answered;
  if (!is_closing_ || is_busy || !waiting_.empty() || !alone_.empty() || !reader_.is_idle() ||
      state_ == State::opening) {
    return;
  }
  if (state_ == State::open && !std::exchange(said_goodbye_, true)) return say_goodbye();
  if (is_saying_goodbye_) return;
  state_ = State::closed;
  refusal_ = store_closed();
  round_.reset();
  stop_timers();
  lease_.stop();
  // The links may be what calls us.
  post([this] {
    if (state_ != State::closed) return;
    link_.stop();
    reader_.stop();
    notifier_.stop();
    claims_.clear();
    claims_.set_limits({});
    for (auto& done : std::exchange(closing_, {})) post(std::move(done));
  });
}

// Begins the next round, when there is cause for one.
void PostgresWriter::pump() {
  if (state_ != State::open || round_) return;
  if (waiting_.empty() && alone_.empty() && !look_) return finish_closing();
  auto round = std::make_unique<Round>();
  take(*round);
  if (round->batch.writes.empty() && !look_) {
    for (PostgresRead& read : round->reads) reader_.read(std::move(read));
    return pump();
  }
  look_ = false;
  round_ = std::move(round);
  // What is asked for in this turn of the loop goes along.
  if (alone_.empty() && !round_->is_alone) {
    loop_.defer([this, front = std::weak_ptr<Front>{front_}] {
      if (front.expired() || state_ != State::open || !round_) return;
      take(*round_);
      send();
    });
    return;
  }
  send();
}

void PostgresWriter::take(Round& round) {
  if (!alone_.empty()) {
    round.is_alone = true;
    round.batch.writes.push_back(std::move(alone_.front()));
    alone_.pop_front();
    return;
  }
  std::size_t rows = 0;
  std::size_t bytes = 0;
  for (const auto& write : round.batch.writes) {
    rows += write->rows;
    bytes += write->bytes;
  }
  while (!waiting_.empty()) {
    if (auto* write = std::get_if<std::unique_ptr<PostgresWrite>>(&waiting_.front())) {
      rows += (*write)->rows;
      bytes += (*write)->bytes;
      const bool is_full = rows > static_cast<std::size_t>(options_.rows_max) || bytes > bytes_max;
      if (is_full && !round.batch.writes.empty()) return;
      round.batch.writes.push_back(std::move(*write));
    } else {
      round.reads.push_back(std::move(std::get<PostgresRead>(waiting_.front())));
    }
    waiting_.pop_front();
  }
}

// Nothing that waits will be done.
void PostgresWriter::refuse(const Error& why) {
  for (Entry& entry : std::exchange(waiting_, {})) {
    if (auto* write = std::get_if<std::unique_ptr<PostgresWrite>>(&entry)) {
      post([write = std::move(*write), why] { write->fail(why); });
    } else {
      post([read = std::make_shared<PostgresRead>(std::move(std::get<PostgresRead>(entry))), why] {
        read->fail(why);
      });
    }
  }
  for (auto& write : std::exchange(alone_, {})) {
    post([write = std::move(write), why] { write->fail(why); });
  }
}

void PostgresWriter::refuse_round(const Error& why) {
  if (!round_) return;
  auto round = std::exchange(round_, nullptr);
  for (auto& write : round->batch.writes) {
    post([write = std::move(write), why] { write->fail(why); });
  }
  for (PostgresRead& read : round->reads) {
    post([read = std::make_shared<PostgresRead>(std::move(read)), why] { read->fail(why); });
  }
}

void PostgresWriter::poll_later() {
  const Milliseconds every =
      notifier_.is_listening() ? options_.poll_listening_every : options_.poll_every;
  if (every == Milliseconds{0}) return;
  const double part = std::uniform_real_distribution<>{0.75, 1.25}(random_);
  loop_.clock().cancel(std::exchange(poll_timer_, 0));
  poll_timer_ = loop_.clock().call_after(
      std::chrono::duration_cast<Nanoseconds>(every * part), [this] {
        poll_timer_ = 0;
        if (!claims_.room({}).is_full()) look(false);
        poll_later();
      });
}

}  // namespace cofounder
