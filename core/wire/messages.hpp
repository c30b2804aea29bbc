// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/wire/table.hpp"

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What stands in the frames that are no call of a service.
namespace cofounder::wire {

// The build that both sides must be of; the number changes with the frames.
std::string_view build() noexcept;

// daemon -> child: what the child may have.  Comes with the descriptor of the pulse page.
struct Begin {
  std::string build;
  std::vector<std::string> read_execute;  // files and folders for the sandbox
  std::vector<std::string> read_write;
  bool sandbox = false;                   // false: none was asked for
};
std::string encode(const Begin& begin);
std::optional<Begin> decode_begin(std::string_view bytes);

// daemon -> child: the plugin.
struct Load {
  std::string library;         // path of the daemon's private copy
  std::string shown;           // path that people know it by
  std::string plugin_id;
  std::string daemon_version;
  std::uint32_t granted = 0;   // bit i: interface i of the table
  std::uint32_t threads = 1;
  std::string minors;          // byte i: minor of interface i
};
std::string encode(const Load& load);
std::optional<Load> decode_load(std::string_view bytes);

// child -> daemon.
struct Loaded {
  std::int32_t status = COF_OK;
  std::uint32_t entries = 0;   // bit i: cof_plugin has Entry i
  std::string_view code;       // of a failure: "plugin_invalid"
  std::string_view text;
};
std::string encode(const Loaded& loaded);
std::optional<Loaded> decode_loaded(std::string_view bytes);

// child -> daemon: an entry is over.
struct Returned {
  std::int32_t status = COF_OK;
  bool too_big = false;        // the result was larger than the entry's limit, and is not here
  std::string_view result;
};
std::string encode(const Returned& returned);
std::optional<Returned> decode_returned(std::string_view bytes);

// What both see at any time, without a frame: a page that the daemon made.  The child writes it;
// the daemon believes it only where a lie hurts nobody but the plugin.
struct Pulse {
  static constexpr std::size_t threads_max = 256;
  struct Thread {
    std::atomic<std::uint64_t> sequence;  // of the entry that it is inside, 0: none
    std::atomic<std::int64_t> since_ns;   // CLOCK_MONOTONIC
  };
  std::atomic<std::uint64_t> beats;       // rises while the process runs
  Thread threads[threads_max];
};
inline constexpr std::size_t pulse_bytes = 8192;
static_assert(sizeof(Pulse) <= pulse_bytes && std::atomic<std::uint64_t>::is_always_lock_free);

// The child's exit status when the plugin ended the thread that it was entered on.
inline constexpr int thread_ended = 71;

}  // namespace cofounder::wire
