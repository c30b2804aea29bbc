// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/config/config.hpp"
#include "core/host/plugin_host.hpp"
#include "core/host/workers.hpp"
#include "core/scheduler/task.hpp"

#include <cofounder/abi.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace cofounder::host {

class Operation;

// How a call ended, as the plugin said it; texts are checked and copied.
struct CallEnd {
  std::int32_t status = COF_OK;
  std::string result;            // of a success
  std::string code;              // of a failure; empty: the one of the status
  std::string message;
  std::int32_t retryable = 0;    // 1 yes, 2 no, 0 as the status says
  Milliseconds retry_after{0};
};

// What a route's call answers with.
struct RouteSide {
  RouteSink sink;                // loop
  bool head_sent = false;        // loop
  UniqueFunction<void()> on_drain;  // loop: the client reads again; set by cof.route/1
  std::shared_ptr<void> held;    // loop: what cof.route/1 keeps until then

  std::mutex mutex;              // for the three below
  int status = 0;                // 0: respond() was not called
  std::vector<std::pair<std::string, std::string>> headers;
  bool streaming = false;        // a piece was sent

  std::atomic<std::int64_t> bytes_waiting{0};  // any: for cof.route/1's limit
  std::atomic<bool> slow{false};               // any: the client reads too slowly

  // Loop: head() of the sink with what respond() set, once.
  void send_head(int fallback_status, const char* fallback_type);
};

// One call into a plugin, from before it is entered until the last reply for it is delivered.
// Fields without a word of their own are set before it is entered and constant then.
struct Call {
  std::uint64_t id = 0;          // 0: stands for the plugin itself
  std::int32_t kind = 0;         // COF_CALL_*
  std::string name;              // operation, route or topic
  std::string args;
  std::string body;
  std::string task_id;
  std::string checkpoint;
  AttemptKey attempt;            // operation; else {}
  int attempt_number = 0;
  int attempts_max = 0;
  std::int64_t deadline_ns = INT64_MAX;  // hooks: set by the worker that enters
  std::shared_ptr<const PluginConfig> candidate;  // configure: what is checked or applied
  std::unique_ptr<RouteSide> route;

  // From any thread.
  std::atomic<std::int32_t> cancel_reason{0};  // COF_CANCEL_*
  std::atomic<bool> over{false};               // the first end sets it

  mutable std::mutex mutex;      // for the two below
  std::optional<CallEnd> failure;  // cof.error/1: what counts when the entry fails
  struct Deferral {
    Time run_at{};
    std::string checkpoint;
  };
  std::optional<Deferral> deferral;  // cof.task/1 defer()

  // The worker's side.
  Workers::Strand strand;
  enum Stage : int { waiting, entered, skipped };
  std::atomic<int> stage{waiting};             // whether invoke, or the hook, began
  std::atomic<std::int64_t> inside_since_ns{0};  // 0: no worker is inside an entry of it

  // The loop's side.
  std::unordered_map<Operation*, std::shared_ptr<Operation>> attached;
  UniqueFunction<void(CallEnd)> done;          // called once, when it is over
  bool on_worker = false;                      // it counts as in flight
  TimerId timer = 0;                           // deadline (hook, route), then grace
  std::atomic<bool> cancel_delivered{false};   // cancel() returned
  std::atomic<int> replies_owed{0};            // operations of it without their last reply
  Mono started_at{};

  Call() = default;
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;
};

// The calls of one plugin that are not over.  From any thread.
//
// Ids come from one counter of the process: they are never 0, never used twice, and another
// plugin's is unknown here.
class CallTable {
 public:
  // Gives the call its id and enters it.
  void add(const std::shared_ptr<Call>& call);
  // Null when it is over or unknown.
  std::shared_ptr<Call> find(std::uint64_t id) const;
  // True for the first end of the call, which leaves the table; a later one is to be counted.
  bool end(Call& call);
  // All of them, for a plugin that is given up.
  std::vector<std::shared_ptr<Call>> all() const;
  std::size_t size() const;

 private:
  mutable std::mutex mutex_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Call>> calls_;
};

}  // namespace cofounder::host
