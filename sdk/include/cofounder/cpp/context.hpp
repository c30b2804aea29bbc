// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "file.hpp"
#include "host.hpp"
#include "http.hpp"
#include "process.hpp"
#include "reply.hpp"
#include "store.hpp"

#include <chrono>
#include <string>
#include <string_view>

namespace cofounder::sdk::inline v1 {

namespace detail {

// A call that this plugin is in, or has pending.
struct Call {
  Call(const HostTables& host, const cof_call& call) noexcept
      : tables{&host}, id{call.id}, deadline_ns{call.deadline_ns} {}
  // Of the plugin itself: what is started for it lives until the plugin stops.
  explicit Call(const HostTables& host) noexcept : tables{&host}, id{0}, deadline_ns{INT64_MAX} {}

  const HostTables* tables;
  std::uint64_t id;
  std::int64_t deadline_ns;
  std::int32_t attempt = 0;
  std::int32_t attempts_max = 0;
  std::string name;
  std::string task_id;
  std::string checkpoint;
};

}  // namespace detail

// One call into the plugin, and all that the host does for it.  Copies are cheap and name the same
// call; use them until the call ends: until the function returns, or its coroutine ends.
//
// When the call is cancelled, what it waits for ends with COF_ECANCELLED, so that a coroutine that
// looks at its results unwinds by itself.  What it starts after that still works, for a short time:
// to save a checkpoint or to cancel something at a provider.
class Context {
 public:
  explicit Context(const detail::Call& call) noexcept : call_{&call} {}

  Host host() const noexcept { return Host{tables()}; }
  std::uint64_t id() const noexcept { return call_->id; }
  // The operation's name, the route's id or the topic of the event.
  std::string_view name() const noexcept { return call_->name; }

  // ---- Of operations
  std::int32_t attempt() const noexcept { return call_->attempt; }  // from 1
  std::int32_t attempts_max() const noexcept { return call_->attempts_max; }
  std::string_view task_id() const noexcept { return call_->task_id; }  // same over all attempts
  // What checkpoint() or defer() saved last; empty at first.
  std::string_view saved() const noexcept { return call_->checkpoint; }

  // ---- Telling
  void log(std::string_view text) const noexcept { log(LogLevel::info, text); }
  void log(LogLevel level, std::string_view text) const noexcept {
    host().log(call_->id, level, text);
  }
  // How far the operation has come, 0..1, negative for unknown.
  void progress(double fraction, std::string_view text = {}) const noexcept {
    tables()(tables().call, &cof_call_service::progress, call_->id, fraction, to_c(text));
  }
  // A piece of output for those who watch the task, in order; answers when there is room for more.
  Future<void> emit(const Json& piece) const {
    const std::string text = to_text(piece);
    return ask<void>("emit", &detail::read_nothing, tables().call, &cof_call_service::emit,
                     to_c(text));
  }
  // As emit(), but COF_ELIMIT when there is no room now.
  Result<void> try_emit(const Json& piece) const {
    const std::string text = to_text(piece);
    return checked(
        tables()(tables().call, &cof_call_service::emit, call_->id, to_c(text), std::uint64_t{0}),
        "emit");
  }

