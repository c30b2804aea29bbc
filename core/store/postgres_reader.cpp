// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_reader.hpp"

#include "core/store/postgres_errors.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {
namespace {

constexpr int tries_max = 4;
constexpr std::size_t enough_for_one = 8;  // questions under way, before another connection helps

}  // namespace

PostgresReader::PostgresReader(Loop& loop, const PostgresOptions& options,
                               const PostgresDialect& dialect, const std::string& application_name)
    : loop_{loop}, dialect_{dialect} {
  const int count = std::max(1, options.connections_max - 2);
  for (int i = 0; i < count; ++i) {
    auto slot = std::make_unique<Slot>();
    slot->link = std::make_unique<PostgresLink>(loop, options, application_name);
    slot->link->on_up = [this] { went_up(); };
    slot->link->on_down = [this](const Error& why) { down(why); };
    slots_.push_back(std::move(slot));
  }
}

PostgresReader::~PostgresReader() = default;

void PostgresReader::stop() {
  for (const auto& slot : slots_) {
    slot->link->stop();
    slot->begun = false;
  }
  downs_ = 0;
  away_.reset();
}

void PostgresReader::hurry() {
  if (!std::exchange(away_, std::nullopt)) return;
  downs_ = 0;
  for (const auto& slot : slots_) {
    if (slot->begun && slot->link->connection() == nullptr) slot->link->restart(true);
  }
}

void PostgresReader::went_up() {
  downs_ = 0;
  away_.reset();
  pump();
}

void PostgresReader::fail_soon(PostgresRead read) {
  ++under_way_;
  loop_.post([weak = std::weak_ptr<PostgresReader*>{self_}, fail = std::move(read.fail),
              why = *away_]() mutable {
    if (weak.expired()) return;
    PostgresReader& reader = **weak.lock();
    --reader.under_way_;
    fail(why);
    if (weak.expired()) return;  // the handler has ended the reader
    if (reader.is_idle() && reader.on_idle) reader.on_idle();
  });
}

void PostgresReader::read(PostgresRead read) {
  if (away_) return fail_soon(std::move(read));
  waiting_.push_back(std::make_shared<PostgresRead>(std::move(read)));
  pump();
}

void PostgresReader::pump() {
  while (!waiting_.empty()) {
    Slot* best = nullptr;
    Slot* fresh = nullptr;
    bool is_coming = false;
    for (const auto& slot : slots_) {
      if (slot->link->connection() != nullptr) {
        if (best == nullptr || slot->carries < best->carries) best = slot.get();
      } else if (!slot->begun) {
        fresh = slot.get();
      } else {
        is_coming = true;
      }
    }
    if (fresh != nullptr && !is_coming && (best == nullptr || best->carries >= enough_for_one)) {
      fresh->begun = true;
      fresh->link->start();
    }
    if (best == nullptr) return;  // on_up() or down() goes on
    auto next = std::move(waiting_.front());
    waiting_.pop_front();
    send(*best, std::move(next));
  }
}

void PostgresReader::send(Slot& slot, std::shared_ptr<PostgresRead> read) {
  ++under_way_;
  ++slot.carries;
  slot.link->connection()->run(read->trip, [this, &slot, read](PostgresAnswer answer) {
    --under_way_;
    --slot.carries;
    answered(slot, read, std::move(answer));
    if (is_idle() && on_idle) on_idle();
  });
}

void PostgresReader::answered(Slot& slot, const std::shared_ptr<PostgresRead>& read,
                              PostgresAnswer answer) {
  using Cure = PostgresDialect::Cure;
  if (!answer.failure) return read->answer(std::move(answer.rows));
  const Cure cure = PostgresDialect::cure(*answer.failure);
  if (PostgresConnection* connection = slot.link->connection();
      connection != nullptr && cure != Cure::reconnect) {
    // A trip may have begun a transaction.
    PostgresTrip trip;
    trip.add(dialect_.rollback);
    connection->run(std::move(trip), [](const PostgresAnswer&) {});
    if (cure == Cure::drop_names) connection->forget_names();
  }
  if ((cure == Cure::reconnect || cure == Cure::repeat || cure == Cure::drop_names) &&
      ++read->tries < tries_max) {
    waiting_.push_back(read);
    // What was lost waits for the connection that comes; the others can go at once.
    if (cure != Cure::reconnect) pump();
    return;
  }
  read->fail(cure == Cure::none ? postgres_refused(*answer.failure)
                                : postgres_unavailable(*answer.failure));
}

// When no connection carries questions any more they are not kept waiting for one.
void PostgresReader::down(const Error& why) {
  const bool any = std::any_of(slots_.begin(), slots_.end(), [](const auto& slot) {
    return slot->link->connection() != nullptr;
  });
  if (any) return pump();
  if (++downs_ >= tries_max) away_ = why;
  for (const auto& read : std::exchange(waiting_, {})) {
    // The first loss is repaired in an instant; a server that does not come back is told.
    if (++read->tries < tries_max && !away_) {
      waiting_.push_back(read);
    } else {
      read->fail(why);
    }
  }
  if (is_idle() && on_idle) on_idle();
}

}  // namespace cofounder
