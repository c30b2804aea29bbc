// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_connection.hpp"

#include "core/store/postgres_libpq.hpp"
#include "core/store/postgres_names.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cassert>
#include <utility>

namespace cofounder {
namespace {

constexpr int binary = 1;
const std::string ask_backend = "SELECT pg_backend_pid()";

}  // namespace

struct PostgresConnection::State : std::enable_shared_from_this<PostgresConnection::State> {
  using Descriptor = boost::asio::posix::stream_descriptor;

  // What the server still has to answer.
  struct Expected {
    enum class Kind { prepare, rows, end } kind = Kind::rows;
    const std::string* sql = nullptr;  // prepare: what is known there once it succeeds
    bool seen = false;
  };
  struct Running {
    PostgresAnswer answer;
    UniqueFunction<void(PostgresAnswer)> done;
    std::deque<Expected> expected;
  };
  State(Loop& loop_, Options options_)
      : loop{loop_}, options{std::move(options_)}, descriptor{loop.context()} {}

  Loop& loop;
  Options options;
  PGconn* connection = nullptr;
  Descriptor descriptor;
  bool open = false;
  bool reading = false;
  bool writing = false;
  bool pooled = false;
  bool dropped = false;  // the connection's owner is gone
  bool names = true;
  PostgresNames prepared;
  std::deque<Running> running;
  TimerId timer = 0;
  UniqueFunction<void(std::optional<PostgresFailure>)> connected;
  UniqueFunction<void(PostgresFailure)> lost;
  UniqueFunction<void()> noticed;

  // ---- connecting -------------------------------------------------------------------------

  void start() {
    std::vector<const char*> keys;
    std::vector<const char*> values;
    for (const auto& [key, value] : options.settings) {
      keys.push_back(key.c_str());
      values.push_back(value.c_str());
    }
    keys.push_back(nullptr);
    values.push_back(nullptr);
    connection = pq().connectStartParams(keys.data(), values.data(), 0);
    arm(options.connect_timeout, "the server did not answer in time");
    if (connection == nullptr || pq().status(connection) == CONNECTION_BAD) return refuse();
    pq().setNoticeProcessor(connection, [](void*, const char*) {}, nullptr);
    wait_to_connect(Descriptor::wait_write);
  }

  void wait_to_connect(Descriptor::wait_type what) {
    // libpq may have closed the former socket and have a new one of the same number: each step is
    // registered anew.
    descriptor.assign(pq().socket(connection));
    descriptor.async_wait(
        what, [weak = weak_from_this()](const boost::system::error_code& error) {
          const auto self = weak.lock();
          if (!self || error == boost::asio::error::operation_aborted) return;
          self->connect_on();
        });
  }

  void connect_on() {
    if (connection == nullptr || open) return;
    descriptor.release();
    switch (pq().connectPoll(connection)) {
      case PGRES_POLLING_READING:
        return wait_to_connect(Descriptor::wait_read);
      case PGRES_POLLING_WRITING:
        return wait_to_connect(Descriptor::wait_write);
      case PGRES_POLLING_OK:
        return begin();
      default:
        return refuse();
    }
  }

  void refuse() {
    PostgresFailure failure;
    failure.message = connection == nullptr ? "out of memory" : postgres_line(pq().errorMessage(connection));
    // libpq keeps the server's code only in its text; the caller tells the causes apart by it.
    lose(std::move(failure));
  }

  void begin() {
    pq().setnonblocking(connection, 1);
    pq().enterPipelineMode(connection);
    descriptor.assign(pq().socket(connection));
    open = true;
    stop_timer();
    wait_to_read();
    PostgresTrip trip;
    trip.add(ask_backend);
    names = false;  // not even this one, as long as nobody knows who listens
    run(std::move(trip), [this](PostgresAnswer answer) {
      if (answer.failure) {
        // When it is lost, lose() tells.
        if (!answer.failure->is_lost()) lose(*answer.failure);
        return;
      }
      pooled = answer.rows[0].integer(0, 0) != pq().backendPID(connection);
      names = options.prepare == PostgresPrepare::on ||
              (options.prepare == PostgresPrepare::automatic && !pooled);
      if (connected) std::exchange(connected, nullptr)(std::nullopt);
    });
  }

  // ---- sending ----------------------------------------------------------------------------

