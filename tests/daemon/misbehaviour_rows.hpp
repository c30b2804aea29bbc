// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/process/sandbox_build.hpp"

#include <string>
#include <vector>

// What is promised for each plugin of tests/fixtures that misbehaves.
namespace cofounder::test {

enum class Mode { in_process, process };
enum class Trouble { when_started, in_task, when_stopped, when_reloaded };

struct Expected {
  const char* state = nullptr;       // of the plugin; null: this ends or changes the daemon itself
  const char* words = "";            // that the operator sees
  const char* task_state = nullptr;  // in_task only
  const char* task_code = "";
};
constexpr Expected ends_the_daemon{};

struct Row {
  const char* id;
  Trouble trouble;
  Expected in_process;
  Expected process;
};
using Rows = std::vector<Row>;

constexpr Trouble when_started = Trouble::when_started;
constexpr Trouble in_task = Trouble::in_task;
constexpr Trouble when_stopped = Trouble::when_stopped;
constexpr Trouble when_reloaded = Trouble::when_reloaded;  // the old generation stays

// What throws or hangs ends its process, if it has one of its own; that is started again.
inline Row ends_its_own(const char* id, Trouble trouble, Expected in_process,
                        const char* words = nullptr) {
  Expected process = in_process;
  if (words != nullptr) process.words = words;
  process.state = trouble == in_task || trouble == when_reloaded ? "ready" : "failed";
  const bool fails = process.task_state != nullptr && process.task_state == std::string{"failed"};
  if (fails) process.task_code = "plugin_crashed";
  return {id, trouble, in_process, process};
}

// What is the same in both modes.
inline Row both(const char* id, Trouble trouble, Expected expected) {
  return {id, trouble, expected, expected};
}

// What only the sandbox stops, or its limits: builds with a sanitizer have neither.
inline Row needs_sandbox(Row row) {
  if (!has_sandbox) row.process = ends_the_daemon;
  return row;
}

// clang-format off
inline Rows throwing() {
  return {
    ends_its_own("throw-in-create", when_started, {"failed", "threw an exception out of its create"}, "killed by signal 6"),
    ends_its_own("throw-in-check", when_started, {"failed", "threw an exception out of its configure (check)"}, "killed by signal 6"),
    ends_its_own("throw-in-apply", when_started, {"failed", "threw an exception out of its configure (apply)"}, "killed by signal 6"),
    ends_its_own("throw-in-start", when_started, {"failed", "its start: thrown by the fixture"}, "killed by signal 6"),
    ends_its_own("throw-in-invoke", in_task, {"ready", "out of its invoke", "failed", "plugin_threw"}, "killed by signal 6"),
    ends_its_own("throw-in-reply", in_task, {"ready", "out of its reply", "failed", "plugin_threw"}, "killed by signal 6"),
    ends_its_own("throw-in-cancel", in_task, {"ready", "out of its cancel", "timed_out", "timed_out"}, "killed by signal 6"),
    ends_its_own("throw-in-probe", when_reloaded, {"ready", "threw an exception out of its probe"}, "killed by signal 6"),
    ends_its_own("throw-in-drain", when_stopped, {"stopped", "threw an exception out of its drain"}, "killed by signal 6"),
    ends_its_own("throw-in-stop", when_stopped, {"stopped", "threw an exception out of its stop"}, "killed by signal 6"),
    ends_its_own("throw-in-destroy", when_stopped, {"quarantined", "threw an exception out of its destroy"}, "killed by signal 6"),
  };
}

inline Rows hanging() {
  return {
    ends_its_own("hanging-create", when_started, {"quarantined", "did not return from its create"}),
    ends_its_own("hang-in-check", when_started, {"quarantined", "from its configure (check)"}),
    ends_its_own("hang-in-apply", when_started, {"quarantined", "from its configure (apply)"}),
    ends_its_own("hang-in-start", when_started, {"quarantined", "did not return from its start"}),
    ends_its_own("pending-start", when_started, {"quarantined", "did not end its start"}),
    ends_its_own("hang-in-invoke", in_task, {"quarantined", "did not return from its operation", "timed_out", "timed_out"}),
    ends_its_own("hang-in-reply", in_task, {"quarantined", "did not return from its operation", "timed_out", "timed_out"}),
    ends_its_own("hang-in-cancel", in_task, {"quarantined", "did not return from its operation", "timed_out", "timed_out"}),
    ends_its_own("ignore-cancel", in_task, {"quarantined", "did not end its operation", "timed_out", "timed_out"}),
    ends_its_own("block-signals", in_task, {"quarantined", "did not return from its operation", "timed_out", "timed_out"}),
    ends_its_own("hang-in-probe", when_reloaded, {"ready", "did not return from its probe"}),
    ends_its_own("hang-in-drain", when_stopped, {"quarantined", "did not return from its drain"}),
    ends_its_own("hang-in-stop", when_stopped, {"quarantined", "did not return from its stop"}),
    ends_its_own("pending-stop", when_stopped, {"quarantined", "did not end its stop"}),
    ends_its_own("hang-in-destroy", when_stopped, {"quarantined", "did not return from its destroy"}),
  };
}

inline Rows spinning() {
  return {
    ends_its_own("spin", in_task, {"quarantined", "did not return from its operation", "timed_out", "timed_out"}),
  };
}

inline Rows answering_rubbish() {
  return {
    both("bad-json", in_task, {"ready", "the result is no JSON", "failed", "result_invalid"}),
    both("bad-utf8", in_task, {"ready", "the result is no JSON", "failed", "result_invalid"}),
    both("deep-json", in_task, {"ready", "the result is no JSON", "failed", "result_invalid"}),
    both("huge-result", in_task, {"ready", "result_bytes_max", "failed", "result_too_big"}),
    both("huge-completion", in_task, {"ready", "result_bytes_max", "failed", "result_too_big"}),
    both("unknown-status", in_task, {"ready", "unknown status 77", "failed", "internal"}),
    both("own-status", in_task, {"ready", "status_1234", "failed", "status_1234"}),
    both("null-result", in_task, {"ready", "failed: invalid", "failed", "invalid"}),
    both("null-completion", in_task, {"ready", "failed: invalid", "failed", "invalid"}),
    both("bad-error-text", in_task, {"ready", "failed: failed", "failed", "failed"}),
    both("outcome-size-zero", in_task, {"ready", "failed: invalid", "failed", "invalid"}),
    both("outcome-size-huge", in_task, {"ready", "failed: invalid", "failed", "invalid"}),
    both("double-completion", in_task, {"ready", "\"first\"", "succeeded"}),
    both("foreign-completion", in_task, {"ready", "\"fine\"", "succeeded"}),
    both("foreign-thread", in_task, {"ready", "from outside", "succeeded"}),
    both("table-huge", in_task, {"ready", "\"fine\"", "succeeded"}),
  };
}

inline Rows that_are_no_plugins() {
  return {
    both("table-too-small", when_started, {"failed", "its table is too small"}),
    both("table-size-zero", when_started, {"failed", "its table is too small"}),
    both("table-null-hooks", when_started, {"failed", "no create or destroy"}),
    both("table-other-abi", when_started, {"failed", "its table is for ABI 2"}),
    both("null-table", when_started, {"failed", "returned NULL"}),
    both("no-invoke", when_started, {"failed", "but no invoke"}),
    both("huge-manifest", when_started, {"failed", "larger than 262144 bytes"}),
    both("hostile-manifest", when_started, {"failed", "manifest"}),
    both("newer-abi", when_started, {"failed", "needs ABI 1.9"}),
    both("missing-interface", when_started, {"failed", "cof.moon/2"}),
  };
}

inline Rows flooding() {
  return {
    both("flood-log", in_task, {"ready", "dropped", "succeeded"}),
    both("flood-events", in_task, {"ready", "\"fine\"", "succeeded"}),
    both("flood-progress", in_task, {"ready", "", "succeeded"}),
    both("flood-tasks", in_task, {"ready", "limit", "failed", "limit_reached"}),
    both("leak-timers", in_task, {"ready", "limit", "failed", "limit_reached"}),
  };
}

inline Rows at_the_system() {
  return {
    needs_sandbox({"socket-in-constructor", when_started, {"ready"}, {"failed", "killed by signal 6"}}),
    needs_sandbox({"file-in-constructor", when_started, {"ready"}, {"failed", "killed by signal 6"}}),
    needs_sandbox({"read-in-constructor", when_started, {"ready"}, {"failed", "killed by signal 6"}}),
    needs_sandbox({"fork-in-constructor", when_started, {"ready"}, {"failed", "killed by signal 6"}}),
    both("thread-in-constructor", when_started, {"ready"}),
    needs_sandbox({"connect-control", in_task, {"ready", "", "succeeded"}, {"ready", "denied", "failed", "denied"}}),
  };
}

// What only a process of its own survives.
inline Row crashes(const char* id, Trouble trouble, Expected expected) {
  return {id, trouble, ends_the_daemon, expected};
}

inline Rows crashing() {
  return {
    crashes("segv-in-constructor", when_started, {"failed", "killed by signal 11"}),
    crashes("segv-in-create", when_started, {"failed", "killed by signal 11"}),
    crashes("segv-in-check", when_started, {"failed", "killed by signal 11"}),
    crashes("segv-in-apply", when_started, {"failed", "killed by signal 11"}),
    crashes("segv-in-start", when_started, {"failed", "killed by signal 11"}),
    crashes("segv-in-invoke", in_task, {"ready", "killed by signal 11", "failed", "plugin_crashed"}),
    crashes("segv-in-reply", in_task, {"ready", "killed by signal 11", "failed", "plugin_crashed"}),
    crashes("segv-in-cancel", in_task, {"ready", "killed by signal 11", "timed_out", "timed_out"}),
    crashes("segv-in-probe", when_reloaded, {"ready", "killed by signal 11"}),
    crashes("segv-in-drain", when_stopped, {"failed", "killed by signal 11"}),
    crashes("segv-in-stop", when_stopped, {"failed", "killed by signal 11"}),
    crashes("segv-in-destroy", when_stopped, {"failed", "killed by signal 11"}),
    crashes("throw-in-constructor", when_started, {"failed", "killed by signal 6"}),
    crashes("exit-in-constructor", when_started, {"failed", "its process with status 0"}),
    crashes("quick-exit-in-start", when_started, {"failed", "its process with status 3"}),
    crashes("exit-in-invoke", in_task, {"ready", "its process with status 0", "failed", "plugin_crashed"}),
    crashes("abort-in-invoke", in_task, {"ready", "killed by signal 6", "failed", "plugin_crashed"}),
    crashes("kill-itself", in_task, {"ready", "killed by signal 9", "failed", "plugin_crashed"}),
    crashes("thread-exit", in_task, {"ready", "ended the thread that it was entered on", "failed", "plugin_crashed"}),
    crashes("stack-overflow", in_task, {"ready", "killed by signal 11", "failed", "plugin_crashed"}),
    needs_sandbox(crashes("eat-memory", in_task, {"ready", "limits.memory_bytes_max", "failed", "memory_limit"})),
    needs_sandbox(crashes("huge-object", in_task, {"ready", "limits.memory_bytes_max", "failed", "memory_limit"})),
  };
}

inline Rows attacking() {
  return {
    needs_sandbox(crashes("exec-program", in_task, {"ready", "", "failed", "unavailable"})),
    needs_sandbox(crashes("fork-bomb", in_task, {"ready", "denied", "failed", "denied"})),
    crashes("leak-descriptors", in_task, {"ready", "", "succeeded"}),
    // It ends by itself, or the daemon, whose end of the socket is closed, is faster.
    crashes("close-all-descriptors", in_task, {"ready", "plugin_crashed", "failed", "plugin_crashed"}),
    crashes("hostile-frames", in_task, {"ready", "so it was ended", "failed", "plugin_broke_protocol"}),
    crashes("read-frames", in_task, {"ready", "", "succeeded"}),
    needs_sandbox(crashes("kill-parent", in_task, {"ready", "denied", "failed", "denied"})),
    needs_sandbox(crashes("trace-parent", in_task, {"ready", "denied", "failed", "denied"})),
    needs_sandbox(crashes("raise-limits", in_task, {"ready", "denied", "failed", "denied"})),
    crashes("ignore-sigterm", in_task, {"ready", "did not return", "timed_out", "timed_out"}),
    crashes("spin-in-threads", in_task, {"ready", "", "succeeded"}),
  };
}

// The last one: the lock of the loader is never free again.
inline Rows blocking_the_loader() {
  return {
    ends_its_own("hanging-constructor", when_started, {"quarantined", "did not return from its load"}, "did not end its load"),
  };
}

// clang-format on

}  // namespace cofounder::test
