// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cofounder/plugin.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What a test tells the fake host, and what the fake host remembers for it.
namespace cofounder::testkit {

// How a call ended.
struct Ended {
  std::int32_t status = COF_OK;
  std::string result;  // JSON of an operation, body of a route
  std::string error_code;
  std::string error_message;
  std::int32_t retryable = 0;  // 1 yes, 2 no, 0 as the status says
  std::int64_t retry_after_ms = 0;
  bool in_entry = false;  // by the entry's return, not by complete()

  bool ok() const noexcept { return status >= 0; }
};

// One call into the plugin.  Stays valid as long as the host.
struct Call {
  std::uint64_t id = 0;
  std::int32_t kind = 0;
  std::string name;
  std::string args;
  std::string task_id;
  std::int64_t deadline_ns = INT64_MAX;
  std::int32_t cancel_reason = 0;
  std::optional<Ended> ended;

  std::vector<std::pair<double, std::string>> progress;
  std::vector<std::string> emitted;
  std::string checkpoint;  // what a later attempt would get
  std::optional<std::int64_t> deferred_to_ms;
  int http_status = 200;  // of a route
  std::string http_headers;
  std::vector<std::string> sent;  // pieces of a streamed route
  std::optional<Ended> failure;   // from cof.error/1, until the call ends
};

struct Logged {
  std::uint64_t call_id;
  std::int32_t level;
  std::string text;
};

struct KvValue {
  std::string value;
  std::int64_t version = 0;
  std::int64_t expires_ms = 0;  // wall time; 0: never
};

struct SubmittedTask {
  std::string id;
  std::string op;
  std::string args;
  std::string queue;
  std::string unique_key;
  std::int32_t priority = 0;
  std::int64_t run_at_ms = 0;
  std::int64_t timeout_ms = 0;
  std::int32_t attempts_max = 0;
  bool cancelled = false;
};

struct UsageSeen {
  std::uint32_t known = 0;
  std::string provider;
  std::string model;
  std::string operation;
  bool failed = false;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::int64_t cached_tokens = 0;
  std::int64_t cost_micros = 0;
  std::int64_t duration_ms = 0;
};

struct MetricFamily {
  std::int32_t kind = 0;
  std::string help;
  std::string unit;
  std::string labels;
  std::vector<double> bounds;
  std::map<std::vector<std::string>, std::vector<double>> values;  // gauges: only the last
};

// A request as the plugin made it; parts from files are read.
struct HttpSent {
  std::uint64_t call_id = 0;
  std::string method;
  std::string url;
  std::string headers;  // lines "Name: value\n"
  std::string body;
  std::int32_t framing = COF_HTTP_WHOLE;
  std::uint32_t flags = 0;
  std::int32_t tries_max = 0;
  std::string retry_statuses;
  std::int64_t connect_timeout_ms = 0;
  std::int64_t total_timeout_ms = 0;
  std::int64_t idle_timeout_ms = 0;
};

// What the fake host answers.  `items` are the chunks, lines or events of a streamed answer, or
// together the body of a whole one.
struct HttpItem {
  std::string body;
  std::string event = {};
  std::string id = {};
};
struct HttpAnswer {
  int status = 200;
  std::string headers;  // lines "name: value\n", names in lower case
  std::vector<HttpItem> items;
  std::int32_t transport = COF_OK;  // a failure of the transport after `items`
  std::int64_t retry_after_ms = 0;
  bool silent = false;  // never answers: until it is cancelled
  bool together = false;  // each of `items` says that the next one is there already

  static HttpAnswer text(int status, std::string body) {
    HttpAnswer answer;
    answer.status = status;
    answer.items.push_back(HttpItem{std::move(body)});
    return answer;
  }
  static HttpAnswer broken(std::int32_t status) {
    HttpAnswer answer;
    answer.transport = status;
    return answer;
  }
  static HttpAnswer silence() {
    HttpAnswer answer;
    answer.silent = true;
    return answer;
  }
};

// A program as the plugin started it.
struct ProgramRun {
  std::uint64_t call_id = 0;
  std::string program;
  std::vector<std::string> args;         // from argv[1]
  std::vector<std::string> environment;  // "NAME=value"
  std::string input;
  std::uint32_t flags = 0;
  std::int32_t output = COF_PROCESS_WHOLE;
  std::int32_t folder = 0;
  std::int64_t timeout_ms = 0;
  std::int64_t grace_ms = 0;
  std::uint64_t output_bytes_max = 0;
  std::uint64_t memory_bytes_max = 0;
  std::vector<std::int32_t> signals;     // that the plugin sent to it
};

// What the fake host lets a program do: it writes the lines and ends.
struct Program {
  std::vector<std::string> lines;
  std::string errors;               // standard error
  int code = 0;
  int signal = 0;                   // that ends it
  std::int32_t refused = COF_OK;    // start() answers so
  std::int32_t status = COF_OK;     // how it ends; negative without lines: it cannot be started
  bool endless = false;             // never ends by itself
  std::uint64_t lines_dropped = 0;  // before the first of `lines`

  static Program text(std::vector<std::string> lines, int code = 0) {
    Program program;
    program.lines = std::move(lines);
    program.code = code;
    return program;
  }
  static Program broken(std::int32_t status) {
    Program program;
    program.status = status;
    return program;
  }
  static Program denied() {
    Program program;
    program.refused = COF_EDENIED;
    return program;
  }
  static Program running(std::vector<std::string> lines = {}) {
    Program program;
    program.lines = std::move(lines);
    program.endless = true;
    return program;
  }
};

// A reply on its way to the plugin.
struct QueuedReply {
  std::uint64_t tag = 0;
  std::uint64_t call_id = 0;
  std::int32_t status = COF_OK;
  std::uint32_t flags = COF_REPLY_LAST;
  std::int32_t kind = 0;
  std::int64_t value = 0;
  std::int64_t value2 = 0;
  std::string body = {};
  std::string name = {};
  std::string id = {};
  std::string error_code = {};
  std::string error_message = {};
  std::int64_t retry_after_ms = 0;
};

struct Timer {
  std::uint64_t handle = 0;
  std::uint64_t call_id = 0;
  std::uint64_t tag = 0;
  std::int64_t due_ns = 0;
};

// A request under way.
struct Transfer {
  std::uint64_t handle = 0;
  std::uint64_t call_id = 0;
  std::uint64_t tag = 0;
  std::uint64_t response_file = 0;
  std::int32_t framing = COF_HTTP_WHOLE;
  bool pulled = false;      // COF_HTTP_PULL
  std::int64_t credit = 0;  // bytes that may still be sent to the plugin
  bool head_sent = false;
  HttpAnswer answer;
  std::size_t next_item = 0;
};

// A program that runs.
struct Process {
  std::uint64_t handle = 0;
  std::uint64_t call_id = 0;
  std::uint64_t tag = 0;
  bool pulled = false;      // COF_PROCESS_PULL
  std::int64_t credit = 0;  // bytes that may still be sent to the plugin
  bool started = false;
  ProgramRun request;
  std::size_t run = 0;      // its place among Host::runs
  Program program;
  std::size_t next_line = 0;
};

struct OpenFile {
  std::uint64_t call_id = 0;
  std::string name;
  std::int32_t mode = 0;
  std::string content;
};

}  // namespace cofounder::testkit
