// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_opening.hpp"

#include "core/base/log.hpp"
#include "core/store/postgres_errors.hpp"

#include <utility>

namespace cofounder {
namespace {

constexpr int tries_max = 20;

Error unusable(std::string message, std::string hint) {
  Error error = make_error("store_unusable", std::move(message));
  error.hint = std::move(hint);
  return error;
}

}  // namespace

void PostgresOpening::run(Done done) {
  done_ = std::move(done);
  begin();
}

void PostgresOpening::send(PostgresTrip trip,
                           UniqueFunction<void(std::vector<PostgresRows>)> next) {
  connection_.run(std::move(trip),
                  [this, next = std::move(next)](PostgresAnswer answer) mutable {
                    if (answer.failure) return fail(*answer.failure);
                    next(std::move(answer.rows));
                  });
}

void PostgresOpening::begin() {
  PostgresTrip trip;
  trip.add(dialect_.find_schema, PostgresParams{}.add(options_.schema));
  send(std::move(trip), [this](std::vector<PostgresRows> rows) {
    const PostgresRows& found = rows[0];
    if (found.text(0, 2) != "UTF8") {
      return fail(unusable("The database has the encoding " + found.string(0, 2) + ".",
                           "Make one with: createdb --encoding=UTF8 --template=template0 NAME"));
    }
    if (found.boolean(0, 3)) {
      return fail(unusable(
          "The server, or the role, is read-only.",
          "Connect to the primary (target_session_attrs=read-write in [store] dsn), with a role "
          "whose default_transaction_read_only is off."));
    }
    PostgresTrip locked;
    locked.add(dialect_.begin);
    locked.add(dialect_.lock_schema, PostgresParams{}.add(options_.schema));
    // What was seen before the lock may have changed: look again.
    locked.add(dialect_.find_schema, PostgresParams{}.add(options_.schema));
    send(std::move(locked), [this](std::vector<PostgresRows> again) {
      const bool has_schema = again[2].boolean(0, 0);
      if (again[2].boolean(0, 1)) return read_version();
      migrate(0, !has_schema);
    });
  });
}

void PostgresOpening::read_version() {
  PostgresTrip trip;
  trip.add(dialect_.find_version);
  send(std::move(trip), [this](std::vector<PostgresRows> rows) {
    if (rows[0].empty()) {
      return fail(unusable("The schema " + options_.schema + " has no version.",
                           "Another program may use it: set another [store] schema."));
    }
    const std::int64_t version = rows[0].integer(0, 0);
    if (version > PostgresDialect::version) {
      return fail(unusable("The schema " + options_.schema + " has version " +
                               std::to_string(version) + ", this daemon knows versions up to " +
                               std::to_string(PostgresDialect::version) + ".",
                           "Install the cofounderd that made it, or a newer one."));
    }
    migrate(version, false);
  });
}

void PostgresOpening::migrate(std::int64_t from, bool make_schema) {
  migration_.clear();
  if (make_schema) migration_.push_back(dialect_.create_schema);
  for (std::int64_t to = from + 1; to <= PostgresDialect::version; ++to) {
    for (std::string& sql : PostgresDialect::migration(options_.schema, to)) {
      migration_.push_back(std::move(sql));
    }
  }
  if (migration_.empty()) return enter();
  log::info("store: the schema " + options_.schema + " is brought from version " +
            std::to_string(from) + " to " + std::to_string(PostgresDialect::version));
  PostgresTrip trip;
  for (const std::string& sql : migration_) trip.add_once(sql);
  send(std::move(trip), [this](const std::vector<PostgresRows>&) { enter(); });
}

void PostgresOpening::enter() {
  const std::optional<Time> now =
      options_.test_clock != nullptr ? std::optional{options_.test_clock->now()} : std::nullopt;
  PostgresTrip trip;
  trip.add(dialect_.enter_node, PostgresParams{}.add(now).add(options_.node).add(session_));
  trip.add(dialect_.find_lost,
           PostgresParams{}.add(options_.node).add(std::vector<std::int64_t>{}));
  trip.add(dialect_.count_waiting);
  trip.add(dialect_.commit);
  send(std::move(trip), [this](std::vector<PostgresRows> rows) {
    entered_.number = static_cast<std::uint32_t>(rows[0].integer(0, 0));
    entered_.newest = rows[0].id(0, 1);
    entered_.now = rows[0].time(0, 2);
    entered_.lost = read_lost(rows[1]);
    entered_.waiting = rows[2].integer(0, 0);
    std::exchange(done_, nullptr)(std::move(entered_));
  });
}

std::vector<ClaimedTask> PostgresOpening::read_lost(const PostgresRows& rows) {
  std::vector<ClaimedTask> all;
  for (int i = 0; i < rows.size(); ++i) {
    ClaimedTask& task = all.emplace_back();
    task.key = AttemptKey{rows.id(i, 0), rows.small(i, 1)};
    task.uncounted = rows.small(i, 2);
    task.op = rows.text(i, 3);
    task.queue = rows.text(i, 4);
    task.timeout = Milliseconds{rows.integer(i, 5)};
    task.attempts_max = rows.small(i, 6);
    task.retry_on_timeout = rows.boolean(i, 7);
    task.submitted_at = rows.time(i, 8);
    task.run_at = rows.time(i, 9);
    task.started_at = rows.time(i, 10);
  }
  return all;
}

void PostgresOpening::fail(const PostgresFailure& failure) {
  const auto cure = PostgresDialect::cure(failure);
  const bool again = cure == PostgresDialect::Cure::repeat ||
                     cure == PostgresDialect::Cure::drop_names;
  if (!again || ++tries_ > tries_max) return fail(postgres_open_error(failure, options_.schema));
  if (cure == PostgresDialect::Cure::drop_names) connection_.forget_names();
  PostgresTrip trip;
  trip.add(dialect_.rollback);
  connection_.run(std::move(trip), [this](const PostgresAnswer& answer) {
    if (answer.failure) return fail(postgres_open_error(*answer.failure, options_.schema));
    begin();
  });
}

void PostgresOpening::fail(Error error) { std::exchange(done_, nullptr)(std::move(error)); }

}  // namespace cofounder
