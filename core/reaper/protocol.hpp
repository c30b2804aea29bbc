// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// What the daemon and cofounderd-reaper say to each other.  Both come from one build; the magic
// number notices when they do not.
//
// The reaper is started with 0, 1 and 2 as the program is to have them, a SOCK_SEQPACKET socket as
// 3, and as 4 a file with its orders: an Orders, then strings, each ended by '\0': the working
// directory, the program, `arg_count` times argv, `env_count` times "NAME=value".
namespace cofounder::reaper {

constexpr int control_descriptor = 3;
constexpr int orders_descriptor = 4;
constexpr std::uint32_t magic = 0x31504552;  // "REP1"

struct Orders {
  std::uint32_t magic;
  std::uint32_t arg_count;
  std::uint32_t env_count;
  std::uint32_t size;          // of all, with the strings
  std::int64_t grace_ms;       // between SIGTERM and SIGKILL
  std::uint64_t address_space;  // limits of each process; 0: none
  std::uint64_t cpu_seconds;
  std::uint64_t file_bytes;
  std::uint64_t descriptors;
};

// Daemon to reaper.  The end of the daemon's side means end, too.
enum class Command : std::int32_t {
  signal = 1,  // value: to the program's process group
  end = 2      // value: grace in ms
};
struct CommandMessage {
  Command command;
  std::int32_t value;
};

// Reaper to daemon: started or failed; then ended, after which it exits.
enum class Report : std::int32_t {
  started = 1,  // value: pid
  failed = 2,   // value: errno, value2: Step
  ended = 3     // nothing is left; value: exit code, or the negative signal
};
enum class Step : std::int32_t { orders = 1, process, folder, limits, program };
struct ReportMessage {
  Report report;
  std::int32_t value;
  std::int32_t value2;
  std::int32_t left;       // processes that ran on when the program was over
  std::int64_t cpu_us;     // of all that ran
  std::int64_t rss_bytes;  // of the largest
};

}  // namespace cofounder::reaper