  void run(PostgresTrip trip, UniqueFunction<void(PostgresAnswer)> done) {
    if (!open) {
      loop.post([weak = weak_from_this(), done = std::move(done)]() mutable {
        if (!weak.lock()) return;
        PostgresAnswer answer;
        answer.failure = PostgresFailure{{}, "the connection is closed"};
        done(std::move(answer));
      });
      return;
    }
    Running& now = running.emplace_back();
    now.done = std::move(done);
    bool sent = true;
    for (const PostgresTrip::Statement& statement : trip.statements) {
      sent = sent && send(statement, now);
    }
    sent = sent && pq().pipelineSync(connection) == 1;
    now.expected.push_back({Expected::Kind::end});
    prepared.trip_sent();
    if (running.size() == 1) arm(options.answer_timeout, "the server did not answer in time");
    if (!sent) return lose_soon(postgres_line(pq().errorMessage(connection)));
    flush();
  }
  bool send(const PostgresTrip::Statement& statement, Running& now) {
    const auto& all = statement.params.values();
    std::vector<Oid> types;
    std::vector<const char*> values;
    std::vector<int> lengths;
    types.reserve(all.size());
    values.reserve(all.size());
    lengths.reserve(all.size());
    for (const auto& value : all) {
      types.push_back(value.type);
      values.push_back(value.is_null ? nullptr : value.bytes.data());
      lengths.push_back(static_cast<int>(value.bytes.size()));
    }
    const std::vector<int> formats(all.size(), binary);
    const int count = static_cast<int>(all.size());
    if (!names || !statement.is_kept || prepared.is_uncertain(statement.sql)) {
      now.expected.push_back({Expected::Kind::rows});
      return pq().sendQueryParams(connection, statement.sql->c_str(), count, types.data(),
                               values.data(), lengths.data(), formats.data(), binary) == 1;
    }
    const std::string name = PostgresNames::name_of(*statement.sql);
    if (prepared.ask(statement.sql)) {
      now.expected.push_back({Expected::Kind::prepare, statement.sql});
      if (pq().sendPrepare(connection, name.c_str(), statement.sql->c_str(), count, types.data()) !=
          1) {
        return false;
      }
    }
    now.expected.push_back({Expected::Kind::rows});
    return pq().sendQueryPrepared(connection, name.c_str(), count, values.data(), lengths.data(),
                               formats.data(), binary) == 1;
  }

  void flush() {
    if (!open || writing) return;
    const int left = pq().flush(connection);
    if (left < 0) return lose_soon(postgres_line(pq().errorMessage(connection)));
    if (left == 0) return;
    writing = true;
    descriptor.async_wait(Descriptor::wait_write,
                          [weak = weak_from_this()](const boost::system::error_code& error) {
                            const auto self = weak.lock();
                            if (!self || error) return;
                            self->writing = false;
                            self->flush();
                          });
  }

  // ---- receiving --------------------------------------------------------------------------

  void wait_to_read() {
    if (!open || reading) return;
    reading = true;
    descriptor.async_wait(Descriptor::wait_read,
                          [weak = weak_from_this()](const boost::system::error_code& error) {
                            const auto self = weak.lock();
                            if (!self || error) return;
                            self->reading = false;
                            self->receive();
                          });
  }

  void receive() {
    const auto self = shared_from_this();  // handlers may drop the connection
    if (!open) return;
    const bool alive = pq().consumeInput(connection) == 1;
    const std::string why = alive ? std::string{} : postgres_line(pq().errorMessage(connection));
    read_results();
    if (!open) return;
    if (!alive || pq().status(connection) == CONNECTION_BAD) {
      return lose({{}, why.empty() ? "the server closed the connection" : why});
    }
    read_notices();
    if (!open) return;
    flush();  // libpq wants to be asked after each reading, too
    wait_to_read();
  }

  void read_results() {
    int idle = 0;
    while (open && !running.empty() && pq().isBusy(connection) == 0) {
      PGresult* result = pq().getResult(connection);
      Running& now = running.front();
      Expected& expected = now.expected.front();
      if (result == nullptr) {
        if (expected.seen) {
          now.expected.pop_front();
          idle = 0;
        } else if (++idle > 2) {
          return;  // nothing is there, whatever it said
        }
        continue;
      }
      idle = 0;
      expected.seen = true;
      PostgresRows rows{result};
      take(now, expected, std::move(rows), result);
      if (now.expected.front().kind == Expected::Kind::end && now.expected.front().seen) complete();
    }
  }

