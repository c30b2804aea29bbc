// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/base/ids.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What a task is.  Plain data; the words are those of docs and SQL.
namespace cofounder {

//   scheduled --due--> ready --claimed--> running --> succeeded | failed | cancelled | timed_out
//       ^                                    |
//       +------------ tried again -----------+
// In the store only `waiting` (scheduled or ready: the clock decides which), `running` and the four
// ends are told apart.
enum class TaskState : std::uint8_t {
  scheduled = 0,
  ready = 1,
  running = 2,
  succeeded = 3,
  failed = 4,
  cancelled = 5,
  timed_out = 6
};

constexpr bool is_over(TaskState state) noexcept { return state >= TaskState::succeeded; }
std::string_view to_string(TaskState state) noexcept;
std::optional<TaskState> parse_task_state(std::string_view text) noexcept;

// What a task may ask for at most: the last moment that RFC 3339 can name, and a week for an attempt.
inline constexpr Time run_at_max{Milliseconds{253'402'300'799'999}};
inline constexpr Milliseconds timeout_max{7 * 24 * 3'600'000LL};

// What a client asks for.  Checked (op known, args fit, limits) before it gets here.
struct NewTask {
  std::string op;           // "cloudinary.upload"
  std::string args;         // JSON object
  std::string queue = "default";
  Time run_at{};            // not before; the past means now
  int priority = 0;         // -100..100, higher first
  Milliseconds timeout{0};  // of one attempt
  int attempts_max = 0;     // >= 1 once it is here
  bool retry_on_timeout = false;  // from the operation's manifest
  std::string unique_key;   // empty: none
  std::string schedule;     // name of the schedule that made it; empty: none
  std::string submitter;    // "uid:1000", "plugin:oauth", "schedule:nightly"
};

// One try at a task.  (task, owner, attempt) is the fence: the store takes a completion, checkpoint
// or cancel of an attempt only when all three still match.  `attempt` rises with every claim, also of
// those that in the end do not count.
struct AttemptKey {
  TaskId task = 0;
  std::int32_t attempt = 0;  // from 1
  auto operator<=>(const AttemptKey&) const = default;
};

struct ClaimedTask {
  AttemptKey key;
  int uncounted = 0;  // earlier attempts that do not count: deferred or given back
  std::string op;
  std::string args;
  std::string queue;
  Milliseconds timeout{0};
  int attempts_max = 1;
  bool retry_on_timeout = false;
  Time submitted_at{};
  Time run_at{};      // when it was due
  Time started_at{};  // when it was claimed
  std::string checkpoint;  // empty: none

  // The attempt's number as the retry rule and the plugin count it, from 1.
  int counted_attempt() const noexcept { return key.attempt - uncounted; }
};

// How an attempt ended, as the runner saw it.
struct Outcome {
  enum class Kind : std::uint8_t {
    succeeded,
    failed,
    cancelled,
    timed_out,
    lost,      // its daemon died
    deferred,  // the plugin asked to be run again at run_at
    stopped    // the daemon or the plugin stopped: run again as soon as possible
  } kind = Kind::failed;
  std::string result;  // JSON, when it succeeded
  Error error;         // when it did not
  Time run_at{};           // deferred
  std::string checkpoint;  // deferred: replaces the task's
};

std::string_view to_string(Outcome::Kind kind) noexcept;

// What becomes of the task after an attempt.
struct Verdict {
  AttemptKey key;
  Outcome outcome;
  TaskState state = TaskState::failed;  // an end, or scheduled: it is tried again at run_at
  Time run_at{};               // when it is tried again
  bool counts = true;          // false: the attempt does not count against attempts_max
  Time ended_at{};
  Milliseconds took{0};        // on the monotonic clock
};

struct AttemptRecord {
  std::int32_t attempt = 0;
  std::string node;
  Time started_at{};
  std::optional<Time> ended_at;
  std::string outcome;  // "running" or a kind of Outcome: "succeeded", "deferred", ...
  std::optional<Error> error;
};

// A task as it is kept: what GET /v1/tasks/{id} shows.
struct TaskRecord {
  TaskId id = 0;
  TaskState state = TaskState::scheduled;
  std::string op;
  std::string args;
  std::string queue;
  int priority = 0;
  Milliseconds timeout{0};
  int attempt = 0;  // attempts begun
  int attempts_max = 1;
  std::string unique_key;
  std::string schedule;
  std::string submitter;
  Time submitted_at{};
  Time run_at{};
  std::optional<Time> started_at;  // of the newest attempt
  std::optional<Time> ended_at;
  std::string result;              // JSON; empty: none
  std::optional<Error> error;      // of the newest failed attempt
  std::vector<AttemptRecord> attempts;
};

}  // namespace cofounder
