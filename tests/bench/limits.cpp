// SPDX-License-Identifier: Apache-2.0
// limits: what this machine's disk and SQLite can do at best, by the shortest program that does the
// same work on the shipped schema: the figures that the daemon is held against.
//
//   limits FOLDER [SECONDS]      prints one JSON object
//
//  fdatasync         overwrites of 4 KiB, each synced
//  group_commit_N    N new tasks (row and payload) per transaction, as a submit of N clients at once
//  raw_life          insert, claim, finish and attempt row, three transactions per 256 tasks
//  durable_claim     one task: insert committed, claim committed; the floor of submit to start
#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "core/store/sqlite_schema.hpp"

namespace {

using Clock = std::chrono::steady_clock;

double since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

[[noreturn]] void die(const std::string& text) {
  std::fprintf(stderr, "limits: %s\n", text.c_str());
  std::exit(1);
}

class Database {
 public:
  explicit Database(const std::string& file) {
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(file + suffix);
    if (sqlite3_open(file.c_str(), &handle_) != SQLITE_OK) die("cannot open " + file);
    run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=1000;"
        "PRAGMA cache_size=-8000; PRAGMA temp_store=MEMORY;");
    run(cofounder::sqlite_schema);
  }
  ~Database() {
    for (auto* statement : statements_) sqlite3_finalize(statement);
    sqlite3_close(handle_);
  }
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void run(const char* sql) {
    char* error = nullptr;
    if (sqlite3_exec(handle_, sql, nullptr, nullptr, &error) != SQLITE_OK) die(error);
  }
  sqlite3_stmt* prepare(const char* sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr) !=
        SQLITE_OK) {
      die(sqlite3_errmsg(handle_));
    }
    statements_.push_back(statement);
    return statement;
  }
  void step(sqlite3_stmt* statement, std::initializer_list<std::int64_t> values) {
    int index = 0;
    for (const std::int64_t value : values) sqlite3_bind_int64(statement, ++index, value);
    if (sqlite3_step(statement) != SQLITE_DONE) die(sqlite3_errmsg(handle_));
    sqlite3_reset(statement);
  }

 private:
  sqlite3* handle_ = nullptr;
  std::vector<sqlite3_stmt*> statements_;
};

struct Statements {
  explicit Statements(Database& database)
      : insert{database.prepare(
            "INSERT INTO tasks (id, state, priority, run_at, attempt, uncounted, attempts_max, "
            "timeout, retry_on_timeout, submitted_at, op, queue, submitter) VALUES "
            "(?1, 0, 0, ?2, 0, 0, 5, 900000, 0, ?2, 'hello.greet', 'default', 'uid:0')")},
        payload{database.prepare(
            "INSERT INTO payloads (id, args) VALUES (?1, '{\"name\":\"world\"}')")},
        claim{database.prepare(
            "UPDATE tasks SET state = 2, attempt = attempt + 1, started_at = ?2 WHERE id = ?1")},
        finish{database.prepare(
            "INSERT INTO finished (id, state, priority, run_at, attempt, attempts_max, timeout, "
            "retry_on_timeout, submitted_at, started_at, op, queue, submitter, ended_at, took, "
            "result) SELECT id, 3, priority, run_at, attempt, attempts_max, timeout, "
            "retry_on_timeout, submitted_at, started_at, op, queue, submitter, ?2, 1, "
            "'{\"greeting\":\"Hello, world!\"}' FROM tasks WHERE id = ?1")},
        remove{database.prepare("DELETE FROM tasks WHERE id = ?1")},
        attempt{database.prepare(
            "INSERT INTO attempts (task, attempt, node, started_at, ended_at, outcome) "
            "VALUES (?1, 1, 'local', ?2, ?2, 0)")} {}
  sqlite3_stmt *insert, *payload, *claim, *finish, *remove, *attempt;
};

