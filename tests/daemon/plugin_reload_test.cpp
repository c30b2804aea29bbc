// SPDX-License-Identifier: Apache-2.0
// cofounderctl plugin reload, list and why, against the real daemon.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <sstream>

#include "core/ctl/command.hpp"
#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
namespace {

struct Said {
  int code = -1;
  std::string out;
  std::string err;
};

// What an operator sees of `words`.
Said run_ctl(const RealDaemon& daemon, std::vector<std::string> words) {
  std::ostringstream out, err;
  std::istringstream in;
  ctl::Session session{ctl::UnixHttp{{}}, false, out, err, in, false, false};
  words.insert(words.begin(), {"--socket", daemon.socket().string()});
  const int code = ctl::run_ctl(words, session);
  return {code, out.str(), err.str()};
}

class PluginReload : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    put("next-good");
    daemon.configure(std::string{"[plugin.next]\nisolation = \""} + GetParam() + "\"\n");
    ASSERT_TRUE(daemon.start()) << daemon.log();
  }
  // As a package does it: a new file under the old name.
  void put(const std::string& fixture, const std::string& more = {}) {
    const auto from = std::filesystem::path{COFOUNDER_BINARY_DIR} / "fixtures" / (fixture + ".so");
    const auto next = daemon.folder() / "next.so";
    write_file(next, read_file(from) + more);  // bytes after the end of an ELF file do no harm
    std::filesystem::rename(next, daemon.plugins() / "next.so");
  }
  json::Document plugin() { return parse(daemon.get("/v1/plugins/next").body); }
  bool works() {
    return daemon.wait_for_state(daemon.submit(R"({"op":"next.work"})"), "succeeded");
  }
  Said reload() { return run_ctl(daemon, {"plugin", "reload", "next"}); }

  RealDaemon daemon{{"plugins/hello.so"}};
};

TEST_P(PluginReload, SaysWhichGenerationIsReady) {
  EXPECT_EQ(plugin().root().integer_or("generation", 0), 1);
  const std::string before = plugin().root().string_or("sha256", "");
  for (int generation = 2; generation <= 3; ++generation) {
    put("next-good", std::to_string(generation));
    const Said said = reload();
    EXPECT_EQ(said.code, 0) << said.err;
    EXPECT_EQ(said.out, "next: ready, generation " + std::to_string(generation) + "\n");
    EXPECT_EQ(plugin().root().integer_or("generation", 0), generation);
    EXPECT_NE(plugin().root().string_or("sha256", ""), before);
    EXPECT_TRUE(works());
  }
  EXPECT_EQ(plugin().root().integer_or("restarts", -1), 0);
  EXPECT_EQ(daemon.stop(), 0) << daemon.log();
}

TEST_P(PluginReload, ThatFailsSaysWhyAndTheOldOneStays) {
  const json::Document before = plugin();
  for (const std::string hook : {"start", "probe"}) {
    put("next-bad-" + hook);
    const Said said = reload();
    EXPECT_NE(said.code, 0);
    EXPECT_NE(said.err.find("the next generation is not fit: " + hook), std::string::npos) << said.err;
    EXPECT_EQ(said.out, "");
    const auto answer = daemon.call("POST", "/v1/plugins/next/reload");
    EXPECT_GE(answer.status, 400);
    EXPECT_EQ(error_code(answer), "not_fit") << answer.body;
    const json::Document now = plugin();
    for (const char* name : {"state", "sha256"}) {
      EXPECT_EQ(now.root().string_or(name, "-"), before.root().string_or(name, ""));
    }
    EXPECT_EQ(now.root().integer_or("generation", 0), 1);
    EXPECT_EQ(now.root().integer_or("pid", 0), before.root().integer_or("pid", 0));
    EXPECT_TRUE(works());
  }
  put("next-good", "mended");
  EXPECT_EQ(reload().code, 0);
  EXPECT_EQ(plugin().root().integer_or("generation", 0), 2);
  EXPECT_EQ(daemon.stop(), 0) << daemon.log();
}

