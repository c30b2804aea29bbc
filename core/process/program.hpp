// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/base/function.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

class Loop;

// A program to run, and all that it gets.
struct ProgramSpec {
  std::string program;                   // a name (looked for in fixed folders) or absolute path
  std::vector<std::string> args;         // from argv[0]
  std::vector<std::string> environment;  // "NAME=value"
  std::string folder = "/";
  std::string input;
  bool merge_errors = false;             // standard error goes where standard output goes
  Milliseconds grace{5'000};             // between SIGTERM and SIGKILL
  struct Limits {                        // of each process; 0: none
    std::uint64_t address_space = 0;
    std::uint64_t cpu_seconds = 0;
    std::uint64_t file_bytes = 0;
    std::uint64_t descriptors = 0;
  } limits;
};

struct ProgramEnd {
  // Why it did not run, or why its end is not known: codes "program_not_found", "program_denied",
  // "folder_gone", "program_not_started", "reaper_lost".
  std::optional<Error> error;
  int code = 0;    // of exit()
  int signal = 0;  // that ended it, or 0
  int left = 0;    // processes that ran on when it was over
  std::chrono::microseconds cpu{0};
  std::uint64_t rss_bytes_peak = 0;
};

// What a program does.  On the loop; the last is on_end, once, after which nothing of it runs (but
// see "reaper_lost").  They are dropped uncalled when Programs ends first.
struct ProgramHandler {
  UniqueFunction<void(int pid)> on_started;
  UniqueFunction<void(std::string_view bytes)> on_output;
  UniqueFunction<void(std::string_view bytes)> on_errors;
  UniqueFunction<void(const ProgramEnd&)> on_end;
};

// One program under its reaper.  On the loop only.
class Program {
 public:
  virtual ~Program() = default;
  // To the program's process group, when it runs.
  virtual void signal(int number) = 0;
  // SIGTERM to all that it started, after `grace` SIGKILL.  Again: the shorter grace counts.  When
  // nothing is heard for `patience` after that, the reaper is killed and on_end says "reaper_lost".
  virtual void end(Milliseconds grace, Milliseconds patience) = 0;
};

// Runs programs, each below a cofounderd-reaper of its own.  What they write is always read, so that
// they never wait for us.  On the loop only; loop and clock outlive it.
class Programs {
 public:
  Programs(Loop& loop, Clock& clock, std::filesystem::path reaper);
  ~Programs();  // the reapers end what runs
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;

  std::shared_ptr<Program> start(ProgramSpec spec, ProgramHandler handler);

  struct State;

 private:
  std::shared_ptr<State> state_;
};

// Where a helper of the daemon's lies: beside this executable (a build tree), or as it is installed.
std::filesystem::path find_helper(std::string_view name);

}  // namespace cofounder
