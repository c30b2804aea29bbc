// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The daemon's side of a child's crash: reading what crash_handler.hpp wrote.
//
// The text, line by line (numbers are hexadecimal but signal and thread):
//   cofounder-crash 1
//   signal 11 1                   number and si_code
//   address 10                    of the fault; not when the signal was sent
//   stack 7ffc8c7e1000            stack pointer
//   thread 4711
//   memory full                   when its limits leave no more; not always
//   frame 1139 /lib/x.so          offset and module, innermost first; module "?": a bare address
//   end
// A plugin can write what it likes there: nothing of it is believed, everything is bounded.
namespace cofounder {

struct CrashReport {
  static constexpr std::size_t bytes_max = 32'768;
  static constexpr std::size_t frames_max = 64;

  struct Frame {
    std::uint64_t offset = 0;  // in the module, or the address when there is none
    std::string module;        // its path; empty: unknown
    bool operator==(const Frame&) const = default;
  };

  int signal = 0;
  std::optional<std::uint64_t> address;
  std::uint64_t stack = 0;
  std::uint32_t thread = 0;
  bool memory_full = false;
  std::vector<Frame> frames;
  bool complete = false;  // the handler reached its end

  // The fault was at the end of the stack.
  bool is_stack_overflow() const noexcept;
  // It gave up, or used what it was not given, when its limits left no memory.
  bool is_out_of_memory() const noexcept;
};

// Nothing when it does not begin as a report.  What follows a broken line is left out.
std::optional<CrashReport> parse_crash_report(std::string_view text);

// What a child left in its memfd or pipe (non-blocking).  Nothing when there is no report.
std::optional<CrashReport> read_crash_report(int descriptor);

// "SIGSEGV", or "signal 77".
std::string signal_name(int signal);

// One line for what happened, one for each frame:
//   SIGSEGV at 0x10 in thread 4711
//     #0 cloudinary.so+0x1139 (upload_part+0x19)
// The module at the path `library` is shown as `shown_as`: copies have names that nobody knows.
// Function names are read from the files' symbol tables, when there are any.
std::string to_text(const CrashReport& report, std::string_view library = {},
                    std::string_view shown_as = {});

}  // namespace cofounder
