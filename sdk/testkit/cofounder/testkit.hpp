// SPDX-License-Identifier: Apache-2.0
#pragma once

// A fake host for unit tests of plugins.
//
//   cofounder::testkit::Host host{*cof_plugin_entry_v1()};
//   host.answer(HttpAnswer::text(200, R"({"id": 1})"));
//   host.start(R"({"api_key": {"secret": "key"}})");
//   auto& call = host.operation("upload", R"({"file": "/tmp/a.png"})");
//   host.run();
//   EXPECT_EQ(call.ended->status, COF_OK);
//
// It loads nothing (link the plugin into the test, or load it yourself), has no thread and no clock
// of its own: run() delivers what is due, advance() moves the time.  Whatever crosses the border in
// either direction is turned into bytes and back, and what was lent to the plugin is overwritten
// when its function returns: a plugin that keeps a borrowed pointer, or that relies on an address,
// fails here.  It answers for everything that the plugin asks, and remembers it in the members
// below.
//
// A serial plugin is tested from one thread.  For a parallel one, call operation() and run() from
// several: entries of one call never overlap, others do.
#include "testkit/records.hpp"
#include "testkit/wire.hpp"

#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder::testkit {

struct Slots;

class Host {
 public:
  struct Options {
    std::string plugin_id = "plugin";
    std::set<std::string> without;  // interfaces that this host does not have: "cof.kv/1"
  };

  explicit Host(const cof_plugin& plugin, Options options);
  explicit Host(const cof_plugin& plugin) : Host{plugin, Options{}} {}
  // Stops and destroys the plugin when the test has not.
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  // ---- Life.  Each gives the hook's end; start() does create, CHECK, APPLY and start and throws
  // std::runtime_error when one fails.
  void start(std::string_view config = "{}");
  Call& create();
  Call& configure(std::int32_t phase, std::string_view config);
  Call& hook(std::int32_t kind);  // COF_CALL_START, _PROBE, _DRAIN, _STOP
  // Ends what runs, and destroys.
  void stop();

  // ---- Calls.  They return when the entry does; run() then goes on with what is pending.
  struct OperationOptions {
    std::int32_t attempt = 1;
    std::int32_t attempts_max = 3;
    std::string task_id = "task-1";
    std::string checkpoint = {};
    std::int64_t timeout_ns = 0;  // 0: no deadline
  };
  Call& operation(std::string_view name, std::string_view args, const OperationOptions& options);
  Call& operation(std::string_view name, std::string_view args) {
    return operation(name, args, OperationOptions{});
  }
  Call& route(std::string_view id, std::string_view head, std::string_view body = {});
  Call& event(std::string_view topic, std::string_view json);

  // Cancels a call as the host does: what it waits for ends with COF_ECANCELLED.
  void cancel(Call& call, std::int32_t reason = COF_CANCEL_REQUESTED);

  // ---- Time
  // Delivers all replies that are due, until there are none.
  void run();
  // Moves both clocks, timer by timer, and runs; calls whose deadline passes are cancelled.
  void advance(std::int64_t ns);
  std::int64_t now_ns = 1'000'000'000;
  std::int64_t wall_ms = 1'700'000'000'000;

  // ---- Script
  // The answer to the next request that has none; in order.
  void answer(HttpAnswer answer) { answers.push_back(std::move(answer)); }
  std::deque<HttpAnswer> answers;
  // When set, answers every request instead.
  std::function<HttpAnswer(const HttpSent&)> on_request;
  // What the next program does; in order.  None left: COF_ENOTFOUND.
  void program(Program program) { programs.push_back(std::move(program)); }
  std::deque<Program> programs;
  // When set, answers for every program instead.
  std::function<Program(const ProgramRun&)> on_program;
  std::map<std::string, std::string> files;  // what open() finds, and where commit() puts it
  std::map<std::string, std::string> secrets;
  std::map<std::string, std::string> task_states;  // JSON by id, for cof.task/1 get()
  std::string stats_json;                          // empty: COF_EUNAVAILABLE
  std::string usage_json = R"({"rows": []})";
  std::string metrics_json = R"({"families": []})";
  std::int32_t kv_status = COF_OK;  // negative: the store is away
  std::int32_t submit_status = COF_OK;
  std::string identity_json;  // who sends requests, for cof.identity/1; empty: nobody
  std::int32_t identity_status = COF_OK;  // negative: it cannot be known
  bool room = true;  // false: emit and send() are not taken (COF_ELIMIT)
  // Changes what is about to be lent to invoke(), for instance fields of a newer header.
  std::function<void(cof_invocation&)> before_invoke;

