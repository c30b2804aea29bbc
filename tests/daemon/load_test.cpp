// SPDX-License-Identifier: Apache-2.0
// What many tasks leave behind: nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>

#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// Those that tasks made; the folder changes while it is read.
int scratch_files(const fs::path& scratch) {
  int count = 0;
  std::error_code error;
  fs::recursive_directory_iterator entry{scratch, error};
  while (!error && entry != fs::recursive_directory_iterator{}) {
    count += entry->path().filename() == "data";
    entry.increment(error);
  }
  return count;
}

TEST(Leftovers, AThousandTasksWithScratchFilesLeaveNone) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  daemon.configure(
      "[scheduler]\nretry_first = \"1ms\"\nretry_most = \"5ms\"\n"
      "[plugin.worker.limits]\ncalls_max = 256\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const auto work = [](const std::string& args, const std::string& rest) {
    return R"({"op":"worker.work","args":{"scratch":true,)" + args + "}," + rest +
           R"("attempts_max":2})";
  };
  daemon.submit_many(work("\"ms\":1", ""), 500);
  daemon.submit_many(work("\"ms\":1,\"end\":\"fail\"", ""), 200);
  daemon.submit_many(work("\"ms\":0,\"end\":\"never\"", "\"timeout\":\"100ms\","), 150);
  const auto cancelled = daemon.submit_many(work("\"ms\":0,\"end\":\"never\"", ""), 150);
  ASSERT_EQ(cancelled.size(), 150u);
  // Some while they run, some while they wait.
  ASSERT_TRUE(daemon.wait_for_state(cancelled[0], "running"));
  EXPECT_GT(scratch_files(daemon.scratch()), 0) << "the test looks in the wrong place";
  for (const std::string& id : cancelled) {
    EXPECT_EQ(daemon.call("POST", "/v1/tasks/" + id + "/cancel").status / 100, 2);
  }
  ASSERT_TRUE(wait_until([&] {
    return daemon.count({"succeeded", "failed", "timed_out", "cancelled"}) == 1000;
  })) << daemon.get("/v1/status").body;
  EXPECT_EQ(daemon.list("state=succeeded").size(), 500u);
  EXPECT_EQ(daemon.list("state=failed").size(), 200u);
  EXPECT_EQ(daemon.list("state=timed_out").size(), 150u);
  EXPECT_EQ(daemon.list("state=cancelled").size(), 150u);
  EXPECT_TRUE(wait_until([&] { return scratch_files(daemon.scratch()) == 0; }))
      << scratch_files(daemon.scratch()) << " files are left";
  // A plugin keeps its own folder there, empty.
  const auto things_in = [&](const char* kind) {
    int things = 0;
    for (const auto& entry : fs::directory_iterator{daemon.scratch() / kind}) {
      const bool is_plugins = std::string_view{kind} != "trash" && fs::is_empty(entry.path());
      if (!is_plugins || entry.path().filename() != "worker") ++things;
    }
    return things;
  };
  for (const char* kind : {"attempt", "task", "trash"}) {
    EXPECT_TRUE(wait_until([&] { return things_in(kind) == 0; })) << kind;
  }
}

TEST(Leftovers, ScratchOfADaemonThatWasKilledGoesToo) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  daemon.configure("[scheduler]\nretry_first = \"1ms\"\nretry_most = \"5ms\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const std::string task =
      R"({"op":"worker.work","args":{"scratch":true,"ms":300},"attempts_max":3})";
  const auto ids = daemon.submit_many(task, 20);
  ASSERT_TRUE(wait_until([&] { return scratch_files(daemon.scratch()) >= 40; }));
  daemon.kill();
  EXPECT_GE(scratch_files(daemon.scratch()), 40);
  ASSERT_TRUE(daemon.start()) << daemon.log();
  for (const std::string& id : ids) ASSERT_TRUE(daemon.wait_for_state(id, "succeeded"));
  EXPECT_TRUE(wait_until([&] { return scratch_files(daemon.scratch()) == 0; }));
}

TEST(Leftovers, FilesOfTasksThatAreOverGoAtTheNextStart) {
  RealDaemon daemon{{"fixtures/worker.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const std::string over = daemon.submit(R"({"op":"worker.work","args":{"ms":0}})");
  ASSERT_TRUE(daemon.wait_for_state(over, "succeeded"));
  const std::string waits = daemon.submit(R"({"op":"worker.work","args":{"ms":0},"delay":"1h"})");
  daemon.kill();
  for (const std::string& id : {over, waits}) {
    fs::create_directories(daemon.scratch() / "task" / "worker" / id);
    write_file(daemon.scratch() / "task" / "worker" / id / "data", "left by a daemon that died");
  }
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_TRUE(wait_until([&] { return scratch_files(daemon.scratch()) == 1; }));
  EXPECT_TRUE(fs::exists(daemon.scratch() / "task" / "worker" / waits / "data")) << "that task is not over";
}

TEST(Leftovers, DescriptorsAfterManyTasksAreThoseBefore) {
  const int tasks = std::getenv("COFOUNDER_LONG") != nullptr ? 100'000 : 20'000;
  RealDaemon daemon{{"plugins/hello.so", "fixtures/worker.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  if (daemon.descriptors() < 0) GTEST_SKIP() << "only root sees the descriptors of a daemon";
  // The first ones open what stays open.
  daemon.submit_many(R"({"op":"worker.work","args":{"ms":1,"scratch":true}})", 100);
  ASSERT_TRUE(wait_until([&] { return daemon.count({"succeeded"}) == 100; }));
  int before = daemon.descriptors();
  wait_until([&] { return (before = std::min(before, daemon.descriptors())) == 0; }, 200ms);
  const auto rss = daemon.rss_kib();
  daemon.submit_many(R"({"op":"hello.greet","args":{"name":"world"}})", tasks);
  ASSERT_TRUE(wait_until([&] { return daemon.count({"succeeded"}) == tasks + 100; }, 100s))
      << daemon.get("/v1/status").body;
  // The connection that asks is closed by the daemon a moment after its answer.
  EXPECT_TRUE(wait_until([&] { return daemon.descriptors() <= before; }, 5s))
      << before << " before, " << daemon.descriptors() << " after";
  std::cout << tasks << " tasks: " << before << " descriptors before, " << daemon.descriptors()
            << " after; VmRSS " << rss << " KiB before, " << daemon.rss_kib() << " after\n";
}

}  // namespace
}  // namespace cofounder::test
