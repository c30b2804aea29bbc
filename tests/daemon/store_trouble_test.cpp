// SPDX-License-Identifier: Apache-2.0
// The disk under the database fills up, or the file goes away: clients are told, nothing that was
// acknowledged is lost, and service resumes by itself.
#include <gtest/gtest.h>

#include "tests/support/real_daemon.hpp"
#include "tests/support/small_disk.hpp"

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;

std::string greet(std::size_t bytes) {
  return R"({"op":"hello.greet","args":{"name":")" + std::string(bytes, 'n') + "\"}}";
}

void expect_summary_unknown(const RealDaemon& daemon) {
  const auto answer = daemon.get("/v1/metrics/summary");
  EXPECT_EQ(answer.status, 200) << answer.body;
  const json::Document summary = parse(answer.body);
  for (const char* figure : {"total_tasks", "completed_tasks", "failed_tasks", "pending_tasks"}) {
    const json::View value = summary.root().find(figure);
    EXPECT_TRUE(value && value.is_null()) << figure << ": " << answer.body;
  }
  bool is_named = false;
  const json::View unavailable = summary.root().find("unavailable");
  for (std::size_t i = 0; i < unavailable.size(); ++i) {
    const json::View entry = unavailable.at(i);
    if (entry.string_or("figure", "") != "total_tasks") continue;
    is_named = true;
    EXPECT_EQ(entry.string_or("code", ""), "store_unavailable") << answer.body;
    EXPECT_FALSE(entry.string_or("reason", "").empty());
  }
  EXPECT_TRUE(is_named) << answer.body;
}

// Submits until the store refuses; the answer that said so.
ctl::Answer submit_until_refused(const RealDaemon& daemon, std::vector<std::string>& ids) {
  ctl::Answer answer;
  wait_until([&] {
    answer = daemon.call("POST", "/v1/tasks", greet(30'000));
    if (answer.is_success()) ids.push_back(parse(answer.body).root().string_or("id", "?"));
    return !answer.is_success();
  });
  return answer;
}

void expect_recovery(const RealDaemon& daemon, const std::vector<std::string>& ids) {
  std::string later;
  ASSERT_TRUE(wait_until([&] { return !(later = daemon.submit(greet(10))).empty(); }))
      << daemon.log();
  ASSERT_TRUE(daemon.wait_for_state(later, "succeeded")) << daemon.log();
  for (const std::string& id : ids) {
    ASSERT_TRUE(daemon.wait_for_state(id, "succeeded"))
        << daemon.get("/v1/tasks/" + id).body << daemon.log();
  }
  EXPECT_EQ(daemon.get("/v1/health").status, 200);
  const json::Document summary = parse(daemon.get("/v1/metrics/summary").body);
  EXPECT_GE(summary.root().integer_or("completed_tasks", -1),
            static_cast<std::int64_t>(ids.size()) + 1);
}

TEST(StoreTrouble, AFullDiskIsSaidAndServiceResumesByItself) {
  RealDaemon daemon{{"plugins/hello.so", "plugins/metrics.so"}};
  const SmallDisk disk{daemon.folder() / "disk"};
  if (!disk.is_mounted()) GTEST_SKIP() << "needs a mount, for which one is root: " << disk.why();
  daemon.configure("[store]\npath = \"" + (disk.path() / "store.db").string() + "\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  std::vector<std::string> ids = daemon.submit_many(greet(100), 20);

  for (int round = 0; round < 2; ++round) {
    disk.fill();
    const auto refused = submit_until_refused(daemon, ids);
    EXPECT_EQ(refused.status, 503) << refused.body;
    EXPECT_EQ(error_code(refused), "store_unavailable") << refused.body;
    EXPECT_TRUE(parse(refused.body).root().find("error").bool_or("retryable", false));
    EXPECT_FALSE(refused.header("retry-after").empty());
    EXPECT_EQ(daemon.get("/v1/health").status, 503);
    EXPECT_EQ(daemon.get("/v1/status").status, 200);
    expect_summary_unknown(daemon);

    disk.free_space();
    ASSERT_NO_FATAL_FAILURE(expect_recovery(daemon, ids));
  }
  EXPECT_EQ(daemon.stop(), 0);
}

TEST(StoreTrouble, KilledOnAFullDiskItHasAllThatItAcknowledged) {
  RealDaemon daemon{{"plugins/hello.so", "plugins/metrics.so"}};
  const SmallDisk disk{daemon.folder() / "disk"};
  if (!disk.is_mounted()) GTEST_SKIP() << "needs a mount, for which one is root: " << disk.why();
  daemon.configure("[store]\npath = \"" + (disk.path() / "store.db").string() + "\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  std::vector<std::string> ids = daemon.submit_many(greet(100), 20);
  disk.fill();
  EXPECT_EQ(submit_until_refused(daemon, ids).status, 503);
  daemon.kill();
  disk.free_space();
  ASSERT_TRUE(daemon.start()) << daemon.log();
  expect_recovery(daemon, ids);
}

TEST(StoreTrouble, AFileThatIsMovedAwayIsNoticedAndUsedAgainWhenItIsBack) {
  RealDaemon daemon{{"plugins/hello.so", "plugins/metrics.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  std::vector<std::string> ids = daemon.submit_many(greet(100), 20);
  const fs::path away = daemon.folder() / "away";
  fs::rename(daemon.folder() / "state", away);
  const auto refused = submit_until_refused(daemon, ids);
  EXPECT_EQ(refused.status, 503) << refused.body;
  EXPECT_EQ(error_code(refused), "store_unavailable") << refused.body;
  expect_summary_unknown(daemon);
  fs::rename(away, daemon.folder() / "state");
  expect_recovery(daemon, ids);
  EXPECT_EQ(daemon.stop(), 0);
}

TEST(StoreTrouble, AFileThatIsNoDatabaseStopsTheStartAndIsLeftAsItIs) {
  RealDaemon daemon{{"plugins/hello.so"}};
  const std::string text(4096, 'z');
  write_file(daemon.database(), text);
  const auto ended = daemon.run();
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.output.find(daemon.database().string()), std::string::npos) << ended.output;
  EXPECT_EQ(read_file(daemon.database()), text);
}

TEST(StoreTrouble, ASecondDaemonOnTheSameFoldersIsRefused) {
  RealDaemon daemon{{"plugins/hello.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  RealDaemon other{{"plugins/hello.so"}};
  other.configure("[paths]\nstate = \"" + (daemon.folder() / "state").string() + "\"\n");
  auto ended = other.run();
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.output.find("in use by process"), std::string::npos) << ended.output;
  other.configure("[paths]\nscratch = \"" + daemon.scratch().string() + "\"\n");
  ended = other.run();
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.output.find(daemon.scratch().string()), std::string::npos) << ended.output;
  other.configure("[control]\nsocket = \"" + daemon.socket().string() + "\"\n");
  ended = other.run();
  EXPECT_EQ(ended.code, 1);
  EXPECT_NE(ended.output.find(daemon.socket().string()), std::string::npos) << ended.output;
  EXPECT_EQ(daemon.get("/v1/health").status, 200) << "the first one is not disturbed";
}

}  // namespace
}  // namespace cofounder::test
