// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_opening.hpp"

#include "core/base/log.hpp"
#include "core/base/text.hpp"
#include "core/store/postgres_errors.hpp"

#include <utility>

namespace cofounder {
namespace {

constexpr int tries_max = 20;
// The server needs a moment to notice that a daemon was killed.
constexpr int namesakes_max = 15;
constexpr Milliseconds look_again_after{200};

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
                           "Make one with: createdb -E UTF8 -T template0 NAME"));
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
  if (migration_.empty()) return check_shape();
  log::info("store: the schema " + options_.schema + " is brought from version " +
            std::to_string(from) + " to " + std::to_string(PostgresDialect::version));
  PostgresTrip trip;
  for (const std::string& sql : migration_) trip.add_once(sql);
  send(std::move(trip), [this](const std::vector<PostgresRows>&) { check_shape(); });
}

void PostgresOpening::check_shape() {
  PostgresTrip trip;
  trip.add(dialect_.find_altered);
  send(std::move(trip), [this](const std::vector<PostgresRows>& rows) {
    if (rows[0].empty()) return look_for_namesake();
    std::string missing;
    for (int i = 0; i < rows[0].size(); ++i) {
      missing += (i == 0 ? "" : ", ") + rows[0].string(i, 0);
    }
    fail(unusable("Somebody altered the schema " + options_.schema + ": it lacks " + missing + ".",
                  "The schema is not as the daemon made it: restore it, or set another [store] "
                  "schema."));
  });
}

PostgresParams PostgresOpening::of_node() const {
  PostgresParams params;
  params.add(now()).add(options_.node);
  return params;
}

std::optional<Time> PostgresOpening::now() const {
  if (options_.test_clock == nullptr) return std::nullopt;
  return options_.test_clock->now();
}

// Whoever has the lock of the schema sees everybody that entered before.
void PostgresOpening::look_for_namesake() {
  PostgresTrip trip;
  trip.add(dialect_.find_namesake, of_node().add(session_).add(options_.lease));
  send(std::move(trip), [this](const std::vector<PostgresRows>& rows) {
    if (rows[0].empty() || !rows[0].boolean(0, 2)) return enter();
    wait_for_namesake(rows[0].time(0, 0));
  });
}

void PostgresOpening::wait_for_namesake(Time since) {
  PostgresTrip trip;
  trip.add(dialect_.rollback);
  send(std::move(trip), [this, since](const std::vector<PostgresRows>&) {
    if (++namesakes_ > namesakes_max) {
      return fail(unusable("A daemon called " + options_.node + " uses the store since " +
                               to_rfc3339(since) + ".",
                           "Give each daemon a [store] node of its own, or stop the other one; "
                           "cofounderctl node list shows them."));
    }
    timer_ = loop_.clock().call_after(look_again_after, [this] {
      timer_ = 0;
      begin();
    });
  });
}

void PostgresOpening::enter() {
  PostgresTrip trip;
  trip.add(dialect_.forget_nodes, PostgresParams{}.add(now()));
  trip.add(dialect_.enter_node, of_node().add(session_).add(options_.version));
  trip.add(dialect_.find_lost,
           PostgresParams{}.add(options_.node).add(std::vector<std::int64_t>{}));
  trip.add(dialect_.count_waiting);
  trip.add(dialect_.commit);
  send(std::move(trip), [this](std::vector<PostgresRows> rows) {
    if (rows[1].empty()) {
      return fail(unusable("There are more than 512 nodes in the schema " + options_.schema + ".",
                           "Take out of its table nodes those that will not come back."));
    }
    entered_.number = static_cast<std::uint32_t>(rows[1].integer(0, 0));
    entered_.newest = rows[1].id(0, 1);
    entered_.now = rows[1].time(0, 2);
    entered_.taken = rows[1].integer(0, 3);
    entered_.lost = read_lost(rows[2]);
    entered_.waiting = rows[3].integer(0, 0);
    std::exchange(done_, nullptr)(std::move(entered_));
  });
}

std::vector<PostgresLost> PostgresOpening::read_lost(const PostgresRows& rows) {
  std::vector<PostgresLost> all;
  for (int i = 0; i < rows.size(); ++i) {
    PostgresLost& lost = all.emplace_back();
    ClaimedTask& task = lost.task;
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
    lost.is_cancelled = rows.boolean(i, 11);
    if (rows.columns() > 12) lost.ran_on = rows.text(i, 12);
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
