// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <libpq-fe.h>

#include <atomic>
#include <fstream>
#include <stdexcept>
#include <string>
#include <unistd.h>

namespace cofounder::test {

// Why none could be started; empty: one was.
inline std::string postgres_absent() {
  std::ifstream file{COFOUNDER_BINARY_DIR "/postgres/why"};
  std::string why;
  std::getline(file, why);
  return why;
}

// Where the tests' PostgreSQL listens: tests/store/postgres_cluster started it for this ctest run.
inline std::string postgres_socket() {
  std::ifstream file{COFOUNDER_BINARY_DIR "/postgres/socket"};
  std::string place;
  if (!std::getline(file, place)) {
    throw std::runtime_error{
        "no PostgreSQL runs for the tests: ctest starts it, or tests/store/postgres_cluster start " +
        std::string{COFOUNDER_BINARY_DIR} + "/postgres"};
  }
  return place;
}

inline std::string postgres_dsn(const std::string& socket = postgres_socket(),
                                const std::string& user = "postgres",
                                const std::string& database = "postgres") {
  return "host=" + socket + " user=" + user + " dbname=" + database;
}

// A person at the psql prompt.
class PostgresHand {
 public:
  explicit PostgresHand(const std::string& dsn = postgres_dsn())
      : connection_{PQconnectdb(dsn.c_str())} {
    if (PQstatus(connection_) != CONNECTION_OK) {
      const std::string why = PQerrorMessage(connection_);
      PQfinish(connection_);
      throw std::runtime_error{why};
    }
    PQsetNoticeProcessor(connection_, [](void*, const char*) {}, nullptr);
  }
  ~PostgresHand() { PQfinish(connection_); }
  PostgresHand(const PostgresHand&) = delete;
  PostgresHand& operator=(const PostgresHand&) = delete;

  // The first value of the first row; empty: none.
  std::string run(const std::string& sql) {
    PGresult* result = PQexec(connection_, sql.c_str());
    const ExecStatusType status = PQresultStatus(result);
    const std::string why = PQresultErrorMessage(result);
    std::string value;
    if (status == PGRES_TUPLES_OK && PQntuples(result) > 0 && PQnfields(result) > 0) {
      value = PQgetvalue(result, 0, 0);
    }
    PQclear(result);
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) throw std::runtime_error{why};
    return value;
  }

 private:
  PGconn* connection_;
};

// A schema of its own that goes with the test.
class PostgresSchema {
 public:
  PostgresSchema() {
    static std::atomic<int> last{0};
    name_ = "test_" + std::to_string(::getpid()) + "_" + std::to_string(++last);
  }
  ~PostgresSchema() {
    try {
      PostgresHand{}.run("DROP SCHEMA IF EXISTS " + name_ + " CASCADE");
    } catch (const std::exception&) {
      // The cluster goes anyway.
    }
  }
  PostgresSchema(const PostgresSchema&) = delete;
  PostgresSchema& operator=(const PostgresSchema&) = delete;
  const std::string& name() const noexcept { return name_; }

 private:
  std::string name_;
};

}  // namespace cofounder::test