  // ---- Records
  std::list<Call> calls;
  std::vector<Logged> logs;
  std::vector<HttpSent> requests;
  std::vector<ProgramRun> runs;
  std::map<std::string, KvValue> values;
  std::vector<SubmittedTask> tasks;
  std::vector<UsageSeen> usages;
  std::map<std::string, MetricFamily> metrics;
  std::vector<std::pair<std::string, std::string>> published;
  std::set<std::string> subscribed;
  std::map<std::uint64_t, OpenFile> open_files;
  std::map<std::uint64_t, Transfer> transfers;
  std::map<std::uint64_t, Process> processes;  // that run
  std::vector<std::string> violations;  // rules of abi.h that the plugin broke
  int late_completions = 0;
  int replies_delivered = 0;
  int http_cancels = 0;
  int process_cancels = 0;

  bool logged(std::string_view part) const;
  // Tags that were accepted and have not had their last reply.
  std::size_t open_tags() const { return open_tags_.size(); }

  // The tables, to be shortened or extended by tests of other versions.
  cof_host host{};
  cof_call_service call_table{};
  cof_config_service config_table{};
  cof_error_service error_table{};
  cof_event_service event_table{};
  cof_file_service file_table{};
  cof_http_service http_table{};
  cof_identity_service identity_table{};
  cof_kv_service kv_table{};
  cof_log_service log_table{};
  cof_metric_service metric_table{};
  cof_process_service process_table{};
  cof_route_service route_table{};
  cof_scratch_service scratch_table{};
  cof_secret_service secret_table{};
  cof_stats_service stats_table{};
  cof_task_service task_table{};
  cof_timer_service timer_table{};
  cof_usage_service usage_table{};
  std::map<std::string, const void*> tables;  // what query() gives

 private:
  friend struct Slots;

  template <class Enter>
  void enter(Call& call, std::string* result, Enter&& entry);
  Call& new_call(std::int32_t kind, std::string_view name, std::int64_t timeout_ns);
  Call& invoke(Call& call, cof_invocation invocation);
  void end(Call& call, Ended ended);
  void end_waiting(std::uint64_t call_id);  // what waits for this call: COF_ECANCELLED
  bool deliver_one();
  void deliver(const QueuedReply& reply);
  bool fire_timer(std::int64_t until_ns);
  void move_to(std::int64_t until_ns);

  // Of the slots, with the lock held.
  Call* find_running(std::uint64_t id);
  bool accepts(std::uint64_t call_id) { return call_id == 0 || find_running(call_id) != nullptr; }
  void accept_tag(std::uint64_t tag);
  void queue(QueuedReply reply);
  void pump(Transfer& transfer);  // sends what its answer and its credit allow
  void finish_transfer(Transfer& transfer, std::int32_t status);
  void pump(Process& process);
  void finish_program(Process& process, std::int32_t status);
  void complain(std::string text) { violations.push_back(std::move(text)); }

  const cof_plugin* plugin_;
  Options options_;
  void* self_ = nullptr;
  std::string config_ = "{}";
  std::string new_config_;
  std::uint64_t next_call_ = 0;
  std::uint64_t next_handle_ = 0;
  std::int64_t next_version_ = 0;
  std::deque<QueuedReply> replies_;
  std::vector<Timer> timers_;
  std::multiset<std::uint64_t> open_tags_;
  std::map<std::uint64_t, std::string> families_;
  std::map<std::string, std::string> scratch_paths_;
  std::set<std::uint64_t> busy_;  // calls that are being entered
  mutable std::recursive_mutex mutex_;
  std::condition_variable_any idle_;
};

}  // namespace cofounder::testkit

#include "testkit/host.hpp"
#include "testkit/process.hpp"
#include "testkit/slots.hpp"
#include "testkit/slots_task.hpp"
#include "testkit/transfer.hpp"
