// SPDX-License-Identifier: Apache-2.0
// `cofounderctl store`: backups while tasks run, daemons that go on from them, and files that are
// not what they should be.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include "tests/support/real_daemon.hpp"
#include "tests/support/small_disk.hpp"

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

constexpr const char* work = R"({"op":"worker.work","args":{"ms":5},"attempts_max":1000})";

struct Said {
  std::optional<int> code;
  std::string text;
};

// cofounderctl as a user runs it.
Said ctl_of(const RealDaemon& daemon, const std::vector<std::string>& words) {
  const fs::path file = daemon.folder() / "ctl.log";
  const int log = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  Child::Options options;
  options.words = {COFOUNDER_BINARY_DIR "/bin/cofounderctl", "--socket", daemon.socket().string()};
  options.words.insert(options.words.end(), words.begin(), words.end());
  options.output = log;
  Child child{options};
  const auto code = child.wait();
  ::close(log);
  return {code, read_file(file)};
}

void execute(const fs::path& database, const std::string& sql) {
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open_v2(database.c_str(), &connection, SQLITE_OPEN_READWRITE, nullptr), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(connection);
  sqlite3_close(connection);
}

// Clients that submit as fast as they get answers.
class Submitters {
 public:
  explicit Submitters(const RealDaemon& daemon) {
    for (int i = 0; i < 3; ++i) {
      threads_.emplace_back([this, &daemon] {
        while (!stopping_) {
          const std::string id = daemon.submit(work);
          const std::lock_guard lock{mutex_};
          if (!id.empty()) ids_.insert(id);
        }
      });
    }
  }
  ~Submitters() {
    stopping_ = true;
    for (std::thread& thread : threads_) thread.join();
  }
  std::set<std::string> acknowledged() {
    const std::lock_guard lock{mutex_};
    return ids_;
  }

 private:
  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;
  std::set<std::string> ids_;
  std::vector<std::thread> threads_;
};

// A new daemon on that file has all of these tasks and ends them.
void expect_restored(const fs::path& backup, const std::set<std::string>& acknowledged) {
  RealDaemon restored{{"fixtures/worker.so"}};
  fs::copy_file(backup, restored.database());
  ASSERT_TRUE(restored.start()) << restored.log();
  EXPECT_EQ(restored.get("/v1/schedules/yearly").status, 200) << "schedules are in it, too";
  ASSERT_TRUE(wait_until([&] { return restored.count({"scheduled", "ready", "running"}) == 0; }));
  std::map<std::string, std::string> states;
  for (const auto& row : restored.list()) states[row.id] = row.state;
  std::size_t missing = 0;
  for (const std::string& id : acknowledged) missing += states[id] != "succeeded";
  EXPECT_EQ(missing, 0u) << "of " << acknowledged.size();
  EXPECT_EQ(restored.stop(), 0) << restored.log();
}

TEST(Backup, UnderLoadHoldsAllThatWasAcknowledgedBefore) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  ASSERT_EQ(daemon.call("PUT", "/v1/schedules/yearly",
                        R"({"op":"worker.work","args":{"ms":0},"cron":"0 0 1 1 *"})")
                .status,
            201);
  std::vector<std::pair<fs::path, std::set<std::string>>> backups;
  {
    Submitters load{daemon};
    for (int i = 0; i < 3; ++i) {
      const std::size_t before = load.acknowledged().size();
      ASSERT_TRUE(wait_until([&] { return load.acknowledged().size() > before + 100; }));
      const auto acknowledged = load.acknowledged();
      const fs::path file = daemon.folder() / ("backup-" + std::to_string(i));
      const Said said = ctl_of(daemon, {"store", "backup", file.string()});
      ASSERT_EQ(said.code, 0) << said.text << daemon.log();
      EXPECT_THAT(said.text, HasSubstr(std::to_string(fs::file_size(file)) + " bytes"));
      EXPECT_EQ(fs::status(file).permissions(), fs::perms{0600});
      backups.emplace_back(file, acknowledged);
    }
    EXPECT_EQ(ctl_of(daemon, {"store", "check"}).code, 0) << "the daemon's own, while it works";
  }
  EXPECT_FALSE(fs::exists(daemon.database().string() + ".copy"));
  for (const auto& [file, acknowledged] : backups) {
    const Said checked = ctl_of(daemon, {"store", "check", file.string()});
    EXPECT_EQ(checked.code, 0) << checked.text;
    EXPECT_FALSE(fs::exists(file.string() + "-wal")) << "a check leaves nothing beside the file";
    expect_restored(file, acknowledged);
  }
  EXPECT_EQ(daemon.stop(), 0);
}

