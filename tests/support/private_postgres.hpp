// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <string>

#include "tests/store/postgres_cluster.hpp"
#include "tests/support/real_daemon.hpp"

namespace cofounder::test {

// A PostgreSQL that a test may kill.
class PrivatePostgres {
 public:
  PrivatePostgres() {
    run("start");
    socket_ = first_line("socket");
    why_ = first_line("why");
  }
  ~PrivatePostgres() { run("stop"); }
  PrivatePostgres(const PrivatePostgres&) = delete;
  PrivatePostgres& operator=(const PrivatePostgres&) = delete;

  bool runs() const { return !socket_.empty(); }
  const std::string& why() const { return why_; }  // it does not
  std::string dsn(const std::string& user = "postgres", const std::string& database = "postgres",
                  const std::string& below = "") const {
    return postgres_dsn(socket_ + below, user, database);
  }
  // The [store] table of a daemon.
  std::string store(const std::string& node, const std::string& more = "") const {
    return store_of(dsn(), "node = \"" + node + "\"\n" + more);
  }
  static std::string store_of(const std::string& dsn, const std::string& more = "") {
    return "[store]\nkind = \"postgres\"\ndsn = \"" + dsn + "\"\n" + more;
  }
  PostgresHand hand() const { return PostgresHand{dsn()}; }

  bool halt() { return run("halt"); }
  bool resume() { return run("resume"); }

 private:
  bool run(const std::string& command) const {
    const std::string words = COFOUNDER_SOURCE_DIR "/tests/store/postgres_cluster " + command +
                              " " + folder_.path().string() + " >>" +
                              (folder_.path() / "log").string() + " 2>&1";
    return std::system(words.c_str()) == 0;
  }
  std::string first_line(const char* file) const {
    const std::string text = read_file(folder_.path() / file);
    return text.substr(0, text.find('\n'));
  }

  TempFolder folder_;
  std::string socket_;
  std::string why_;
};

}  // namespace cofounder::test
