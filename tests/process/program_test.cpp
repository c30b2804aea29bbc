// SPDX-License-Identifier: Apache-2.0
#include "core/process/program.hpp"

#include "core/base/loop.hpp"
#include "tests/process/process_helpers.hpp"

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <gtest/gtest.h>

#include <array>
#include <fstream>
#include <sstream>

namespace cofounder::test {
namespace {

class ProgramTest : public testing::Test {
 protected:
  ProgramTest() {
    std::string pattern = testing::TempDir() + "cofounderd_program_XXXXXX";
    top = ::mkdtemp(pattern.data());
  }
  void TearDown() override {
    programs.reset();
    while (loop.poll()) {
    }
    std::filesystem::remove_all(top);
  }

  std::shared_ptr<Program> start(std::vector<std::string> args) {
    ProgramSpec spec;
    spec.program = program_path();
    spec.args = std::move(args);
    spec.args.insert(spec.args.begin(), program_path());
    spec.environment = {"LOCK=" + lock()};
    spec.grace = Milliseconds{200};
    ProgramHandler handler;
    handler.on_started = [this](int started) { pid = started; };
    handler.on_output = [this](std::string_view bytes) { output += bytes; };
    handler.on_errors = [this](std::string_view bytes) { errors += bytes; };
    handler.on_end = [this](const ProgramEnd& it) { end = it; };
    return programs->start(std::move(spec), std::move(handler));
  }
  std::string lock() const { return (top / "lock").string(); }

  template <class Done>
  void until(Done done) {
    bool late = false;
    const TimerId guard = loop.clock().call_after(std::chrono::seconds{30}, [&] { late = true; });
    while (!done() && !late) {
      loop.poll();
      ::poll(nullptr, 0, 1);
    }
    loop.clock().cancel(guard);
    ASSERT_FALSE(late) << "waited in vain; so far: " << output;
  }
  void until_ended() {
    until([&] { return end.has_value(); });
  }
  // Until the whole tree has said its numbers.
  std::vector<pid_t> until_tree() {
    until([&] { return output.find("program ") != output.npos && output.back() == '\n'; });
    return pids_in(output);
  }