TEST(Backup, TouchesNoFileThatIsThereUnlessItIsTold) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const fs::path file = daemon.folder() / "precious";
  write_file(file, "precious");
  Said said = ctl_of(daemon, {"store", "backup", file.string()});
  EXPECT_EQ(said.code, 1);
  EXPECT_THAT(said.text, HasSubstr("file_exists"));
  EXPECT_THAT(said.text, HasSubstr("--replace"));
  EXPECT_EQ(read_file(file), "precious");
  said = ctl_of(daemon, {"store", "backup", "--replace", file.string(), "--json"});
  EXPECT_EQ(said.code, 0) << said.text;
  EXPECT_EQ(parse(said.text).root().integer_or("bytes", -1),
            static_cast<std::int64_t>(fs::file_size(file)));
  EXPECT_EQ(read_file(file).substr(0, 15), "SQLite format 3");

  said = ctl_of(daemon, {"store", "backup", (daemon.folder() / "nowhere/backup").string()});
  EXPECT_EQ(said.code, 1);
  EXPECT_THAT(said.text, HasSubstr("No such file or directory"));
  said = ctl_of(daemon, {"store", "backup", "--replace", (daemon.folder() / "state").string()});
  EXPECT_EQ(said.code, 1);
  EXPECT_THAT(said.text, HasSubstr("no regular file"));
}

TEST(Backup, AFullDiskIsSaidAndLeavesNoHalfOfAFile) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  const SmallDisk target{daemon.folder() / "target", "64k"};
  const SmallDisk disk{daemon.folder() / "disk", "16m"};
  if (!disk.is_mounted()) GTEST_SKIP() << "needs a mount, for which one is root: " << disk.why();
  daemon.configure("[store]\npath = \"" + (disk.path() / "store.db").string() + "\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  // Where the backup goes.
  const Said said = ctl_of(daemon, {"store", "backup", (target.path() / "backup").string()});
  EXPECT_EQ(said.code, 1);
  EXPECT_THAT(said.text, HasSubstr("disk_full"));
  EXPECT_TRUE(fs::is_empty(target.path()));
  // Where the store is: what the daemon needs for its work is not given to a backup.
  const auto ids = daemon.submit_many(work, 1000);
  write_file(disk.path() / "ballast", std::string(9U << 20U, 'x'));
  const Said refused = ctl_of(daemon, {"store", "backup", (daemon.folder() / "backup").string()});
  EXPECT_EQ(refused.code, 1);
  EXPECT_THAT(refused.text, HasSubstr("disk_full"));
  EXPECT_THAT(refused.text, HasSubstr("free bytes beside"));
  EXPECT_FALSE(fs::exists(daemon.folder() / "backup"));
  for (const std::string& id : ids) ASSERT_TRUE(daemon.wait_for_state(id, "succeeded"));
  fs::remove(disk.path() / "ballast");
  EXPECT_EQ(ctl_of(daemon, {"store", "backup", (daemon.folder() / "backup").string()}).code, 0);
}

// Goes away in the middle of a backup, after `in_the_middle`.
void read_half_a_backup(const RealDaemon& daemon, const std::function<void()>& in_the_middle) {
  ctl::Request request;
  request.target = "/v1/store/backup";
  bool is_first = true;
  const ctl::StreamSink sink{[&](std::string_view) {
                               if (std::exchange(is_first, false)) in_the_middle();
                               return false;
                             },
                             [] { return false; }};
  ASSERT_TRUE(daemon.http().stream(request, sink));
  EXPECT_FALSE(is_first);
}

TEST(Backup, OneAtATimeAndAClientThatVanishesLeavesNothingBehind) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  // More than sockets and the daemon hold for a client that does not read.
  const std::string args = R"({"op":"worker.work","args":{"ms":0},"delay":"24h","unique_key":")";
  for (int i = 0; i < 35; ++i) {
    daemon.submit_many(args.substr(0, args.find(",\"unique")) + "}", 1000);
  }
  ASSERT_GT(fs::file_size(daemon.database()) + fs::file_size(daemon.database().string() + "-wal"),
            3U << 20U);
  for (int i = 0; i < 2; ++i) {
    read_half_a_backup(daemon, [&] {
      const auto second = daemon.get("/v1/store/backup");
      EXPECT_EQ(second.status, 409) << second.body;
      EXPECT_EQ(error_code(second), "busy");
      EXPECT_FALSE(daemon.submit(work).empty()) << "others are not held up";
    });
    EXPECT_TRUE(wait_until([&] {
      return ctl_of(daemon, {"store", "backup", "--replace", (daemon.folder() / "b").string()}).code == 0;
    })) << daemon.log();
  }
  // In the middle of one it can be told to stop.
  read_half_a_backup(daemon, [&] { EXPECT_EQ(daemon.stop(), 0) << daemon.log(); });
  EXPECT_FALSE(fs::exists(daemon.database().string() + ".copy"));
}

TEST(Backup, WhatADeadDaemonLeftOfOneIsRemoved) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  write_file(daemon.database().string() + ".copy", "half of a backup");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_FALSE(fs::exists(daemon.database().string() + ".copy"));
}

// ---- files that are not what they should be -----------------------------------------------

