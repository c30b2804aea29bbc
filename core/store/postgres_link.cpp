// SPDX-License-Identifier: Apache-2.0
#include "core/store/postgres_link.hpp"

#include "core/store/postgres_address.hpp"
#include "core/store/postgres_errors.hpp"

#include <algorithm>
#include <utility>

namespace cofounder {
namespace {

constexpr Milliseconds first_wait{50};
constexpr Milliseconds longest_wait{2'000};
constexpr Milliseconds wait_when_useless{500};

}  // namespace

PostgresLink::PostgresLink(Loop& loop, const PostgresOptions& options,
                           const std::string& application_name)
    : loop_{loop},
      options_{options},
      application_name_{application_name},
      random_{std::random_device{}()} {}

PostgresLink::~PostgresLink() { stop(); }

void PostgresLink::start() {
  if (std::exchange(started_, true)) return;
  wait_ = Milliseconds{0};
  connect();
}

void PostgresLink::stop() {
  started_ = false;
  is_up_ = false;
  ++round_;
  loop_.clock().cancel(std::exchange(timer_, 0));
  connection_.reset();
}

void PostgresLink::restart(bool soon) {
  stop();
  started_ = true;
  if (soon) return connect();
  // It can be connected to, and is of no use all the same: do not ask all the time.
  wait_ = std::max(wait_, wait_when_useless);
  connect_later();
}

void PostgresLink::connect() {
  const std::uint64_t round = ++round_;
  Result<std::string> password = std::string{};
  if (options_.password) password = options_.password();
  auto settings = password ? read_postgres_dsn(options_.dsn, *password, application_name_)
                           : Result<PostgresConnection::Settings>{password.error()};
  // Not from within start(): its caller is not ready to hear of it.
  auto go_on = [weak = std::weak_ptr<PostgresLink*>{self_},
                round](Result<PostgresConnection::Settings> found) mutable {
    const auto self = weak.lock();
    if (!self || (*self)->round_ != round) return;
    PostgresLink& link = **self;
    if (!found) return link.down(found.error());
    PostgresConnection::Options options;
    options.settings = std::move(*found);
    options.prepare = link.options_.prepare;
    options.connect_timeout = link.options_.connect_timeout;
    options.answer_timeout = link.options_.answer_timeout;
    link.connection_ = std::make_unique<PostgresConnection>(link.loop_, std::move(options));
    link.connection_->on_lost([&link](const PostgresFailure& failure) {
      link.is_up_ = false;
      link.down(postgres_unavailable(failure));
    });
    link.connection_->connect([&link](std::optional<PostgresFailure> failure) {
      link.connected(std::move(failure));
    });
  };
  if (!settings) {
    loop_.post([go_on = std::move(go_on), error = settings.error()]() mutable { go_on(error); });
    return;
  }
  loop_.post([&loop = loop_, settings = std::move(*settings), go_on = std::move(go_on)]() mutable {
    resolve_postgres_hosts(loop, std::move(settings), std::move(go_on));
  });
}

void PostgresLink::connected(std::optional<PostgresFailure> failure) {
  if (failure) return down(postgres_connect_error(*failure));
  is_up_ = true;
  wait_ = Milliseconds{0};
  if (on_up) on_up();
}

void PostgresLink::down(Error why) {
  connect_later();
  if (on_down) on_down(std::move(why));
}

void PostgresLink::connect_later() {
  const double part = std::uniform_real_distribution<>{0.5, 1.5}(random_);
  const auto wait = std::chrono::duration_cast<Nanoseconds>(wait_ * part);
  wait_ = wait_ == Milliseconds{0} ? first_wait : std::min(2 * wait_, longest_wait);
  loop_.clock().cancel(std::exchange(timer_, 0));
  timer_ = loop_.clock().call_after(wait, [this] {
    timer_ = 0;
    connection_.reset();
    connect();
  });
}

}  // namespace cofounder