  std::filesystem::path top;
  Loop loop;
  std::unique_ptr<Programs> programs =
      std::make_unique<Programs>(loop, loop.clock(), find_helper("cofounderd-reaper"));
  int pid = 0;
  std::string output;
  std::string errors;
  std::optional<ProgramEnd> end;
};

TEST_F(ProgramTest, TellsHowItEnded) {
  const auto program = start({"exit", "3"});
  until_ended();
  EXPECT_FALSE(end->error);
  EXPECT_GT(pid, 0);
  EXPECT_EQ(end->code, 3);
  EXPECT_EQ(end->signal, 0);
  EXPECT_EQ(end->left, 0);
  EXPECT_GT(end->rss_bytes_peak, 100'000u);
}

TEST_F(ProgramTest, EverythingThatItStartedEnds) {
  const auto program = start({"tree"});
  Watched tree{until_tree()};
  ASSERT_EQ(tree.size(), 7u);
  EXPECT_TRUE(is_locked(lock()));
  program->end(Milliseconds{200}, Milliseconds{5'000});
  until_ended();
  EXPECT_EQ(tree.alive_after(0), 0) << "on_end comes when nothing runs any more";
  EXPECT_FALSE(is_locked(lock()));
  EXPECT_EQ(end->signal, SIGTERM) << "it did not ignore that";
  EXPECT_FALSE(end->error);
}

TEST_F(ProgramTest, WhatItLeftEndsToo) {
  const auto program = start({"leave"});
  until_ended();
  EXPECT_EQ(end->code, 5);
  EXPECT_EQ(end->left, 7);
  EXPECT_FALSE(is_locked(lock()));
  EXPECT_EQ(Watched{pids_in(output)}.alive_after(0), 0);
}

TEST_F(ProgramTest, CatchesWhatRunsAway) {
  const auto program = start({"hop"});
  until_tree();
  program->end(Milliseconds{0}, Milliseconds{20'000});
  until_ended();
  EXPECT_FALSE(end->error) << end->error->message;
  EXPECT_FALSE(is_locked(lock()));
}

TEST_F(ProgramTest, NothingIsLeftWhenTheDaemonIsKilled) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
  const Descriptor from{ends[0]};
  Descriptor to{ends[1]};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, to.get(), 1);
  std::string stand_in = COFOUNDER_BINARY_DIR "/bin/process_stand_in";
  std::string grace = "100";
  std::string what = "tree";
  std::string program = program_path();
  std::string variable = "LOCK=" + lock();
  std::array<char*, 5> args{stand_in.data(), grace.data(), program.data(), what.data(), nullptr};
  std::array<char*, 2> environment{variable.data(), nullptr};
  pid_t daemon = 0;
  ASSERT_EQ(::posix_spawn(&daemon, stand_in.c_str(), &actions, nullptr, args.data(),
                          environment.data()),
            0);
  posix_spawn_file_actions_destroy(&actions);
  to.reset();
  std::string said;
  while (said.find("program ") == said.npos) {
    std::array<char, 4096> bytes;
    const ssize_t size = ::read(from.get(), bytes.data(), bytes.size());
    ASSERT_GT(size, 0) << said;
    said.append(bytes.data(), static_cast<std::size_t>(size));
  }
  Watched tree{pids_in(said)};
  ASSERT_EQ(tree.size(), 7u);
  EXPECT_TRUE(is_locked(lock()));
  ::kill(daemon, SIGKILL);
  ::waitpid(daemon, nullptr, 0);
  EXPECT_EQ(tree.alive_after(20'000), 0);
  EXPECT_FALSE(is_locked(lock()));
}

TEST_F(ProgramTest, NothingIsLeftWhenTheDaemonEnds) {
  const auto program = start({"tree"});
  Watched tree{until_tree()};
  programs.reset();
  EXPECT_EQ(tree.alive_after(20'000), 0);
  EXPECT_FALSE(end) << "nobody is called any more";
}

pid_t parent_of(pid_t pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("PPid:")) return std::atoi(line.c_str() + 5);
  }
  return 0;
}

TEST_F(ProgramTest, GoesWithItsReaper) {
  const auto program = start({"ignore"});
  until([&] { return !output.empty(); });
  Watched it{{pid}};
  ASSERT_EQ(it.size(), 1u);
  ASSERT_EQ(::kill(parent_of(pid), SIGKILL), 0);
  until_ended();
  ASSERT_TRUE(end->error);
  EXPECT_EQ(end->error->code, "reaper_lost");
  EXPECT_TRUE(end->error->retryable);
  EXPECT_EQ(it.alive_after(10'000), 0);
}

TEST_F(ProgramTest, AReaperThatIsStuckIsKilled) {
  const auto program = start({"ignore"});
  until([&] { return !output.empty(); });
  ASSERT_EQ(::kill(parent_of(pid), SIGSTOP), 0);
  program->end(Milliseconds{0}, Milliseconds{100});
  until_ended();
  ASSERT_TRUE(end->error);
  EXPECT_EQ(end->error->code, "reaper_lost");
  EXPECT_EQ(Watched{{pid}}.alive_after(10'000), 0);
}

TEST_F(ProgramTest, SaysWhyItDoesNotRun) {
  const auto run = [&](const std::string& path, const std::string& folder) {
    end.reset();
    ProgramSpec spec;
    spec.program = path;
    spec.args = {path};
    spec.folder = folder;
    ProgramHandler handler;
    handler.on_started = [&](int) { ADD_FAILURE() << path; };
    handler.on_end = [this](const ProgramEnd& it) { end = it; };
    const auto program = programs->start(std::move(spec), std::move(handler));
    until_ended();
    return end->error ? end->error->code : "";
  };
  std::ofstream{top / "plain"} << "no program";
  std::ofstream{top / "script"} << "#!/no/such/interpreter\n";
  std::filesystem::permissions(top / "script", std::filesystem::perms::owner_all);
  EXPECT_EQ(run("/no/such/program", "/"), "program_not_found");
  EXPECT_EQ(run("no-such-program-anywhere", "/"), "program_not_found");
  EXPECT_EQ(run((top / "script").string(), "/"), "program_not_found");
  EXPECT_EQ(run((top / "plain").string(), "/"), "program_denied");
  EXPECT_EQ(run("/usr/bin/env", (top / "gone").string()), "folder_gone");
  programs = std::make_unique<Programs>(loop, loop.clock(), top / "no-reaper");
  EXPECT_EQ(run("/usr/bin/env", "/"), "program_not_started");
}

TEST_F(ProgramTest, OneThatIsEndedAtOnceEnds) {
  const auto program = start({"ignore"});  // whether or not its reaper was started already
  program->end(Milliseconds{0}, Milliseconds{20'000});
  until_ended();
  EXPECT_TRUE(end->signal == SIGKILL || (end->error && end->error->code == "program_not_started"));
  EXPECT_FALSE(is_locked(lock()));
}

}  // namespace
}  // namespace cofounder::test