  // ---- Time and cancelling
  // A COF_CANCEL_* reason, or 0.  Cheap; made for loops that do not wait for anything.
  std::int32_t cancel_reason() const noexcept {
    return tables()(tables().call, &cof_call_service::cancel_reason, call_->id);
  }
  bool cancelled() const noexcept {
    const std::int32_t reason = cancel_reason();
    return reason > 0 || reason == COF_EGONE;
  }
  // Until the call is cancelled; a very long time when it has no deadline.
  Nanoseconds time_left() const noexcept {
    if (call_->deadline_ns == INT64_MAX) return Nanoseconds::max();
    return Nanoseconds{call_->deadline_ns} - host().now();
  }
  Future<void> sleep(Nanoseconds delay) const {
    const auto start = [&](std::uint64_t tag) {
      return tables()(tables().timer, &cof_timer_service::after, call_->id,
                      std::int64_t{delay.count()}, tag, static_cast<std::uint64_t*>(nullptr));
    };
    return detail::ask<void>("sleep", start, &detail::read_nothing);
  }
  // The same, with what Host::wake() needs to end it early: `timer` is set before this returns.  It
  // then ends with COF_ECANCELLED, as when the call is cancelled; cancelled() tells which it was.
  Future<void> sleep(Nanoseconds delay, std::uint64_t& timer) const {
    const auto start = [&](std::uint64_t tag) {
      return tables()(tables().timer, &cof_timer_service::after, call_->id,
                      std::int64_t{delay.count()}, tag, &timer);
    };
    return detail::ask<void>("sleep", start, &detail::read_nothing);
  }
  // Lets the call's other entries come first.
  Future<void> yield() const {
    return ask<void>("yield", &detail::read_nothing, tables().call, &cof_call_service::post);
  }

  // ---- The task of this attempt, and others
  // Saves `state` for a later attempt; answers when it is on disk.
  Future<void> checkpoint(std::string_view state) const {
    return ask<void>("checkpoint", &detail::read_nothing, tables().task,
                     &cof_task_service::checkpoint, to_bytes(state));
  }
  // Ends this attempt without an outcome; the task runs again at `run_at` with `state` saved:
  //   co_return ctx.defer(ctx.host().wall() + 1h, state);   (or throw Failed{...} of it)
  Failure defer(WallTime run_at, std::string_view state = {}) const {
    const auto status = tables()(tables().task, &cof_task_service::defer, call_->id,
                                 std::int64_t{run_at.time_since_epoch().count()}, to_bytes(state));
    if (status < 0) return checked(status, "defer").failure();
    return Failure{COF_DEFERRED, "deferred", "The task runs again later."};
  }
  Future<Submitted> submit(const TaskRequest& request) const {
    const auto start = [&](std::uint64_t tag) {
      return detail::submit(tables(), call_->id, request, tag);
    };
    return detail::ask<Submitted>(
        "submit a task", start, +[](detail::Pending& answered) -> Result<Submitted> {
          if (answered.last.status < 0) return answered.last.failure();
          return Submitted{std::move(answered.last.body), answered.last.value == 1};
        });
  }
  // The state of a task that this plugin submitted, as GET /v1/tasks/{id}.
  Future<Json> task(std::string_view task_id) const {
    return ask<Json>("look at a task", &detail::read_json, tables().task, &cof_task_service::get,
                     to_c(task_id));
  }
  Future<void> cancel_task(std::string_view task_id) const {
    return ask<void>("cancel a task", &detail::read_nothing, tables().task,
                     &cof_task_service::cancel, to_c(task_id));
  }

  // ---- Files
  // Opens what stands as a string in the call's args: a path that the operator allows, "upload:ID",
  // or "scratch:attempt/NAME" and "scratch:task/NAME".
  Result<File> open(std::string_view name) const { return open(name, COF_FILE_READ); }
  // A new file, put in place by File::commit().
  Result<File> create(std::string_view name) const { return open(name, COF_FILE_WRITE); }
  // An empty folder of its own, removed with the attempt, or kept until the task is over.
  Result<std::string> scratch() const { return scratch(COF_SCRATCH_ATTEMPT); }
  Result<std::string> task_scratch() const { return scratch(COF_SCRATCH_TASK); }

  // ---- Services
  Http http() const noexcept { return Http{tables(), call_->id}; }
  Kv kv() const noexcept { return Kv{tables(), call_->id}; }
  Programs process() const noexcept { return Programs{tables(), call_->id}; }

