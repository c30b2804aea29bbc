// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

// The daemon's log.  Never blocks: a line goes into a bounded queue and one thread writes it, to
// journald with fields or to stderr as readable text; what does not fit is dropped and counted.
namespace cofounder::log {

enum class Level { debug = 1, info, warning, error };

// A journald field and its value: {"COF_PLUGIN", "hello"}.  On stderr: [plugin=hello].
struct Field {
  std::string_view name;  // COF_PLUGIN, COF_TASK, COF_CALL, COF_ATTEMPT
  std::string_view value;
};

struct Options {
  enum class Target { automatic, journal, standard_error, nowhere } target = Target::automatic;
  Level level = Level::info;
  std::size_t lines_max = 8192;  // waiting; more are dropped and counted
};

// Starts the writing thread.  Call it once, at start; before it and after close() lines go straight
// to stderr, without blocking when it is full.
void open(const Options& options);
// Writes what waits, for at most one second, and stops the thread.
void close() noexcept;
void set_level(Level level) noexcept;

bool enabled(Level level) noexcept;
// From any thread.  Control characters are escaped, lines over 8 KiB are cut.
void write(Level level, std::string_view text, std::initializer_list<Field> fields = {}) noexcept;

inline void debug(std::string_view text, std::initializer_list<Field> fields = {}) noexcept {
  if (enabled(Level::debug)) write(Level::debug, text, fields);
}
inline void info(std::string_view text, std::initializer_list<Field> fields = {}) noexcept {
  write(Level::info, text, fields);
}
inline void warning(std::string_view text, std::initializer_list<Field> fields = {}) noexcept {
  write(Level::warning, text, fields);
}
inline void error(std::string_view text, std::initializer_list<Field> fields = {}) noexcept {
  write(Level::error, text, fields);
}

std::uint64_t dropped() noexcept;  // lines that found the queue full, since the start

}  // namespace cofounder::log