// Code that was loaded into the daemon's own process stays there.
TEST_P(PluginReload, NinthGenerationOfCodeIsRefusedInTheDaemonsProcess) {
  const bool isolated = std::string_view{GetParam()} == "process";
  for (int generation = 2; generation <= 8; ++generation) {
    put("next-good", std::to_string(generation));
    ASSERT_EQ(reload().code, 0) << generation;
  }
  put("next-good", "9");
  const Said said = reload();
  if (isolated) {
    EXPECT_EQ(said.code, 0) << said.err;
  } else {
    EXPECT_NE(said.code, 0);
    EXPECT_NE(said.err.find("8 versions of it are in the daemon's memory"), std::string::npos) << said.err;
    EXPECT_NE(said.err.find("restart the daemon, or set isolation = \"process\""), std::string::npos)
        << said.err;
  }
  EXPECT_EQ(plugin().root().integer_or("generation", 0), isolated ? 9 : 8);
  EXPECT_TRUE(works());
  EXPECT_EQ(daemon.stop(), 0) << daemon.log();
}

// What a plugin did, used and suffered is told wherever an operator looks.
TEST(PluginCrash, IsCountedShownAndExplained) {
  RealDaemon daemon{{"plugins/metrics.so", "fixtures/log-and-hang.so"}};
  daemon.configure("[plugin.log-and-hang]\nisolation = \"process\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const auto plugin = [&] { return parse(daemon.get("/v1/plugins/log-and-hang").body); };
  const std::string task = daemon.submit(R"({"op":"log-and-hang.work","attempts_max":1})");
  ASSERT_TRUE(wait_until([&] { return daemon.log().find("line 30 of 30") != std::string::npos; }));
  const auto pid = static_cast<pid_t>(plugin().root().integer_or("pid", 0));
  ASSERT_GT(pid, 1);
  ASSERT_EQ(::syscall(SYS_tgkill, pid, pid, SIGSEGV), 0);  // the thread that is inside
  ASSERT_TRUE(daemon.wait_for_state(task, "failed")) << daemon.show(task).root().text();
  EXPECT_EQ(daemon.show(task).root().find("error").string_or("code", ""), "plugin_crashed");
  ASSERT_TRUE(wait_until([&] {
    const json::Document now = plugin();
    return now.root().string_or("state", "") == "ready" && now.root().integer_or("restarts", 0) == 1;
  })) << plugin().root().text();

  const json::Document shown = plugin();
  const json::View calls = shown.root().find("calls");
  EXPECT_GE(calls.integer_or("total", 0), 1) << shown.root().text();
  EXPECT_EQ(calls.integer_or("failed", 0), 1);
  EXPECT_GE(shown.root().find("latency_histogram").integer_or("count", 0), 1);
  EXPECT_GT(shown.root().integer_or("memory_bytes", 0), 100'000);
  EXPECT_NE(shown.root().text().find("\"cpu_seconds\":"), std::string::npos);

  const std::string list = run_ctl(daemon, {"plugin", "list"}).out;
  for (const char* column : {"CALLS", "FAILED", "P50 MS", "P99 MS", "CPU S", "MEMORY", "RESTARTS"}) {
    EXPECT_NE(list.find(column), std::string::npos) << column << " is not in\n" << list;
  }
  EXPECT_NE(list.find("log-and-hang"), std::string::npos) << list;

  std::string metrics;
  const auto has = [&](const std::string& family, const std::string& more = {}) {
    return metrics.find("\n" + family + "{plugin=\"log-and-hang\"" + more) != std::string::npos;
  };
  EXPECT_TRUE(wait_until([&] {
    metrics = run_ctl(daemon, {"metrics"}).out;
    return has("cofounderd_plugin_restarts_total", "} 1\n") &&
           has("cofounderd_plugin_calls_total", ",outcome=\"failed\"} 1\n");
  })) << metrics;
  EXPECT_TRUE(has("cofounderd_plugin_cpu_seconds_total", "} ")) << metrics;
  EXPECT_TRUE(has("cofounderd_plugin_resident_memory_bytes", "} ")) << metrics;
  EXPECT_TRUE(has("cofounderd_plugin_call_duration_seconds_bucket", ",le=\"+Inf\"} ")) << metrics;

  const std::string why = run_ctl(daemon, {"plugin", "why", "log-and-hang"}).out;
  for (const char* words : {"code    plugin_crashed\n", "signal  SIGSEGV, 11\n", "backtrace:\n",
                            "log-and-hang.so+0x", "calls in flight:\n  operation \"work\" of task ",
                            "line 30 of 30\n"}) {
    EXPECT_NE(why.find(words), std::string::npos) << words << " is not in\n" << why;
  }
  EXPECT_EQ(daemon.stop(), 0) << daemon.log();
}

INSTANTIATE_TEST_SUITE_P(Modes, PluginReload, testing::Values("in-process", "process"),
                         [](const auto& mode) {
                           return std::string{mode.param} == "process" ? "Process" : "InProcess";
                         });

}  // namespace
}  // namespace cofounder::test
