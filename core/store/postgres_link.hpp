// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/store/postgres_connection.hpp"

#include <memory>
#include <random>
#include <string>

namespace cofounder {

// Keeps one connection: connects, and when it breaks connects again, at once and then with waits
// that double up to two seconds, each of a random length so that nodes do not come all together.
// On the loop only.
class PostgresLink {
 public:
  PostgresLink(Loop& loop, const PostgresOptions& options, const std::string& application_name);
  ~PostgresLink();

  UniqueFunction<void()> on_up;         // there is a connection
  UniqueFunction<void(Error)> on_down;  // there is none (any more), and why: after each attempt

  void start();  // no-op when it has begun
  void stop();
  // The connection is of no use: another one, after a wait when `soon` is false.
  void restart(bool soon);

  PostgresConnection* connection() noexcept { return is_up_ ? connection_.get() : nullptr; }

 private:
  void connect();
  void connected(std::optional<PostgresFailure> failure);
  void down(Error why);
  void connect_later();

  Loop& loop_;
  const PostgresOptions& options_;
  std::string application_name_;
  std::shared_ptr<PostgresLink*> self_ = std::make_shared<PostgresLink*>(this);
  std::unique_ptr<PostgresConnection> connection_;
  bool started_ = false;
  bool is_up_ = false;
  std::uint64_t round_ = 0;  // so that an old look-up of a name is not taken for the new one
  TimerId timer_ = 0;
  Milliseconds wait_{0};
  std::minstd_rand random_;
};

}  // namespace cofounder