  // Records what a provider cost; answers when it is on disk.
  Future<void> usage(const UsageRecord& record) const {
    const auto start = [&](std::uint64_t tag) {
      return detail::record_usage(tables(), call_->id, record, tag);
    };
    return detail::ask<void>("record usage", start, &detail::read_nothing);
  }
  // Sums by "model", "provider", "op" or "day", see services/usage.h.
  Future<Json> usage_sum(std::string_view by, WallTime from, WallTime to) const {
    return ask<Json>("sum up usage", &detail::read_json, tables().usage, &cof_usage_service::sum,
                     to_c(by), std::int64_t{from.time_since_epoch().count()},
                     std::int64_t{to.time_since_epoch().count()});
  }
  // Figures of the task store, see services/stats.h.
  Future<Json> stats(WallTime since = {}) const {
    return ask<Json>("read the task figures", &detail::read_json, tables().stats,
                     &cof_stats_service::tasks, std::int64_t{since.time_since_epoch().count()});
  }

  // A secret by its dotted path in the configuration.  May wait for the disk.
  Result<std::string> secret(std::string_view name) const {
    StringSink sink;
    const auto status =
        tables()(tables().secret, &cof_secret_service::get, call_->id, to_c(name), sink.get());
    if (status >= 0) return sink.take();
    return Failure{status, status_name(status),
                   "The secret " + std::string{name} + " cannot be read: " + status_name(status)};
  }
  // The configuration; in check() and apply() the new one.
  Result<Json> config(std::string_view pointer = {}) const {
    StringSink sink;
    const auto status =
        tables()(tables().config, &cof_config_service::get, call_->id, to_c(pointer), sink.get());
    if (status < 0) return checked(status, "read the configuration").failure();
    return Json::parse(sink.take());
  }

  const detail::HostTables& tables() const noexcept { return *call_->tables; }

 private:
  template <class T, class Table, class Slot, class... Args>
  Future<T> ask(const char* what, Result<T> (*read)(detail::Pending&), const Table* table,
                Slot slot, Args... args) const {
    const auto start = [&](std::uint64_t tag) {
      return tables()(table, slot, call_->id, args..., tag);
    };
    return detail::ask<T>(what, start, read);
  }

  Result<File> open(std::string_view name, std::int32_t mode) const {
    std::uint64_t handle = 0;
    const auto status =
        tables()(tables().file, &cof_file_service::open, call_->id, to_c(name), mode, &handle);
    if (status >= 0) return File{tables(), handle};
    return Failure{status, std::string{"file_"} + status_name(status),
                   argument_with(name) + "The file " + std::string{name} + " cannot be opened: " + why_not(status) + "."};
  }
  // "args.file: " for the argument that is this text; "" when none is.
  std::string argument_with(std::string_view text) const {
    StringSink sink;
    const auto status =
        tables()(tables().call, &cof_call_service::argument, call_->id, cof_str{}, sink.get());
    if (status < 0) return {};
    const Json args = Json::parse(sink.take(), nullptr, /*allow_exceptions=*/false);
    if (!args.is_object()) return {};
    for (const auto& [name, value] : args.items()) {
      if (value.is_string() && value.get_ref<const std::string&>() == text) return "args." + name + ": ";
    }
    return {};
  }
  static const char* why_not(std::int32_t status) {
    switch (status) {
      case COF_EDENIED:
        return "it is outside of the folders that tasks may use, or its mode forbids it";
      case COF_EINVALID:
        return "it is no regular file";
      case COF_ENOTFOUND:
        return "there is no such file";
      case COF_ETOOBIG:
        return "it is too large";
      default:
        return status_name(status);
    }
  }
  Result<std::string> scratch(std::int32_t kind) const {
    StringSink sink;
    const auto status =
        tables()(tables().scratch, &cof_scratch_service::path, call_->id, kind, sink.get());
    if (status < 0) return checked(status, "make a scratch folder").failure();
    return sink.take();
  }

  const detail::Call* call_;
};

}  // namespace cofounder::sdk::inline v1
