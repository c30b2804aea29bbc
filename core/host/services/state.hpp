// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/json.hpp"
#include "core/host/instance.hpp"
#include "core/host/metric_registry.hpp"
#include "core/host/services/handles.hpp"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

// What the services keep, for core/host/services/*.cpp only.
namespace cofounder::host {

// So many per second, and as many at once after a quiet second.  From any thread.
class TokenBucket {
 public:
  bool take(Mono now, double per_second);

 private:
  std::mutex mutex_;
  double tokens_ = 0;
  std::optional<Mono> at_;
};

// How much a plugin may still write to its scratch folders.  Counting what lies there means walking
// over it, so that is done when the room that was found last is used up.  From any thread.
class ScratchMeter {
 public:
  // Looks anew, unless it just did; false: the share is full.
  bool look(Instance& instance);
  bool take(Instance& instance, std::uint64_t bytes);

 private:
  void measure(Instance& instance);

  std::mutex mutex_;
  std::uint64_t room_ = 0;
  Mono next_look_{};
};

struct OpenFile;
struct Timer;
class Transfer;
class ProgramRun;

// What the services keep for a call.
struct CallSide {
  explicit CallSide(std::string_view args);

  std::optional<json::Document> args;  // nothing: they are no JSON

  // cof.call/1 progress(): the newest that was not shown yet.
  struct Progress {
    double fraction = -1;
    std::string text;
  };
  std::mutex mutex;  // for the two below
  std::optional<Progress> waiting;
  bool posted = false;                 // a look at `waiting` is on its way to the loop
  std::optional<Mono> shown_at;        // loop
  TimerId timer = 0;                   // loop

  std::atomic<std::int64_t> output_bytes{0};  // emit(): taken, and not yet handed on
};

// What ended with its call or plugin because nobody had ended it before.
enum class LeftOpen { file, timer, transfer, program };

// Timers that were set and that the loop has not seen yet.
struct NewTimers {
  std::mutex mutex;  // for all
  std::deque<std::pair<std::shared_ptr<Timer>, Mono>> waiting;
  bool posted = false;  // a look at them is on its way to the loop
};

class ServiceState {
 public:
  explicit ServiceState(Instance& instance);

  // Null when the call is over.
  std::shared_ptr<CallSide> side_of(const std::shared_ptr<Call>& call);
  void drop_side(std::uint64_t call_id) noexcept;  // loop
  void count_left_open(LeftOpen what) noexcept;

  TokenBucket log_lines;
  std::atomic<std::uint64_t> log_lines_dropped{0};  // since a line got through
  TokenBucket tasks;
  std::atomic<std::int64_t> event_bytes{0};         // published, not yet handed on
  ScratchMeter scratch;
  TimerId core_metrics_timer = 0;                   // loop; 0: nobody needs the core's figures
  HandleTable<OpenFile> files;
  HandleTable<Timer> timers;
  NewTimers new_timers;
  HandleTable<Transfer> transfers;
  HandleTable<ProgramRun> programs;

 private:
  Instance& instance_;
  std::uint64_t left_open_family_ = 0;
  std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<CallSide>> sides_;
};

inline Clock& clock_of(Instance& instance) noexcept {
  Clock* clock = instance.world().clock;
  return clock != nullptr ? *clock : instance.loop().clock();
}

// Loop: from now until end_core_metrics() the core's figures in the registry are fresh; metric.cpp.
void begin_core_metrics(Instance& instance);
void end_core_metrics(Instance& instance) noexcept;

// Closes the files of a call, or of the whole plugin when it is the plugin's own; file.cpp.
void close_files(Instance& instance, const Call& call) noexcept;

}  // namespace cofounder::host