double fdatasyncs(const std::string& folder, double seconds) {
  const std::string file = folder + "/fdatasync";
  const int descriptor = ::open(file.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  if (descriptor < 0) die("cannot write " + file);
  const std::vector<char> block(4096, 'x');
  for (int i = 0; i < 256; ++i) {
    if (::pwrite(descriptor, block.data(), block.size(), i * 4096) != 4096) die("pwrite");
  }
  ::fsync(descriptor);
  const auto begin = Clock::now();
  int count = 0;
  for (; since(begin) < seconds; ++count) {
    if (::pwrite(descriptor, block.data(), block.size(), count % 256 * 4096) != 4096) die("pwrite");
    if (::fdatasync(descriptor) != 0) die("fdatasync");
  }
  const double rate = count / since(begin);
  ::close(descriptor);
  std::filesystem::remove(file);
  return rate;
}

double group_commits(const std::string& folder, double seconds, int rows) {
  Database database{folder + "/limits.db"};
  Statements statements{database};
  const auto begin = Clock::now();
  std::int64_t id = 1'000'000;
  while (since(begin) < seconds) {
    database.run("BEGIN IMMEDIATE");
    for (int i = 0; i < rows; ++i) {
      ++id;
      database.step(statements.insert, {id, id});
      database.step(statements.payload, {id});
    }
    database.run("COMMIT");
  }
  return static_cast<double>(id - 1'000'000) / since(begin);
}

double raw_lives(const std::string& folder, double seconds) {
  constexpr int batch = 256;
  Database database{folder + "/limits.db"};
  Statements statements{database};
  const auto begin = Clock::now();
  std::int64_t id = 1'000'000;
  while (since(begin) < seconds) {
    database.run("BEGIN IMMEDIATE");
    for (int i = 0; i < batch; ++i) {
      database.step(statements.insert, {id + i, id});
      database.step(statements.payload, {id + i});
    }
    database.run("COMMIT; BEGIN IMMEDIATE");
    for (int i = 0; i < batch; ++i) database.step(statements.claim, {id + i, id});
    database.run("COMMIT; BEGIN IMMEDIATE");
    for (int i = 0; i < batch; ++i) {
      database.step(statements.finish, {id + i, id});
      database.step(statements.remove, {id + i});
      database.step(statements.attempt, {id + i, id});
    }
    database.run("COMMIT");
    id += batch;
  }
  return static_cast<double>(id - 1'000'000) / since(begin);
}

std::pair<double, double> durable_claims(const std::string& folder, double seconds) {
  Database database{folder + "/limits.db"};
  Statements statements{database};
  std::vector<double> took;
  const auto begin = Clock::now();
  for (std::int64_t id = 1; since(begin) < seconds; ++id) {
    const auto one = Clock::now();
    database.run("BEGIN IMMEDIATE");
    database.step(statements.insert, {id, id});
    database.step(statements.payload, {id});
    database.run("COMMIT; BEGIN IMMEDIATE");
    database.step(statements.claim, {id, id});
    database.run("COMMIT");
    took.push_back(since(one) * 1e6);
  }
  std::sort(took.begin(), took.end());
  return {took[took.size() / 2], took[took.size() * 99 / 100]};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "Usage: limits FOLDER [SECONDS]\n");
    return 64;
  }
  const std::string folder = argv[1];
  const double seconds = argc > 2 ? std::strtod(argv[2], nullptr) : 2;
  const double syncs = fdatasyncs(folder, seconds);
  const double one = group_commits(folder, seconds, 1);
  const double many = group_commits(folder, seconds, 64);
  const double thousand = group_commits(folder, seconds, 1000);
  const double lives = raw_lives(folder, seconds);
  const auto [p50, p99] = durable_claims(folder, seconds);
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::filesystem::remove(folder + "/limits.db" + suffix);
  }
  std::printf("{\"fdatasync\": %.0f, \"group_commit_1\": %.0f, \"group_commit_64\": %.0f, "
              "\"group_commit_1000\": %.0f, \"raw_life\": %.0f, \"durable_claim_p50_us\": %.0f, "
              "\"durable_claim_p99_us\": %.0f}\n",
              syncs, one, many, thousand, lives, p50, p99);
  return 0;
}