  void take(Running& now, const Expected& expected, PostgresRows rows, const PGresult* result) {
    switch (pq().resultStatus(result)) {
      case PGRES_TUPLES_OK:
      case PGRES_COMMAND_OK:
        if (expected.kind == Expected::Kind::rows) now.answer.rows.push_back(std::move(rows));
        if (expected.kind == Expected::Kind::prepare) prepared.settle(expected.sql, true);
        return;
      case PGRES_PIPELINE_SYNC:
        return;
      case PGRES_PIPELINE_ABORTED:
        break;
      default:
        if (!now.answer.failure) now.answer.failure = postgres_failure(result);
    }
    if (expected.kind == Expected::Kind::prepare) prepared.settle(expected.sql, false);
  }

  void complete() {
    Running done = std::move(running.front());
    running.pop_front();
    stop_timer();
    if (!running.empty()) arm(options.answer_timeout, "the server did not answer in time");
    // As with a connection that breaks: lose() answers it, in order.
    if (done.answer.failure && done.answer.failure->is_lost()) {
      const PostgresFailure failure = *done.answer.failure;
      running.push_front(std::move(done));
      return lose(failure);
    }
    done.done(std::move(done.answer));
  }

  void read_notices() {
    bool any = false;
    while (PGnotify* notice = pq().notifies(connection)) {
      any = any || notice->be_pid != pq().backendPID(connection);
      pq().freemem(notice);
    }
    if (any && noticed) noticed();
  }

  // ---- ending -----------------------------------------------------------------------------

  void arm(Milliseconds after, const char* why) {
    stop_timer();
    timer = loop.clock().call_after(after, [this, why] {
      timer = 0;
      lose({{}, why});
    });
  }
  void stop_timer() noexcept { loop.clock().cancel(std::exchange(timer, 0)); }

  // Not within run(): its caller does not expect an answer yet.
  void lose_soon(std::string why) {
    loop.post([weak = weak_from_this(), why = std::move(why)] {
      if (const auto self = weak.lock()) self->lose({{}, why});
    });
  }

  void close() noexcept {
    stop_timer();
    open = false;
    if (descriptor.is_open()) descriptor.release();
    if (connection != nullptr) pq().finish(std::exchange(connection, nullptr));
  }

  void lose(PostgresFailure failure) {
    if (connection == nullptr && !connected) return;
    const auto self = shared_from_this();
    close();
    auto unanswered = std::exchange(running, {});
    auto told = std::exchange(connected, nullptr);
    auto action = told ? nullptr : std::exchange(lost, nullptr);
    for (Running& trip : unanswered) {
      if (dropped) return;  // by a handler
      trip.answer.failure = PostgresFailure{{}, failure.message};
      trip.done(std::move(trip.answer));
    }
    if (told) {
      told(std::move(failure));
    } else if (action && !dropped) {
      action(std::move(failure));
    }
  }
};

PostgresConnection::PostgresConnection(Loop& loop, Options options)
    : state_{std::make_shared<State>(loop, std::move(options))} {}

PostgresConnection::~PostgresConnection() {
  state_->dropped = true;
  state_->connected = nullptr;
  state_->lost = nullptr;
  state_->noticed = nullptr;
  state_->close();
}

void PostgresConnection::connect(UniqueFunction<void(std::optional<PostgresFailure>)> done) {
  assert(state_->connection == nullptr);
  state_->connected = std::move(done);
  state_->loop.post([weak = std::weak_ptr<State>{state_}] {
    if (const auto state = weak.lock()) state->start();
  });
}

bool PostgresConnection::is_open() const noexcept { return state_->open; }

void PostgresConnection::run(PostgresTrip trip, UniqueFunction<void(PostgresAnswer)> done) {
  state_->run(std::move(trip), std::move(done));
}

std::size_t PostgresConnection::under_way() const noexcept { return state_->running.size(); }

void PostgresConnection::on_lost(UniqueFunction<void(PostgresFailure)> action) {
  state_->lost = std::move(action);
}
void PostgresConnection::on_notice(UniqueFunction<void()> action) {
  state_->noticed = std::move(action);
}

bool PostgresConnection::is_pooled() const noexcept { return state_->pooled; }
void PostgresConnection::forget_names() noexcept { state_->names = false; }
bool PostgresConnection::uses_names() const noexcept { return state_->names; }

int PostgresConnection::backend() const noexcept {
  return state_->connection == nullptr ? 0 : pq().backendPID(state_->connection);
}

std::string PostgresConnection::parameter(const char* name) const {
  if (state_->connection == nullptr) return {};
  const char* value = pq().parameterStatus(state_->connection, name);
  return value == nullptr ? "" : value;
}

}  // namespace cofounder