TEST(StoreCheck, SeesRowsThatMakeNoSense) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  daemon.submit(R"({"op":"worker.work","args":{"ms":0},"delay":"24h"})");
  ASSERT_TRUE(daemon.wait_for_state(daemon.submit(work), "succeeded"));
  ASSERT_EQ(daemon.stop(), 0);
  const fs::path file = daemon.folder() / "checked.db";
  const std::vector<std::pair<std::string, std::string>> breaks = {
      {"DELETE FROM payloads WHERE id IN (SELECT id FROM tasks)", "1 tasks that are not over have no args"},
      {"UPDATE tasks SET id = (SELECT id FROM finished)", "over and not over at once"},
      {"UPDATE tasks SET state = 9", "state that is none"},
      {"UPDATE finished SET state = 9", "state that is no end"},
      {"INSERT INTO payloads VALUES (77, '{}', NULL)", "args belong to no task"},
      {"UPDATE attempts SET task = 77", "attempts belong to no task"},
      {"UPDATE finished_counts SET count = 5", "counts of finished tasks are wrong"},
      {"PRAGMA user_version = 99", "schema version 99"},
      {"PRAGMA application_id = 99", "no store of cofounderd"}};
  for (const auto& [sql, text] : breaks) {
    fs::copy_file(daemon.database(), file, fs::copy_options::overwrite_existing);
    const Said whole = ctl_of(daemon, {"store", "check", file.string()});
    EXPECT_EQ(whole.code, 0) << whole.text;
    execute(file, sql);
    const Said said = ctl_of(daemon, {"store", "check", file.string()});
    EXPECT_EQ(said.code, 1) << sql;
    EXPECT_THAT(said.text, HasSubstr(text));
  }
  const Said json = ctl_of(daemon, {"store", "check", file.string(), "--json"});
  EXPECT_EQ(json.code, 1);
  EXPECT_FALSE(parse(json.text).root().bool_or("ok", true)) << json.text;
  EXPECT_EQ(parse(json.text).root().find("problems").size(), 1u) << json.text;
  const Said missing = ctl_of(daemon, {"store", "check", (daemon.folder() / "nothing").string()});
  EXPECT_EQ(missing.code, 1);
  EXPECT_THAT(missing.text, HasSubstr("cannot be read"));
  EXPECT_FALSE(fs::exists(daemon.folder() / "nothing"));
}

// A store with some tasks whose daemon ended.
void make_store(RealDaemon& daemon) {
  ASSERT_TRUE(daemon.start()) << daemon.log();
  daemon.submit_many(R"({"op":"worker.work","args":{"ms":0},"delay":"24h"})", 3000);
  ASSERT_EQ(daemon.stop(), 0);
  ASSERT_FALSE(fs::exists(daemon.database().string() + "-wal")) << "all is in the file";
}

void expect_refused(RealDaemon& daemon, const std::string& why, const std::string& advice) {
  const std::string before = read_file(daemon.database());
  const auto ended = daemon.run();
  EXPECT_EQ(ended.code, 1);
  EXPECT_THAT(ended.output, HasSubstr(daemon.database().string()));
  EXPECT_THAT(ended.output, HasSubstr(why));
  EXPECT_THAT(ended.output, HasSubstr(advice));
  EXPECT_EQ(read_file(daemon.database()), before) << "it is left as it is";
}

TEST(DamagedStore, IsRefusedWithAdviceAndABackupInItsPlaceWorks) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  make_store(daemon);
  const std::string whole = read_file(daemon.database());
  const std::size_t page = 4096;
  ASSERT_GT(whole.size(), 50 * page);
  // Its first page, the pages behind, and its second half.
  const std::vector<std::function<void(std::string&)>> damages = {
      [](std::string& bytes) { bytes.replace(0, 16, "a disk that lied"); },
      [&](std::string& bytes) { bytes.replace(page, bytes.size() - page, bytes.size() - page, '\xa5'); },
      [&](std::string& bytes) { bytes.resize(bytes.size() / 2 / page * page); }};
  for (const auto& damage : damages) {
    std::string bytes = whole;
    damage(bytes);
    write_file(daemon.database(), bytes);
    expect_refused(daemon, "is damaged", "put a backup in its place");
    const Said said = ctl_of(daemon, {"store", "check", daemon.database().string()});
    EXPECT_EQ(said.code, 1) << said.text;
    for (const char* other : {"-wal", "-shm"}) fs::remove(daemon.database().string() + other);
  }
  // One page in the middle, which the start does not read: a check does.
  std::string bytes = whole;
  bytes.replace(bytes.size() / 2 / page * page, page, page, '\xa5');
  write_file(daemon.database(), bytes);
  EXPECT_EQ(ctl_of(daemon, {"store", "check", daemon.database().string()}).code, 1);

  write_file(daemon.database(), whole);
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_EQ(daemon.count({"scheduled"}), 3000);
}

TEST(NewerStore, IsRefusedWithAdviceAndLeftAsItIs) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  make_store(daemon);
  execute(daemon.database(), "PRAGMA user_version = 99");
  for (const char* other : {"-wal", "-shm"}) fs::remove(daemon.database().string() + other);
  expect_refused(daemon, "has schema version 99", "Install the cofounderd that wrote it");
}

}  // namespace
}  // namespace cofounder::test
