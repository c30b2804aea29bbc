// SPDX-License-Identifier: Apache-2.0
// Plugins that misbehave, one by one: the daemon stays up and answers, the neighbour's tasks all
// succeed, and the operator is told the reason.  The tables below are what is promised for each.
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <sstream>

#include "core/process/sandbox_build.hpp"
#include "tests/support/neighbour.hpp"

namespace cofounder::test {
namespace {

using namespace std::chrono_literals;

// Whether plugins can have a process of their own.
constexpr bool has_processes = true;

enum class Mode { in_process, process };
enum class Trouble { when_started, in_task, when_stopped, when_reloaded };

struct Expected {
  const char* state = nullptr;       // of the plugin; null: this ends or changes the daemon itself
  const char* words = "";            // that the operator sees
  const char* task_state = nullptr;  // in_task only
  const char* task_code = "";
};
constexpr Expected ends_the_daemon{};

struct Row {
  const char* id;
  Trouble trouble;
  Expected in_process;
  Expected process;
};
using Rows = std::vector<Row>;

constexpr Trouble when_started = Trouble::when_started;
constexpr Trouble in_task = Trouble::in_task;
constexpr Trouble when_stopped = Trouble::when_stopped;
constexpr Trouble when_reloaded = Trouble::when_reloaded;  // the old generation stays

// What throws or hangs ends its process, if it has one of its own; that is started again.
Row ends_its_own(const char* id, Trouble trouble, Expected in_process,
                 const char* words = nullptr) {
  Expected process = in_process;
  if (words != nullptr) process.words = words;
  process.state = trouble == in_task || trouble == when_reloaded ? "ready" : "failed";
  const bool fails = process.task_state != nullptr && process.task_state == std::string{"failed"};
  if (fails) process.task_code = "plugin_crashed";
  return {id, trouble, in_process, process};
}

// What is the same in both modes.
Row both(const char* id, Trouble trouble, Expected expected) {
  return {id, trouble, expected, expected};
}

// What only the sandbox stops, or its limits: builds with a sanitizer have neither.
Row needs_sandbox(Row row) {
  if (!has_sandbox) row.process = ends_the_daemon;
  return row;
}

// clang-format off
Rows throwing() {
  return {
    ends_its_own("throw-in-create", when_started, {"failed", "threw an exception out of its create"}, "killed by signal 6"),
    ends_its_own("throw-in-check", when_started, {"failed", "threw an exception out of its configure (check)"}, "killed by signal 6"),
    ends_its_own("throw-in-apply", when_started, {"failed", "threw an exception out of its configure (apply)"}, "killed by signal 6"),
    ends_its_own("throw-in-start", when_started, {"failed", "its start: thrown by the fixture"}, "killed by signal 6"),
    ends_its_own("throw-in-invoke", in_task, {"ready", "out of its invoke", "failed", "plugin_threw"}, "killed by signal 6"),
    ends_its_own("throw-in-reply", in_task, {"ready", "out of its reply", "failed", "plugin_threw"}, "killed by signal 6"),
    ends_its_own("throw-in-cancel", in_task, {"ready", "out of its cancel", "timed_out", "timed_out"}, "killed by signal 6"),
    ends_its_own("throw-in-probe", when_reloaded, {"ready", "threw an exception out of its probe"}, "killed by signal 6"),
    ends_its_own("throw-in-drain", when_stopped, {"stopped", "threw an exception out of its drain"}, "killed by signal 6"),
    ends_its_own("throw-in-stop", when_stopped, {"stopped", "threw an exception out of its stop"}, "killed by signal 6"),
    ends_its_own("throw-in-destroy", when_stopped, {"quarantined", "threw an exception out of its destroy"}, "killed by signal 6"),
  };
}

Rows hanging() {
  return {
    ends_its_own("hanging-create", when_started, {"quarantined", "did not return from its create"}),
    ends_its_own("hang-in-check", when_started, {"quarantined", "from its configure (check)"}),
    ends_its_own("hang-in-apply", when_started, {"quarantined", "from its configure (apply)"}),
    ends_its_own("hang-in-start", when_started, {"quarantined", "did not return from its start"}),
    ends_its_own("pending-start", when_started, {"quarantined", "did not end its start"}),
    ends_its_own("hang-in-invoke", in_task, {"quarantined", "did not return from its operation", "timed_out", "timed_out"}),
    ends_its_own("hang-in-reply", in_task, {"quarantined", "did not return from its operation", "timed_out", "timed_out"}),
    ends_its_own("hang-in-cancel", in_task, {"quarantined", "did not return from its operation", "timed_out", "timed_out"}),
    ends_its_own("ignore-cancel", in_task, {"quarantined", "did not end its operation", "timed_out", "timed_out"}),
    ends_its_own("block-signals", in_task, {"quarantined", "did not return from its operation", "timed_out", "timed_out"}),
    ends_its_own("hang-in-probe", when_reloaded, {"ready", "did not return from its probe"}),
    ends_its_own("hang-in-drain", when_stopped, {"quarantined", "did not return from its drain"}),
    ends_its_own("hang-in-stop", when_stopped, {"quarantined", "did not return from its stop"}),
    ends_its_own("pending-stop", when_stopped, {"quarantined", "did not end its stop"}),
    ends_its_own("hang-in-destroy", when_stopped, {"quarantined", "did not return from its destroy"}),
  };
}

Rows spinning() {
  return {
    ends_its_own("spin", in_task, {"quarantined", "did not return from its operation", "timed_out", "timed_out"}),
  };
}

Rows answering_rubbish() {
  return {
    both("bad-json", in_task, {"ready", "the result is no JSON", "failed", "result_invalid"}),
    both("bad-utf8", in_task, {"ready", "the result is no JSON", "failed", "result_invalid"}),
    both("deep-json", in_task, {"ready", "the result is no JSON", "failed", "result_invalid"}),
    both("huge-result", in_task, {"ready", "result_bytes_max", "failed", "result_too_big"}),
    both("huge-completion", in_task, {"ready", "result_bytes_max", "failed", "result_too_big"}),
    both("unknown-status", in_task, {"ready", "unknown status 77", "failed", "internal"}),
    both("own-status", in_task, {"ready", "status_1234", "failed", "status_1234"}),
    both("null-result", in_task, {"ready", "failed: invalid", "failed", "invalid"}),
    both("null-completion", in_task, {"ready", "failed: invalid", "failed", "invalid"}),
    both("bad-error-text", in_task, {"ready", "failed: failed", "failed", "failed"}),
    both("outcome-size-zero", in_task, {"ready", "failed: invalid", "failed", "invalid"}),
    both("outcome-size-huge", in_task, {"ready", "failed: invalid", "failed", "invalid"}),
    both("double-completion", in_task, {"ready", "\"first\"", "succeeded"}),
    both("foreign-completion", in_task, {"ready", "\"fine\"", "succeeded"}),
    both("foreign-thread", in_task, {"ready", "from outside", "succeeded"}),
    both("table-huge", in_task, {"ready", "\"fine\"", "succeeded"}),
  };
}

Rows that_are_no_plugins() {
  return {
    both("table-too-small", when_started, {"failed", "its table is too small"}),
    both("table-size-zero", when_started, {"failed", "its table is too small"}),
    both("table-null-hooks", when_started, {"failed", "no create or destroy"}),
    both("table-other-abi", when_started, {"failed", "its table is for ABI 2"}),
    both("null-table", when_started, {"failed", "returned NULL"}),
    both("no-invoke", when_started, {"failed", "but no invoke"}),
    both("huge-manifest", when_started, {"failed", "larger than 262144 bytes"}),
    both("hostile-manifest", when_started, {"failed", "manifest"}),
    both("newer-abi", when_started, {"failed", "needs ABI 1.9"}),
    both("missing-interface", when_started, {"failed", "cof.moon/2"}),
  };
}

Rows flooding() {
  return {
    both("flood-log", in_task, {"ready", "dropped", "succeeded"}),
    both("flood-events", in_task, {"ready", "\"fine\"", "succeeded"}),
    both("flood-progress", in_task, {"ready", "", "succeeded"}),
    both("flood-tasks", in_task, {"ready", "limit", "failed", "limit_reached"}),
    both("leak-timers", in_task, {"ready", "limit", "failed", "limit_reached"}),
  };
}

Rows at_the_system() {
  return {
    needs_sandbox({"socket-in-constructor", when_started, {"ready"}, {"failed", "killed by signal 6"}}),
    needs_sandbox({"file-in-constructor", when_started, {"ready"}, {"failed", "killed by signal 6"}}),
    needs_sandbox({"read-in-constructor", when_started, {"ready"}, {"failed", "killed by signal 6"}}),
    needs_sandbox({"fork-in-constructor", when_started, {"ready"}, {"failed", "killed by signal 6"}}),
    both("thread-in-constructor", when_started, {"ready"}),
    needs_sandbox({"connect-control", in_task, {"ready", "", "succeeded"}, {"ready", "denied", "failed", "denied"}}),
  };
}

// What only a process of its own survives.
Row crashes(const char* id, Trouble trouble, Expected expected) {
  return {id, trouble, ends_the_daemon, expected};
}

Rows crashing() {
  return {
    crashes("segv-in-constructor", when_started, {"failed", "killed by signal 11"}),
    crashes("segv-in-create", when_started, {"failed", "killed by signal 11"}),
    crashes("segv-in-check", when_started, {"failed", "killed by signal 11"}),
    crashes("segv-in-apply", when_started, {"failed", "killed by signal 11"}),
    crashes("segv-in-start", when_started, {"failed", "killed by signal 11"}),
    crashes("segv-in-invoke", in_task, {"ready", "killed by signal 11", "failed", "plugin_crashed"}),
    crashes("segv-in-reply", in_task, {"ready", "killed by signal 11", "failed", "plugin_crashed"}),
    crashes("segv-in-cancel", in_task, {"ready", "killed by signal 11", "timed_out", "timed_out"}),
    crashes("segv-in-probe", when_reloaded, {"ready", "killed by signal 11"}),
    crashes("segv-in-drain", when_stopped, {"failed", "killed by signal 11"}),
    crashes("segv-in-stop", when_stopped, {"failed", "killed by signal 11"}),
    crashes("segv-in-destroy", when_stopped, {"failed", "killed by signal 11"}),
    crashes("throw-in-constructor", when_started, {"failed", "killed by signal 6"}),
    crashes("exit-in-constructor", when_started, {"failed", "its process with status 0"}),
    crashes("quick-exit-in-start", when_started, {"failed", "its process with status 3"}),
    crashes("exit-in-invoke", in_task, {"ready", "its process with status 0", "failed", "plugin_crashed"}),
    crashes("abort-in-invoke", in_task, {"ready", "killed by signal 6", "failed", "plugin_crashed"}),
    crashes("kill-itself", in_task, {"ready", "killed by signal 9", "failed", "plugin_crashed"}),
    crashes("thread-exit", in_task, {"ready", "ended the thread that it was entered on", "failed", "plugin_crashed"}),
    crashes("stack-overflow", in_task, {"ready", "killed by signal 11", "failed", "plugin_crashed"}),
    needs_sandbox(crashes("eat-memory", in_task, {"ready", "limits.memory_bytes_max", "failed", "memory_limit"})),
    needs_sandbox(crashes("huge-object", in_task, {"ready", "limits.memory_bytes_max", "failed", "memory_limit"})),
  };
}

Rows attacking() {
  return {
    needs_sandbox(crashes("exec-program", in_task, {"ready", "", "failed", "unavailable"})),
    needs_sandbox(crashes("fork-bomb", in_task, {"ready", "denied", "failed", "denied"})),
    crashes("leak-descriptors", in_task, {"ready", "", "succeeded"}),
    // It ends by itself, or the daemon, whose end of the socket is closed, is faster.
    crashes("close-all-descriptors", in_task, {"ready", "plugin_crashed", "failed", "plugin_crashed"}),
    crashes("hostile-frames", in_task, {"ready", "so it was ended", "failed", "plugin_broke_protocol"}),
    crashes("read-frames", in_task, {"ready", "", "succeeded"}),
    needs_sandbox(crashes("kill-parent", in_task, {"ready", "denied", "failed", "denied"})),
    needs_sandbox(crashes("trace-parent", in_task, {"ready", "denied", "failed", "denied"})),
    needs_sandbox(crashes("raise-limits", in_task, {"ready", "denied", "failed", "denied"})),
    crashes("ignore-sigterm", in_task, {"ready", "did not return", "timed_out", "timed_out"}),
    crashes("spin-in-threads", in_task, {"ready", "", "succeeded"}),
  };
}

// The last one: the lock of the loader is never free again.
Rows blocking_the_loader() {
  return {
    ends_its_own("hanging-constructor", when_started, {"quarantined", "did not return from its load"}, "did not end its load"),
  };
}

// clang-format on

std::string table_of(const Row& row, Mode mode) {
  const std::string id = row.id;
  const std::string ms = std::to_string(300 * slowness) + "ms\"\n";
  std::string toml = "[plugin." + id + "]\non_start_error = \"ignore\"\nisolation = " +
                     (mode == Mode::process ? "\"process\"" : "\"in-process\"") +
                     (row.trouble == when_started ? "\nenabled = false" : "") + "\n[plugin." + id +
                     ".deadlines]\n";
  for (const char* name : {"create", "configure", "start", "drain", "stop", "probe", "grace"}) {
    toml += name + std::string{" = \""} + ms;
  }
  // However slow the build is, it asks for more.
  if (id == "flood-tasks") toml += "[plugin.flood-tasks.limits]\ntasks_per_second_max = 100\n";
  if (id == "eat-memory" || id == "huge-object") {
    toml += "[plugin." + id + ".limits]\nmemory_bytes_max = 268435456\n";
  }
  return toml;
}

// One daemon with hello and these.
class Trial {
 public:
  Trial(const Rows& rows, Mode mode) : mode_{mode} {
    const char* const only = std::getenv("COFOUNDER_FIXTURE");  // to look at one by itself
    for (const Row& row : rows) {
      if (only != nullptr && std::string_view{only} != row.id) continue;
      if (expected(row).state != nullptr) rows_.push_back(row);
    }
    std::string toml = "stop_timeout = \"5s\"\n";
    for (const Row& row : rows_) {
      daemon_.add_plugin(std::string{"fixtures/"} + row.id + ".so");
      toml += table_of(row, mode);
    }
    daemon_.configure(toml);
  }

