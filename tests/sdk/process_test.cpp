// SPDX-License-Identifier: Apache-2.0
#include <cofounder/plugin.hpp>
#include <cofounder/testkit.hpp>

#include <gtest/gtest.h>

#include <chrono>

namespace {

namespace sdk = cofounder::sdk;
namespace testkit = cofounder::testkit;
using namespace std::chrono_literals;
using sdk::Context;
using sdk::Json;
using sdk::ProgramRequest;
using sdk::Result;
using sdk::Task;
using testkit::Program;

class Runs : public sdk::Plugin {
 public:
  Runs() {
    operation("run", &Runs::run);
    operation("nul", &Runs::nul);
    operation("lines", &Runs::lines);
    operation("first", &Runs::first);
    operation("impatient", &Runs::impatient);
    operation("signals", &Runs::signals);
  }

 private:
  Task<Result<Json>> run(Context ctx) {
    ProgramRequest request{"tool", {"-m", "two words", ""}};
    request.arg("--last").env("A", "1").env("B", "x=y").in_task_scratch();
    request.input = "in";
    request.timeout = 30s;
    request.grace = 2s;
    request.output_bytes_max = 100;
    request.memory_bytes_max = 1u << 30;
    request.merge_errors = true;
    auto ended = co_await ctx.process().run(request);
    if (!ended) co_return ended.failure();
    co_return Json::object({{"ok", ended->ok()},
                            {"code", ended->code},
                            {"signal", ended->signal},
                            {"output", ended->output},
                            {"errors", ended->errors},
                            {"cpu_ms", ended->cpu.count()},
                            {"rss", ended->rss_bytes_peak},
                            {"bytes", ended->output_bytes}});
  }
  Task<Result<Json>> nul(Context ctx) {
    ProgramRequest request{"tool", {std::string("a\0b", 3)}};
    auto ended = co_await ctx.process().run(request);
    if (!ended) co_return ended.failure();
    co_return Json(true);
  }
  Task<Result<Json>> lines(Context ctx) {
    ProgramRequest request{"tool"};
    auto opened = co_await ctx.process().stream(request);
    if (!opened) co_return opened.failure();
    std::size_t count = 0;
    std::size_t bytes = 0;
    std::int64_t last = 0;
    for (;;) {
      auto line = co_await opened->next();
      if (!line && opened->result().errors.empty()) co_return line.failure();
      if (!line) co_return sdk::Failure{"ended", opened->result().errors};
      if (!*line) break;
      ++count;
      bytes += (*line)->text.size();
      last = (*line)->number;
    }
    const sdk::ProgramResult result = opened->result();
    co_return Json::object({{"count", count},
                            {"bytes", bytes},
                            {"last", last},
                            {"dropped", result.lines_dropped},
                            {"code", result.code},
                            {"errors", result.errors}});
  }
  Task<Json> first(Context ctx) {
    ProgramRequest request{"tool"};
    auto opened = co_await ctx.process().stream(request);
    auto line = co_await opened.value().next();
    co_return line.value().value().text;  // and the program is ended with the stream
  }
  Task<Json> impatient(Context ctx) {
    {
      ProgramRequest request{"tool"};
      auto dropped = ctx.process().run(request);
    }
    auto slept = co_await ctx.sleep(1s);
    slept.value();
    co_return true;
  }
  Task<Result<Json>> signals(Context ctx) {
    ProgramRequest request{"tool"};
    auto opened = co_await ctx.process().stream(request);
    opened.value().signal(10).value();
    opened->cancel();
    auto line = co_await opened->next();
    if (!line) co_return line.failure();
    co_return Json(opened->pid());
  }
};

class ProcessTest : public testing::Test {
 protected:
  testkit::Host host{sdk::plugin_table<Runs>()};
  void SetUp() override { host.start(); }
  void TearDown() override {
    host.stop();
    EXPECT_EQ(host.violations, std::vector<std::string>{});
    EXPECT_EQ(host.open_tags(), 0u);
    EXPECT_TRUE(host.processes.empty());
  }
  const testkit::Ended& run(std::string_view op) {
    auto& call = host.operation(op, "{}");
    host.run();
    return call.ended.value();
  }
};

TEST_F(ProcessTest, SaysAllThatARequestSaysAndReadsAllThatCame) {
  Program program = Program::text({"one", "two"}, 3);
  program.errors = "oh";
  host.program(program);
  EXPECT_EQ(Json::parse(run("run").result),
            Json::parse(R"({"ok": false, "code": 3, "signal": 0, "output": "one\ntwo\n",
                            "errors": "oh", "cpu_ms": 900, "rss": 1048576, "bytes": 8})"));
  const testkit::ProgramRun& run = host.runs.at(0);
  EXPECT_EQ(run.program, "tool");
  EXPECT_EQ(run.args, (std::vector<std::string>{"-m", "two words", "", "--last"}));
  EXPECT_EQ(run.environment, (std::vector<std::string>{"A=1", "B=x=y"}));
  EXPECT_EQ(run.input, "in");
  EXPECT_EQ(run.folder, COF_SCRATCH_TASK);
  EXPECT_EQ(run.output, COF_PROCESS_WHOLE);
  EXPECT_EQ(run.flags, std::uint32_t{COF_PROCESS_MERGE});
  EXPECT_EQ(run.timeout_ms, 30'000);
  EXPECT_EQ(run.grace_ms, 2'000);
  EXPECT_EQ(run.output_bytes_max, 100u);
  EXPECT_EQ(run.memory_bytes_max, 1u << 30);
}

TEST_F(ProcessTest, TellsASignalFromAnExitCode) {
  Program program;
  program.signal = 11;
  host.program(program);
  const Json result = Json::parse(run("run").result);
  EXPECT_EQ(result.at("signal"), 11);
  EXPECT_EQ(result.at("code"), 0);
  EXPECT_EQ(result.at("ok"), false);
}

TEST_F(ProcessTest, FailsWhenItCannotBeStarted) {
  host.program(Program::denied());
  EXPECT_EQ(run("run").status, COF_EDENIED);
  host.program(Program::broken(COF_ENOTFOUND));
  EXPECT_EQ(run("run").status, COF_ENOTFOUND);
  host.program(Program::denied());
  EXPECT_EQ(run("lines").status, COF_EDENIED);
  host.program(Program::broken(COF_EUNAVAILABLE));
  EXPECT_EQ(run("lines").status, COF_EUNAVAILABLE);
  EXPECT_EQ(run("nul").status, COF_EINVALID) << "an argument with a NUL would become two";
  EXPECT_EQ(host.runs.size(), 2u);
}

TEST_F(ProcessTest, StreamsMoreLinesThanTheWindow) {
  Program program = Program::text({}, 1);
  for (int i = 0; i < 5000; ++i) program.lines.emplace_back(100, 'x');
  program.lines_dropped = 7;
  program.errors = "why";
  host.program(program);
  EXPECT_EQ(Json::parse(run("lines").result),
            Json::parse(R"({"count": 5000, "bytes": 500000, "last": 5007, "dropped": 7, "code": 1,
                            "errors": "why"})"));
}

TEST_F(ProcessTest, AStreamThatWasEndedTellsWhatIsKnown) {
  Program program = Program::text({"a"});
  program.status = COF_ETIMEDOUT;
  program.errors = "late";
  host.program(program);
  EXPECT_EQ(run("lines").error_message, "late");
}

TEST_F(ProcessTest, DroppingEndsTheProgram) {
  host.program(Program::running({"a", "b"}));
  EXPECT_EQ(run("first").result, "\"a\"");
  EXPECT_EQ(host.process_cancels, 1);
  host.program(Program::running());
  auto& call = host.operation("impatient", "{}");
  EXPECT_EQ(host.process_cancels, 2);
  host.advance(1'000'000'000);
  EXPECT_EQ(call.ended->status, COF_OK);
}

TEST_F(ProcessTest, SignalsAndCancels) {
  host.program(Program::running());
  EXPECT_EQ(run("signals").status, COF_ECANCELLED);
  EXPECT_EQ(host.runs.at(0).signals, std::vector<std::int32_t>{10});
}

TEST_F(ProcessTest, EndsWithTheCall) {
  host.program(Program::running());
  auto& call = host.operation("run", "{}");
  host.run();
  EXPECT_FALSE(call.ended);
  host.cancel(call);
  host.run();
  EXPECT_EQ(call.ended->status, COF_ECANCELLED);
}

TEST(ProcessWithoutTest, FailsWhenTheHostHasNoPrograms) {
  testkit::Host host{sdk::plugin_table<Runs>(), {.without = {COF_PROCESS_IID}}};
  host.start();
  EXPECT_EQ(host.operation("run", "{}").ended->status, COF_EUNSUPPORTED);
}

}  // namespace
