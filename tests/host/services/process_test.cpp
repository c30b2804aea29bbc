// SPDX-License-Identifier: Apache-2.0
#include "tests/host/services/process_fixture.hpp"

#include <signal.h>

#include <algorithm>
#include <functional>

namespace cofounder::host::test {
namespace {

using std::chrono::milliseconds;

TEST_F(ProcessServiceTest, TellsHowAProgramEnded) {
  load();
  const auto got = run(request({}, "/bin/true"), 1);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].kind, COF_PROCESS_STARTED);
  EXPECT_GT(got[0].value, 0);
  EXPECT_FALSE(got[0].last);
  EXPECT_EQ(got[1].kind, COF_PROCESS_END);
  EXPECT_EQ(got[1].status, COF_OK);
  EXPECT_EQ(got[1].value, 0);
  EXPECT_GT(figure(got[1], "rss_bytes_peak"), 0);
  EXPECT_EQ(figure(got[1], "left"), 0);
  EXPECT_EQ(process->cancel(host, handle), COF_EGONE) << "it is over";
  EXPECT_EQ(run(request({"exit", "3"}), 2).back().value, 3);
  EXPECT_EQ(run(request({"raise", "11"}), 3).back().value, -SIGSEGV);
}

TEST_F(ProcessServiceTest, GetsWhatItWasGivenAndNothingElse) {
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  auto wanted = request({"show", "one", "", "two words"});
  wanted.folder = COF_SCRATCH_ATTEMPT;
  wanted.memory_bytes_max = 1u << 30;
  wanted.cpu_seconds_max = 50;
  wanted.file_bytes_max = 12'345;
  wanted.files_open_max = 77;
  ASSERT_EQ(start(wanted, 1, call->id), COF_OK);
  ASSERT_EQ(last(1).status, COF_OK);
  Sink folder;
  table<cof_scratch_service>(COF_SCRATCH_IID)
      ->path(host, call->id, COF_SCRATCH_ATTEMPT, folder);
  EXPECT_EQ(output(),
            "arg one\narg \narg two words\nenv LOCK=" + lock() +
                "\nenv PATH=/usr/local/bin:/usr/bin:/bin\ncwd " + folder.written +
                "\ndescriptor 0\ndescriptor 1\ndescriptor 2\ndescriptor 3\n"  // 3 is its lock
                "memory 1073741824\nfile 12345\ndescriptors 77\ncpu 50\ncore 0\nsession 1\n"
                "new-privileges 0\n\n");
}

TEST_F(ProcessServiceTest, InputOutputAndErrors) {
  load();
  auto wanted = request({"cat"});
  const std::string input(3'000'000, 'i');
  wanted.input = bytes(input);
  wanted.output_bytes_max = 4'000'000;
  auto got = run(wanted, 1);
  ASSERT_EQ(got.size(), 3u);
  EXPECT_EQ(got[1].kind, COF_PROCESS_OUTPUT);
  EXPECT_EQ(got[1].body, input);
  EXPECT_EQ(got[2].value2, 3'000'000);

  got = run(request({"print", "out without an end", "oh"}), 2);
  EXPECT_EQ(got[1].body, "out without an end");
  EXPECT_EQ(got[2].body, "oh");
  wanted = request({"print", "out", "oh"});
  wanted.flags = COF_PROCESS_MERGE;
  got = run(wanted, 3);
  EXPECT_EQ(got[1].body, "outoh");
  EXPECT_EQ(got[2].body, "");
  wanted.flags = 0;
  wanted.output = COF_PROCESS_DISCARD;
  got = run(wanted, 4);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[1].value2, 3) << "counted";
}

