// SPDX-License-Identifier: Apache-2.0
// kill -9 at random moments under load: what was acknowledged is there and gets done, and no two
// attempts of one task run at once.  An isolated plugin cannot write the journal that shows it; there it
// follows from the daemon's end being that of its children.
#include <gtest/gtest.h>
#include <poll.h>
#include <sqlite3.h>
#include <time.h>

#include <algorithm>
#include <atomic>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
namespace {

using namespace std::chrono_literals;

std::int64_t boot_time() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

// ---- the judge ----------------------------------------------------------------------------

struct Attempt {
  int number = 0;
  std::int64_t started = 0, ended = 0;  // ended 0: by a kill
};

std::map<std::string, std::vector<Attempt>> read_journal(const std::string& text) {
  std::map<std::string, std::vector<Attempt>> tasks;
  std::istringstream in{text};
  char kind = 0;
  std::string task;
  int number = 0;
  std::int64_t at = 0;
  while (in >> kind >> task >> number >> at) {
    auto& attempts = tasks[task];
    if (kind == 's') {
      attempts.push_back({number, at, 0});
      continue;
    }
    const auto found = std::find_if(attempts.begin(), attempts.end(),
                                    [&](const Attempt& a) { return a.number == number; });
    if (found != attempts.end()) found->ended = at;
  }
  return tasks;
}

// What is wrong with the attempts of one task; empty: nothing.  An attempt without an end was valid
// until the daemon that ran it was gone: the first of `kills` after its start.
std::string judge(std::vector<Attempt> attempts, const std::vector<std::int64_t>& kills) {
  std::sort(attempts.begin(), attempts.end(),
            [](const Attempt& a, const Attempt& b) { return a.started < b.started; });
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    Attempt& attempt = attempts[i];
    if (attempt.ended == 0) {
      const auto kill = std::upper_bound(kills.begin(), kills.end(), attempt.started);
      if (kill == kills.end()) return "an attempt never ended";
      attempt.ended = *kill;
    }
    if (i == 0) continue;
    if (attempt.number <= attempts[i - 1].number) return "an attempt's number came twice";
    if (attempt.started < attempts[i - 1].ended) return "two attempts at once";
  }
  return {};
}

TEST(Judge, SeesTwoAttemptsAtOnce) {
  const auto of = [](const std::string& journal, const std::vector<std::int64_t>& kills) {
    return judge(read_journal(journal)["t"], kills);
  };
  EXPECT_EQ(of("s t 1 10\ne t 1 20\n", {}), "");
  EXPECT_EQ(of("s t 1 10\ns t 2 30\ne t 2 40\n", {25}), "");
  EXPECT_EQ(of("s t 1 10\ns t 2 30\ne t 2 40\n", {35}), "two attempts at once");
  EXPECT_EQ(of("s t 1 10\ns t 2 15\ne t 1 20\ne t 2 30\n", {}), "two attempts at once");
  EXPECT_EQ(of("s t 1 10\ns t 1 30\ne t 1 40\n", {25, 35}), "an attempt's number came twice");
  EXPECT_EQ(of("s t 1 10\n", {5}), "an attempt never ended");
}

// ---- the load -----------------------------------------------------------------------------

// Clients that submit as fast as they get answers, and remember what was acknowledged.
class Load {
 public:
  Load(const RealDaemon& daemon, int clients) : daemon_{daemon} {
    for (int i = 0; i < clients; ++i) threads_.emplace_back([this, i] { submit(i); });
  }
  ~Load() { stop(); }

  void stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  int acknowledged() const { return count_; }
  std::set<std::string> ids() {
    const std::lock_guard lock{mutex_};
    return ids_;
  }

 private:
  void submit(int client) {
    static const char* const one = R"({"op":"worker.work","args":{"ms":0},"attempts_max":1000})";
    static const char* const slow = R"({"op":"worker.work","args":{"ms":15},"attempts_max":1000})";
    const std::string three = std::string{"["} + one + "," + slow + "," + one + "]";
    for (int round = client; !stopping_; ++round) {
      const bool is_array = round % 2 == 0;
      const auto answer = daemon_.call("POST", "/v1/tasks", is_array ? three : slow);
      if (!answer.is_success()) {
        ::poll(nullptr, 0, 1);  // it starts
        continue;
      }
      const json::Document tasks = parse(answer.body);
      const std::lock_guard lock{mutex_};
      if (is_array) {
        for (std::size_t i = 0; i < 3; ++i) ids_.insert(tasks.root().at(i).string_or("id", "?"));
      } else {
        ids_.insert(tasks.root().string_or("id", "?"));
      }
      ++count_;
    }
  }

  const RealDaemon& daemon_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> count_ = 0;
  std::mutex mutex_;
  std::set<std::string> ids_;
  std::vector<std::thread> threads_;
};

