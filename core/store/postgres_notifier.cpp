// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_notifier.hpp"

#include "core/base/log.hpp"

#include <utility>

namespace cofounder {
namespace {

constexpr Milliseconds pause{5};

}  // namespace

PostgresNotifier::PostgresNotifier(Loop& loop, const PostgresOptions& options,
                                   const PostgresDialect& dialect,
                                   const std::string& application_name)
    : loop_{loop}, options_{options}, dialect_{dialect}, link_{loop, options, application_name} {
  link_.on_up = [this] {
    PostgresConnection& connection = *link_.connection();
    if (wanted_ && timer_ == 0) send();
    // With prepare = "on" the pooler keeps sessions, whoever stands between.
    if (connection.is_pooled() && options_.prepare != PostgresPrepare::on) {
      log::warning(
          "store: a pooler stands before PostgreSQL: other nodes' tasks are found by polling");
      return;
    }
    connection.on_notice([this] {
      if (on_news) on_news();
    });
    PostgresTrip trip;
    trip.add(dialect_.listen);
    connection.run(std::move(trip), [this](const PostgresAnswer& answer) {
      if (answer.failure) {
        if (!answer.failure->is_lost()) {
          log::warning("store: the server knows no LISTEN (" + answer.failure->message +
                       "): other nodes' tasks are found by polling");
        }
        return;
      }
      listening_ = true;
      if (on_news) on_news();
    });
  };
  link_.on_down = [this](const Error&) { listening_ = false; };
}

PostgresNotifier::~PostgresNotifier() { stop(); }

void PostgresNotifier::stop() {
  loop_.clock().cancel(std::exchange(timer_, 0));
  listening_ = false;
  link_.stop();
}

void PostgresNotifier::tell() {
  if (timer_ != 0) {
    wanted_ = true;
    return;
  }
  send();
}

void PostgresNotifier::send() {
  wanted_ = false;
  PostgresConnection* connection = link_.connection();
  if (connection == nullptr) {
    wanted_ = true;  // once it is there
    return;
  }
  PostgresTrip trip;
  trip.add(dialect_.notify);
  connection->run(std::move(trip), [](const PostgresAnswer&) {});
  timer_ = loop_.clock().call_after(pause, [this] {
    timer_ = 0;
    if (wanted_) send();
  });
}

}  // namespace cofounder