TEST_F(ProcessServiceTest, CutsOutputIntoLines) {
  load();
  auto wanted = request({"print", "one\ntwo\r\n\n10%\r20%\r" + std::string(30, 'x') + "\nlast"});
  wanted.output = COF_PROCESS_LINES;
  wanted.line_bytes_max = 10;
  const auto got = run(wanted);
  std::vector<std::string> lines;
  for (std::size_t i = 1; i + 1 < got.size(); ++i) {
    EXPECT_EQ(got[i].value, static_cast<std::int64_t>(i));
    lines.push_back(got[i].body + (got[i].value2 == 1 ? "..." : ""));
  }
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "", "10%", "20%", "xxxxxxxxxx...", "last"}));
  EXPECT_EQ(figure(got.back(), "lines"), 7);
  EXPECT_EQ(figure(got.back(), "lines_cut"), 1);
  EXPECT_EQ(figure(got.back(), "output_bytes_dropped"), 20);
}

// 100 MB while the plugin takes nothing: the program is not held up, we keep a bounded part, and
// the loop gives everybody a turn after each piece.
TEST_F(ProcessServiceTest, NeverWaitsForThePlugin) {
  load();
  auto wanted = request({"flood", "100000000", "100", "3000000"});
  wanted.output = COF_PROCESS_LINES;
  wanted.flags = COF_PROCESS_PULL;
  wanted.output_bytes_max = 64'000;
  wanted.errors_bytes_max = 1'000;
  // Somebody else on the loop, from before the program's first byte to its end: where reading is
  // slower than writing, poll() returns only then.
  std::unique_ptr<Watched> program;
  std::uint64_t turns = 0;
  std::chrono::nanoseconds longest{0};
  auto at = std::chrono::steady_clock::now();
  std::function<void()> turn = [&] {
    const auto now = std::chrono::steady_clock::now();
    longest = std::max(longest, std::chrono::nanoseconds{now - at});
    at = now;
    if (!program) {
      if (const auto got = replies(1); !got.empty()) {
        program = std::make_unique<Watched>(std::vector{static_cast<pid_t>(got[0].value)});
      }
    }
    if (++turns % 64 != 0 || !program || program->alive_after(0) != 0) loop.post([&] { turn(); });
  };
  ASSERT_EQ(start(wanted, 1), COF_OK);
  turn();
  wait_for([&] { return program && program->alive_after(0) == 0; });
  EXPECT_EQ(replies(1).size(), 1u) << "nothing was pulled yet";
  EXPECT_GE(turns, 100'000'000u / 65'536) << "a turn for others after each piece";
  RecordProperty("longest_turn_us", static_cast<int>(longest.count() / 1000));

  EXPECT_EQ(process->pull(host, handle, 1'000'000), COF_OK);
  const Got end = last(1);
  const auto got = replies(1);
  EXPECT_EQ(end.status, COF_OK);
  EXPECT_EQ(end.value2, 100'000'008);
  EXPECT_LE(got.size(), 64'000 / (99 + 64) + 3) << "what was kept is bounded";
  EXPECT_EQ(got[got.size() - 2].body, "the end") << "the newest are kept";
  EXPECT_EQ(got[got.size() - 2].value, 1'000'001) << "and they know their number";
  EXPECT_EQ(figure(end, "lines_dropped"), 1'000'001 - static_cast<std::int64_t>(got.size() - 2));
  EXPECT_EQ(figure(end, "errors_bytes"), 3'000'018);
  EXPECT_EQ(end.body.size(), 1'000u);
  EXPECT_TRUE(end.body.ends_with("x\nthe end of errors\n"));
}

TEST_F(ProcessServiceTest, NeverWaitsForAPluginThatIsSlowToReturn) {
  load();
  plugin.hold(true);
  auto wanted = request({"flood", "20000000", "1000", "0"});
  wanted.output = COF_PROCESS_LINES;
  wanted.output_bytes_max = 100'000;
  ASSERT_EQ(start(wanted, 1), COF_OK);
  wait_for([&] { return !replies(1).empty(); });
  Watched program{{static_cast<pid_t>(replies(1)[0].value)}};
  wait_for([&] { return program.alive_after(0) == 0; });
  plugin.hold(false);
  const Got end = last(1);
  EXPECT_EQ(end.status, COF_OK);
  const auto lines = static_cast<std::int64_t>(replies(1).size()) - 2;
  EXPECT_LE(lines, (256 * 1024 + 100'000) / 1064 + 400);
  EXPECT_EQ(figure(end, "lines_dropped"), 20'001 - lines);
}

TEST_F(ProcessServiceTest, OutputThatIsTooMuchIsCut) {
  load();
  auto wanted = request({"flood", "20000000", "100", "0"});
  wanted.output_bytes_max = 1'000;
  auto got = run(wanted, 1);
  EXPECT_EQ(got[1].body.size(), 1'000u);
  EXPECT_EQ(figure(got[2], "output_bytes_dropped"), 20'000'008 - 1'000);
}

TEST_F(ProcessServiceTest, PullsLineByLine) {
  load();
  auto wanted = request({"print", "one\n\nthree\nfour\n"});
  wanted.output = COF_PROCESS_LINES;
  wanted.flags = COF_PROCESS_PULL;
  ASSERT_EQ(start(wanted, 1), COF_OK);
  wait_for([&] { return !replies(1).empty(); });
  Watched program{{static_cast<pid_t>(replies(1)[0].value)}};
  wait_for([&] { return program.alive_after(0) == 0; });
  EXPECT_EQ(process->pull(host, handle, 4), COF_OK);
  wait_for([&] { return output() == "one\n\n"; });
  EXPECT_EQ(process->pull(host, handle, 1), COF_OK);
  wait_for([&] { return output() == "one\n\nthree\n"; });
  EXPECT_FALSE(replies(1).back().last) << "the end comes after the last line";
  EXPECT_EQ(process->pull(host, handle, 100), COF_OK);
  EXPECT_EQ(last(1).status, COF_OK);
  EXPECT_EQ(output(), "one\n\nthree\nfour\n");
}

TEST_F(ProcessServiceTest, RunsWhatManifestAndOperatorAllow) {
  manifest.permissions.programs = {"process_program", "true", "false", program_path()};
  plugin_config.programs = {program_path(), "true", "/bin/sh"};
  load();
  EXPECT_EQ(start(request({}, "false"), 1), COF_EDENIED) << "the operator has not said so";
  EXPECT_EQ(start(request({}, "/bin/sh"), 1), COF_EDENIED) << "the manifest has not asked";
  EXPECT_EQ(start(request({}, "sh"), 1), COF_EDENIED);
  EXPECT_EQ(start(request({}, "/bin/true"), 1), COF_EDENIED) << "the name is not the path";
  EXPECT_EQ(start(request({}, "*"), 1), COF_EDENIED);
  EXPECT_EQ(run(request({}, "true"), 1).back().value, 0);
  EXPECT_EQ(run(request({"exit", "4"}, "process_program"), 2).back().value, 4) << "by its path";
  EXPECT_EQ(run(request({"exit", "5"}), 3).back().value, 5);
}

TEST_F(ProcessServiceTest, SaysWhyItDoesNotRun) {
  std::ofstream{top / "plain"} << "no program";
  plugin_config.programs.push_back((top / "plain").string());
  load();
  auto got = run(request({}, "no-such-program-anywhere"), 1);
  ASSERT_EQ(got.size(), 1u) << "it never was started";
  EXPECT_EQ(got[0].status, COF_ENOTFOUND);
  EXPECT_EQ(got[0].code, "program_not_found");
  EXPECT_EQ(got[0].kind, COF_PROCESS_END);
  EXPECT_EQ(got[0].name, "");
  EXPECT_EQ(run(request({}, (top / "plain").string()), 2).back().status, COF_EDENIED);
}

TEST_F(ProcessServiceTest, EndsAtItsTimeout) {
  load();
  auto wanted = request({"ignore"});
  wanted.output = COF_PROCESS_LINES;
  wanted.timeout_ms = 60'000;
  ASSERT_EQ(start(wanted, 1), COF_OK);
  wait_for_output("ready");
  advance(milliseconds{59'999});
  EXPECT_TRUE(is_locked(lock())) << "not before its time";
  advance(milliseconds{1});
  const Got end = last(1);
  EXPECT_EQ(end.status, COF_ETIMEDOUT);
  EXPECT_EQ(end.value, -SIGKILL) << "it ignored SIGTERM";
  EXPECT_EQ(figure(end, "duration_ms"), 60'000);
  EXPECT_FALSE(is_locked(lock()));

  wanted = request({"signals"});
  wanted.output = COF_PROCESS_LINES;
  wanted.timeout_ms = 1'000;
  wanted.grace_ms = 60'000;
  ASSERT_EQ(start(wanted, 2), COF_OK);
  wait_for([&] { return output(2).find("ready") != std::string::npos; });
  advance(milliseconds{1'000});
  EXPECT_EQ(last(2).status, COF_ETIMEDOUT);
  EXPECT_EQ(last(2).value, 7) << "it had its chance to end in order";
  EXPECT_NE(output(2).find("got 15"), std::string::npos);
}

TEST_F(ProcessServiceTest, CancelEndsAllThatItStarted) {
  load();
  Watched tree{start_tree()};
  ASSERT_EQ(tree.size(), 7u);
  EXPECT_EQ(process->cancel(host, handle), COF_OK);
  EXPECT_EQ(last(1).status, COF_ECANCELLED);
  EXPECT_EQ(last(1).value, -SIGTERM);
  EXPECT_EQ(tree.alive_after(0), 0);
  EXPECT_FALSE(is_locked(lock()));
}

TEST_F(ProcessServiceTest, WhatItLeftEndsBeforeTheEndIsTold) {
  load();
  const auto got = run(request({"leave"}));
  EXPECT_EQ(got.back().status, COF_OK);
  EXPECT_EQ(got.back().value, 5);
  EXPECT_EQ(figure(got.back(), "left"), 7);
  EXPECT_EQ(Watched{pids_in(got[1].body)}.alive_after(0), 0);
}

TEST_F(ProcessServiceTest, EndsWithTheCancelOfItsCall) {
  plugin_config.deadlines.grace = milliseconds{400};
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  auto wanted = request({"ignore"});
  wanted.output = COF_PROCESS_LINES;
  wanted.grace_ms = 60'000;
  ASSERT_EQ(start(wanted, 1, call->id), COF_OK);
  wait_for_output("ready");
  cancel(*call);
  const Got end = last(1);
  EXPECT_EQ(end.status, COF_ECANCELLED) << "within half of the plugin's grace time, not its own";
  EXPECT_EQ(end.value, -SIGKILL);
  EXPECT_FALSE(is_locked(lock()));
  EXPECT_EQ(metric("cofounderd_plugin_left_open", "kind", "program"), 0);
}

TEST_F(ProcessServiceTest, EndsWithTheEndOfItsCall) {
  load();
  const auto call = add_call(COF_CALL_OPERATION);
  Watched tree{start_tree(call->id)};
  end(call);
  EXPECT_EQ(last(1).status, COF_ECANCELLED);
  EXPECT_EQ(tree.alive_after(0), 0);
  EXPECT_EQ(metric("cofounderd_plugin_left_open", "kind", "program"), 1);
}

TEST_F(ProcessServiceTest, EndsWithThePlugin) {
  load();
  Watched tree{start_tree()};
  instance->end_own_call();
  EXPECT_EQ(last(1).status, COF_ECANCELLED);
  EXPECT_EQ(tree.alive_after(0), 0);
}

TEST_F(ProcessServiceTest, SignalsReachTheProgram) {
  load();
  auto wanted = request({"signals"});
  wanted.output = COF_PROCESS_LINES;
  ASSERT_EQ(start(wanted, 1), COF_OK);
  wait_for_output("ready");
  EXPECT_EQ(process->signal(host, handle, SIGUSR1), COF_OK);
  wait_for_output("got 10");
  EXPECT_EQ(process->signal(host, handle, SIGKILL), COF_EINVALID);
  EXPECT_EQ(process->signal(host, handle, 0), COF_EINVALID);
  EXPECT_EQ(process->signal(host, handle, SIGTERM), COF_OK);
  EXPECT_EQ(last(1).status, COF_OK) << "that was no cancel";
  EXPECT_EQ(last(1).value, 7);
  EXPECT_EQ(process->signal(host, handle, SIGTERM), COF_EGONE);
}

TEST_F(ProcessServiceTest, ManyAtOnceUpToTheLimit) {
  plugin_config.limits.processes_max = 3;
  load();
  std::vector<std::uint64_t> handles;
  for (std::uint64_t tag = 1; tag <= 3; ++tag) {
    ASSERT_EQ(start(request({"ignore"}), tag), COF_OK);
    handles.push_back(handle);
  }
  EXPECT_EQ(start(request({}), 4), COF_ELIMIT);
  for (const auto one : handles) EXPECT_EQ(process->cancel(host, one), COF_OK);
  for (std::uint64_t tag = 1; tag <= 3; ++tag) EXPECT_EQ(last(tag).status, COF_ECANCELLED);
  EXPECT_EQ(run(request({"exit", "0"}), 5).back().status, COF_OK);
}

TEST_F(ProcessServiceTest, RefusesWhatIsWrong) {
  load();
  const auto good = request({"exit", "0"});
  const auto refused = [&](auto change) {
    auto wanted = good;
    change(wanted);
    return start(wanted, 1);
  };
  using Request = cof_process_request;
  EXPECT_EQ(process->start(host, 0, &good, 0, nullptr), COF_EINVALID) << "no tag";
  EXPECT_EQ(process->start(host, 0, nullptr, 1, nullptr), COF_EINVALID);
  EXPECT_EQ(process->start(host, no_call, &good, 1, nullptr), COF_EGONE);
  EXPECT_EQ(refused([](Request& r) { r.struct_size = 2; }), COF_EINVALID);
  EXPECT_EQ(refused([](Request& r) { r.flags = 4; }), COF_EUNSUPPORTED);
  EXPECT_EQ(refused([](Request& r) { r.flags = COF_PROCESS_PULL; }), COF_EINVALID);
  EXPECT_EQ(refused([](Request& r) { r.output = 3; }), COF_EUNSUPPORTED);
  EXPECT_EQ(refused([](Request& r) { r.folder = 3; }), COF_EUNSUPPORTED);
  EXPECT_EQ(refused([](Request& r) { r.folder = COF_SCRATCH_TASK; }), COF_EGONE) << "no operation";
  EXPECT_EQ(refused([](Request& r) { r.timeout_ms = -1; }), COF_EINVALID);
  EXPECT_EQ(refused([](Request& r) { r.grace_ms = -1; }), COF_EINVALID);
  EXPECT_EQ(refused([](Request& r) { r.program = broken_text; }), COF_EINVALID);
  EXPECT_EQ(refused([](Request& r) { r.program = text("./here"); }), COF_EINVALID);
  EXPECT_EQ(refused([](Request& r) { r.program = text(""); }), COF_EINVALID);
  EXPECT_EQ(refused([](Request& r) { r.args = bytes("no end"); }), COF_EINVALID);
  EXPECT_EQ(refused([](Request& r) { r.environment = bytes({"=x\0", 3}); }), COF_EINVALID);
  EXPECT_EQ(refused([](Request& r) { r.environment = bytes({"x\0", 2}); }), COF_EINVALID);
  const std::string long_one = std::string(128 * 1024, 'a') + '\0';
  const std::string many(20'000, '\0');
  std::string large;
  for (int i = 0; i < 1'100; ++i) large += std::string(999, 'a') + '\0';
  EXPECT_EQ(refused([&](Request& r) { r.args = bytes(long_one); }), COF_ETOOBIG);
  EXPECT_EQ(refused([&](Request& r) { r.args = bytes(many); }), COF_ETOOBIG);
  EXPECT_EQ(refused([&](Request& r) { r.args = bytes(large); }), COF_ETOOBIG);
  EXPECT_EQ(process->cancel(host, 12'345), COF_EGONE);
  EXPECT_EQ(process->pull(host, 12'345, 1), COF_EGONE);
  EXPECT_EQ(instance->operations_open(), 0);
}

}  // namespace
}  // namespace cofounder::host::test