std::string integrity(const std::filesystem::path& database) {
  sqlite3* connection = nullptr;
  std::string answer = "cannot be opened";
  if (sqlite3_open_v2(database.c_str(), &connection, SQLITE_OPEN_READWRITE, nullptr) == SQLITE_OK) {
    const auto take = [](void* out, int, char** values, char**) {
      *static_cast<std::string*>(out) = values[0];
      return 0;
    };
    sqlite3_exec(connection, "PRAGMA integrity_check", take, &answer, nullptr);
  }
  sqlite3_close(connection);
  return answer;
}

// The process of the worker; 0 when it has none, or nobody answers.
pid_t worker_of(const RealDaemon& daemon) {
  const auto plugin = parse(daemon.get("/v1/plugins/worker").body);
  return static_cast<pid_t>(plugin.root().integer_or("pid", 0));
}

// Dead, though perhaps nobody has taken note of it yet.
bool is_dead(pid_t pid) {
  const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat.rfind(')');
  return name_end == std::string::npos || stat.substr(name_end, 3) == ") Z";
}

void check_work(const RealDaemon& daemon, const std::set<std::string>& acknowledged,
                const std::vector<std::int64_t>& kills) {
  const auto journal = read_journal(read_file(daemon.folder() / "journal"));
  std::map<std::string, RealDaemon::Row> rows;
  for (const auto& row : daemon.list()) rows[row.id] = row;
  for (const std::string& id : acknowledged) {
    ASSERT_TRUE(rows.contains(id)) << id << " was acknowledged and is lost";
  }
  for (const auto& [id, row] : rows) ASSERT_EQ(row.state, "succeeded") << id;
  if (RealDaemon::isolates()) return;
  std::size_t repeated = 0;
  for (const auto& [id, row] : rows) {
    ASSERT_TRUE(journal.contains(id)) << id << " succeeded and was never run";
    const auto& attempts = journal.at(id);
    repeated += attempts.size() > 1;
    ASSERT_EQ(judge(attempts, kills), "") << id;
    const auto valid = std::find_if(attempts.begin(), attempts.end(), [&](const Attempt& attempt) {
      return attempt.number == row.attempt;
    });
    ASSERT_TRUE(valid != attempts.end() && valid->ended != 0)
        << id << " succeeded by an attempt that did not end";
  }
  for (const auto& [id, attempts] : journal) {
    ASSERT_TRUE(rows.contains(id)) << id << " was run and is not in the store";
  }
  std::cout << kills.size() << " kills, " << acknowledged.size() << " tasks acknowledged, "
            << repeated << " run more than once\n";
}

TEST(Kill, NothingAcknowledgedIsLostAndNoTwoAttemptsRunAtOnce) {
  const int cycles = std::getenv("COFOUNDER_LONG") != nullptr ? 200 : 20;
  RealDaemon daemon{{"fixtures/worker.so"}};
  daemon.configure("[scheduler]\nretry_first = \"1ms\"\nretry_most = \"20ms\"\n");
  daemon.set_environment("WORKER_JOURNAL", daemon.folder() / "journal");
  const auto seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random{seed};
  std::vector<std::int64_t> kills;
  std::set<std::string> acknowledged;
  int isolated = 0;  // kills with a process of the worker to look at
  for (int cycle = 0; cycle < cycles; ++cycle) {
    daemon.spawn();
    Load load{daemon, 4};
    // Most die after some work was taken, some while they start; each at a random moment of that.
    const int answers = cycle % 8 == 7 ? 0 : 1 + static_cast<int>(random() % 60);
    ASSERT_TRUE(
        wait_until([&] { return load.acknowledged() >= answers || !daemon.child().runs(); }));
    const auto moment =
        std::chrono::steady_clock::now() + std::chrono::microseconds{random() % 20'000};
    while (std::chrono::steady_clock::now() < moment) std::this_thread::yield();
    ASSERT_TRUE(daemon.child().runs()) << daemon.log();
    const pid_t worker = worker_of(daemon);
    isolated += worker > 0;
    daemon.kill();
    kills.push_back(boot_time());
    EXPECT_TRUE(worker <= 0 || wait_until([&] { return is_dead(worker); }, 5s))
        << "process " << worker << " works for a daemon that is gone";
    load.stop();
    acknowledged.merge(load.ids());
  }
  ASSERT_TRUE(daemon.start()) << daemon.log();
  ASSERT_TRUE(
      wait_until([&] { return daemon.count({"scheduled", "ready", "running"}) == 0; }, 60s));
  check_work(daemon, acknowledged, kills);
  EXPECT_EQ(isolated > cycles / 2, RealDaemon::isolates()) << isolated;
  EXPECT_EQ(daemon.stop(), 0) << daemon.log();
  EXPECT_EQ(integrity(daemon.database()), "ok");
}

}  // namespace
}  // namespace cofounder::test