  void run() {
    ASSERT_TRUE(daemon_.start()) << daemon_.log();
    Neighbour neighbour{daemon_};
    start_tasks();
    for (const Row& row : rows_) {
      if (row.trouble == when_started) act(row, "start");
    }
    for (const Row& row : rows_) {
      if (row.trouble == when_stopped) act(row, "stop");
      if (row.trouble == when_reloaded) act(row, "reload");
    }
    for (const Row& row : rows_) {
      SCOPED_TRACE(row.id);
      if (row.trouble == in_task) look_at_task(row);
      look_at_plugin(row);
    }
    ASSERT_TRUE(daemon_.child().runs()) << daemon_.log();
    look_at(neighbour.finish());
    EXPECT_EQ(daemon_.stop(), 0) << daemon_.log();
  }

 private:
  const Expected& expected(const Row& row) const {
    return mode_ == Mode::process ? row.process : row.in_process;
  }

  void act(const Row& row, const char* verb) {
    shown_[row.id] += daemon_.call("POST", "/v1/plugins/" + std::string{row.id} + "/" + verb).body;
  }

  void start_tasks() {
    for (const Row& row : rows_) {
      if (row.trouble != in_task) continue;
      const bool ends = std::string_view{expected(row).task_state} != "timed_out";
      const std::string task = R"({"op":")" + std::string{row.id} +
                               R"(.work","attempts_max":1,"args":{"socket":")" +
                               daemon_.socket().string() + R"("},"timeout":")" +
                               std::to_string((ends ? 30'000 : 500) * slowness) + "ms\"}";
      const auto answer = daemon_.call("POST", "/v1/tasks", task);
      tasks_[row.id] = parse(answer.body).root().string_or("id", "");
      EXPECT_NE(tasks_[row.id], "") << row.id << ": " << answer.body;
    }
  }

  void look_at_task(const Row& row) {
    const std::string id = tasks_[row.id];
    EXPECT_TRUE(daemon_.wait_for_state(id, expected(row).task_state, 30s * slowness));
    const std::string task = daemon_.get("/v1/tasks/" + id).body;
    shown_[row.id] += task;
    EXPECT_EQ(parse(task).root().find("error").string_or("code", ""), expected(row).task_code) << task;
  }

  void look_at_plugin(const Row& row) {
    std::string plugin;
    EXPECT_TRUE(wait_until(
        [&] {
          plugin = daemon_.get(std::string{"/v1/plugins/"} + row.id).body;
          return parse(plugin).root().string_or("state", "") == expected(row).state;
        },
        10s * slowness))
        << plugin;
    // Shown by the API, or in the log beside the plugin's name.
    std::string seen = unquoted(shown_[row.id] + plugin);
    const bool is_shown = seen.find(expected(row).words) != std::string::npos ||
                          in_log(row.id, expected(row).words);
    EXPECT_TRUE(is_shown) << "\"" << expected(row).words << "\" is not in\n" << seen;
    const std::string state = expected(row).state;
    if (state != "failed" && state != "quarantined") return;
    const auto why = daemon_.get(std::string{"/v1/plugins/"} + row.id + "/why");
    EXPECT_NE(unquoted(why.body).find(expected(row).words), std::string::npos) << why.body;
  }

  bool in_log(const std::string& id, const std::string& words) const {
    std::istringstream lines{daemon_.log()};
    for (std::string line; std::getline(lines, line);) {
      if (line.find(id) != std::string::npos && line.find(words) != std::string::npos) return true;
    }
    return false;
  }

  static std::string unquoted(std::string json) {
    for (std::size_t at = 0; (at = json.find("\\\"", at)) != std::string::npos;) json.erase(at, 1);
    return json;
  }

  static void look_at(const Neighbour::Report& report) {
    EXPECT_GE(report.answers, Neighbour::answers_min);
    EXPECT_EQ(report.unanswered, 0) << report.unanswered_why;
    EXPECT_LT(report.slowest_ms, 50.0 * slowness) << "raw " << report.slowest_raw_ms;
    EXPECT_GT(report.submitted, 0);
    EXPECT_EQ(report.refused, 0);
    EXPECT_EQ(report.succeeded, report.submitted);
    EXPECT_EQ(report.tried_again, 0);
    std::cout << "  " << report.answers << " answers, slowest " << report.slowest_ms << " ms (raw "
              << report.slowest_raw_ms << "), " << report.succeeded << " tasks of the neighbour\n";
  }

  Mode mode_;
  Rows rows_;
  RealDaemon daemon_{{"plugins/hello.so"}};
  std::map<std::string, std::string> tasks_;
  std::map<std::string, std::string> shown_;  // of what was done about it
};

class Misbehaviour : public testing::TestWithParam<Mode> {
 protected:
  void SetUp() override {
    if (GetParam() == Mode::process && !has_processes) {
      GTEST_SKIP() << "this build has no plugins in a process of their own";
    }
  }
  static void run(const Rows& rows) { Trial{rows, GetParam()}.run(); }
};

// Nothing of it can be survived in the daemon's own process.
class IsolatedMisbehaviour : public Misbehaviour {};

TEST_P(Misbehaviour, Throws) { run(throwing()); }
TEST_P(Misbehaviour, Hangs) { run(hanging()); }
TEST_P(Misbehaviour, Spins) { run(spinning()); }
TEST_P(Misbehaviour, AnswersRubbish) { run(answering_rubbish()); }
TEST_P(Misbehaviour, IsNoPlugin) { run(that_are_no_plugins()); }
TEST_P(Misbehaviour, Floods) { run(flooding()); }
TEST_P(Misbehaviour, UsesTheSystem) { run(at_the_system()); }
TEST_P(IsolatedMisbehaviour, Crashes) { run(crashing()); }
TEST_P(IsolatedMisbehaviour, Attacks) { run(attacking()); }
TEST_P(Misbehaviour, BlocksTheLoader) { run(blocking_the_loader()); }

std::string name_of(const testing::TestParamInfo<Mode>& mode) {
  return mode.param == Mode::process ? "Process" : "InProcess";
}
INSTANTIATE_TEST_SUITE_P(Plugins, Misbehaviour, testing::Values(Mode::in_process, Mode::process),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Plugins, IsolatedMisbehaviour, testing::Values(Mode::process), name_of);

}  // namespace
}  // namespace cofounder::test
