// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/store/postgres_dialect.hpp"
#include "core/store/postgres_link.hpp"

namespace cofounder {

// Tells other nodes of new work, and hears of theirs.  A NOTIFY takes a lock of the whole cluster at
// its commit, so it stands in no transaction of ours: one at most every 5 ms, over this connection.
class PostgresNotifier {
 public:
  PostgresNotifier(Loop& loop, const PostgresOptions& options, const PostgresDialect& dialect,
                   const std::string& application_name);
  ~PostgresNotifier();

  UniqueFunction<void()> on_news;  // there may be work, also after a time in which we were deaf

  void start() { link_.start(); }
  void stop();
  void tell();
  bool is_listening() const noexcept { return listening_; }

 private:
  void send();

  Loop& loop_;
  const PostgresOptions& options_;
  const PostgresDialect& dialect_;
  PostgresLink link_;
  bool listening_ = false;
  bool wanted_ = false;
  TimerId timer_ = 0;
};

}  // namespace cofounder
