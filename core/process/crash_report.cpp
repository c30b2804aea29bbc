// SPDX-License-Identifier: Apache-2.0
#include "core/process/crash_report.hpp"

#include "core/process/symbols.hpp"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <map>

namespace cofounder {
namespace {

constexpr std::size_t module_bytes_max = 512;

// Takes a number off the front of `rest`, and the space behind it.
template <class Number>
bool take(std::string_view& rest, Number& number, int base) {
  const auto [end, error] =
      std::from_chars(rest.data(), rest.data() + rest.size(), number, base);
  if (error != std::errc{}) return false;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  if (rest.empty()) return true;
  if (rest.front() != ' ') return false;
  rest.remove_prefix(1);
  return true;
}

bool is_printable(std::string_view text) noexcept {
  for (const char c : text) {
    if (c < 0x20 || c > 0x7e) return false;
  }
  return true;
}

bool read_frame(std::string_view rest, CrashReport& report) {
  CrashReport::Frame frame;
  if (report.frames.size() == CrashReport::frames_max) return false;
  if (!take(rest, frame.offset, 16)) return false;
  if (rest.empty() || rest.size() > module_bytes_max || !is_printable(rest)) return false;
  if (rest != "?") frame.module = rest;
  report.frames.push_back(std::move(frame));
  return true;
}

// False ends the reading.
bool read_line(std::string_view line, CrashReport& report) {
  const auto space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  std::string_view rest = space == std::string_view::npos ? "" : line.substr(space + 1);
  if (word == "signal") {
    std::uint64_t code = 0;
    return take(rest, report.signal, 10) && report.signal > 0 && report.signal <= SIGRTMAX &&
           take(rest, code, 16) && rest.empty();
  }
  if (word == "address") {
    std::uint64_t address = 0;
    if (!take(rest, address, 16) || !rest.empty()) return false;
    report.address = address;
    return true;
  }
  if (word == "stack") return take(rest, report.stack, 16) && rest.empty();
  if (word == "thread") return take(rest, report.thread, 10) && rest.empty();
  if (line == "memory full") {
    report.memory_full = true;
    return true;
  }
  if (word == "frame") return read_frame(rest, report);
  if (line == "end") report.complete = true;
  return false;
}

}  // namespace

bool CrashReport::is_stack_overflow() const noexcept {
  // A function with large variables touches the guard some way below the stack pointer.
  constexpr std::uint64_t near = 65'536;
  if ((signal != SIGSEGV && signal != SIGBUS) || !address) return false;
  return (*address > stack ? *address - stack : stack - *address) < near;
}

bool CrashReport::is_out_of_memory() const noexcept {
  constexpr std::uint64_t first_page = 4'096;  // what malloc() did not give is NULL
  if (!memory_full) return false;
  return signal == SIGABRT || (signal == SIGSEGV && address && *address < first_page);
}

std::optional<CrashReport> parse_crash_report(std::string_view text) {
  constexpr std::string_view begin = "cofounder-crash 1\n";
  if (!text.starts_with(begin)) return std::nullopt;
  text = text.substr(0, CrashReport::bytes_max);
  text.remove_prefix(begin.size());

  CrashReport report;
  for (;;) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos || !read_line(text.substr(0, end), report)) break;
    text.remove_prefix(end + 1);
  }
  if (report.signal <= 0 || report.signal > SIGRTMAX) return std::nullopt;
  return report;
}

std::optional<CrashReport> read_crash_report(int descriptor) {
  struct stat status{};
  if (::fstat(descriptor, &status) != 0) return std::nullopt;
  const bool is_file = S_ISREG(status.st_mode);  // a memfd's position is the child's
  std::string text(CrashReport::bytes_max, '\0');
  std::size_t length = 0;
  while (length < text.size()) {
    char* const to = text.data() + length;
    const ssize_t got = is_file ? ::pread(descriptor, to, text.size() - length,
                                          static_cast<off_t>(length))
                                : ::read(descriptor, to, text.size() - length);
    if (got <= 0) break;
    length += static_cast<std::size_t>(got);
  }
  return parse_crash_report(std::string_view{text}.substr(0, length));
}

std::string signal_name(int signal) {
  const char* const name = ::sigabbrev_np(signal);
  return name != nullptr ? std::string{"SIG"} + name : "signal " + std::to_string(signal);
}

namespace {

std::string hex(std::uint64_t number) {
  char digits[16];
  const auto end = std::to_chars(digits, digits + sizeof digits, number, 16).ptr;
  return "0x" + std::string(digits, end);
}

}  // namespace

std::string to_text(const CrashReport& report, std::string_view library,
                    std::string_view shown_as) {
  std::string text = signal_name(report.signal);
  if (report.is_stack_overflow()) text += " (stack overflow)";
  if (report.is_out_of_memory()) text += " (out of memory)";
  if (report.address) text += " at " + hex(*report.address);
  text += " in thread " + std::to_string(report.thread);

  std::map<std::string, std::vector<std::uint64_t>> offsets;  // one reading for each file
  for (const auto& frame : report.frames) {
    if (!frame.module.empty()) offsets[frame.module].push_back(frame.offset);
  }
  std::map<std::string, std::map<std::uint64_t, Symbol>> symbols;
  for (const auto& [module, wanted] : offsets) symbols[module] = find_symbols(module, wanted);

  for (std::size_t i = 0; i < report.frames.size(); ++i) {
    const auto& frame = report.frames[i];
    text += "\n  #" + std::to_string(i) + ' ';
    if (frame.module.empty()) {
      text += hex(frame.offset);
      continue;
    }
    const std::string_view name = frame.module;
    text += !library.empty() && name == library ? shown_as : name.substr(name.rfind('/') + 1);
    text += '+' + hex(frame.offset);
    const auto& found = symbols[frame.module];
    if (const auto it = found.find(frame.offset); it != found.end()) {
      text += " (" + it->second.name + '+' + hex(it->second.distance) + ')';
    }
  }
  if (!report.complete) text += "\n  (the report ends here)";
  return text;
}

}  // namespace cofounder
