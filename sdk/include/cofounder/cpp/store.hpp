// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host.hpp"
#include "reply.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What the host keeps for a plugin: its key-value space, tasks, usage records.
namespace cofounder::sdk::inline v1 {

struct KvEntry {
  std::string key;  // empty in the answer of get() and take()
  std::string value;
  std::int64_t version = 0;
};

struct KvPage {
  std::vector<KvEntry> entries;
  bool more = false;
};

// The plugin's durable map; got from Context::kv().
class Kv {
 public:
  static constexpr std::int64_t any = COF_KV_ANY;        // whatever is there
  static constexpr std::int64_t absent = COF_KV_ABSENT;  // only when nothing is there

  Kv(const detail::HostTables& tables, std::uint64_t call_id) noexcept
      : tables_{&tables}, call_id_{call_id} {}

  // Fails with COF_ENOTFOUND when it is absent or expired.
  Future<KvEntry> get(std::string_view key) const {
    return ask<KvEntry>("kv get", &read_entry, &cof_kv_service::get, to_c(key));
  }
  // Atomically reads and removes: of many takers exactly one gets it.
  Future<KvEntry> take(std::string_view key) const {
    return ask<KvEntry>("kv take", &read_entry, &cof_kv_service::take, to_c(key));
  }
  // Answers with the new version, once it is on disk; COF_ECONFLICT (Failure::value is the version
  // that is there) when it is not the expected one.
  Future<std::int64_t> put(std::string_view key, std::string_view value,
                           std::int64_t expected = any, Milliseconds ttl = Milliseconds{0}) const {
    cof_kv_put put{};
    put.struct_size = sizeof put;
    put.key = to_c(key);
    put.value = to_bytes(value);
    put.expected = expected;
    put.ttl_ms = ttl.count();
    return ask<std::int64_t>("kv put", &read_version, &cof_kv_service::put,
                             static_cast<const cof_kv_put*>(&put));
  }
  Future<void> remove(std::string_view key, std::int64_t expected = any) const {
    return ask<void>("kv remove", &detail::read_nothing, &cof_kv_service::remove, to_c(key),
                     expected);
  }
  // Entries in bytewise order of their keys, at most `count` (1..1000).
  Future<KvPage> scan(std::string_view prefix, std::string_view after = {},
                      std::int32_t count = 1000) const {
    auto* pending = new Scan;
    Future<KvPage> future{pending, [](detail::Pending& answered) -> Result<KvPage> {
                            if (answered.last.status < 0) return answered.last.failure();
                            return KvPage{std::move(static_cast<Scan&>(answered).entries),
                                          answered.last.value == 1};
                          }};
    pending->started((*tables_)(tables_->kv, &cof_kv_service::scan, call_id_, to_c(prefix),
                                to_c(after), count, pending->tag()),
                     "kv scan");
    return future;
  }

 private:
  class Scan : public detail::Pending {
   public:
    std::vector<KvEntry> entries;

   protected:
    bool accept(const cof_reply& reply) override {
      entries.push_back(
          KvEntry{std::string{view(reply.name)}, std::string{view(reply.body)}, reply.value});
      return false;
    }
  };

  template <class T, class Slot, class... Args>
  Future<T> ask(const char* what, Result<T> (*read)(detail::Pending&), Slot slot,
                Args... args) const {
    const auto start = [&](std::uint64_t tag) {
      return (*tables_)(tables_->kv, slot, call_id_, args..., tag);
    };
    return detail::ask<T>(what, start, read);
  }
  static Result<KvEntry> read_entry(detail::Pending& answered) {
    if (answered.last.status < 0) return answered.last.failure();
    return KvEntry{{}, std::move(answered.last.body), answered.last.value};
  }
  static Result<std::int64_t> read_version(detail::Pending& answered) {
    if (answered.last.status < 0) return answered.last.failure();
    return answered.last.value;
  }

  const detail::HostTables* tables_;
  std::uint64_t call_id_;
};

// A task to submit.  Not an aggregate on purpose: see task.hpp.
class TaskRequest {
 public:
  explicit TaskRequest(std::string its_op, Json its_args = Json::object())
      : op{std::move(its_op)}, args(std::move(its_args)) {}

  std::string op;  // "plugin.operation"
  Json args;
  std::string queue;       // empty: "default"
  std::string unique_key;  // while a task with this key is alive, submit gives that one
  std::int32_t priority = 0;
  std::optional<WallTime> run_at;
  Milliseconds timeout{0};        // of one attempt; 0: the configured default
  std::int32_t attempts_max = 0;  // 0: the configured default
};

struct Submitted {
  std::string id;
  bool is_new = true;  // false: `unique_key` matched a task that was there
};

// What the use of a provider cost.  Leave out what is not known: unknown is never 0.
class UsageRecord {
 public:
  UsageRecord(std::string its_provider, std::string its_model, std::string its_operation)
      : provider{std::move(its_provider)},
        model{std::move(its_model)},
        operation{std::move(its_operation)} {}

  std::string provider;
  std::string model;
  std::string operation;
  bool failed = false;
  std::optional<std::int64_t> input_tokens;
  std::optional<std::int64_t> output_tokens;
  std::optional<std::int64_t> cached_tokens;
  std::optional<std::int64_t> cost_micros;  // micro-dollars (US)
  std::optional<Milliseconds> duration;
};

namespace detail {

inline std::int32_t submit(const HostTables& tables, std::uint64_t call_id, const TaskRequest& task,
                           std::uint64_t tag) {
  const std::string args = to_text(task.args);
  cof_task_request request{};
  request.struct_size = sizeof request;
  request.priority = task.priority;
  request.op = to_c(task.op);
  request.args = to_c(args);
  request.queue = to_c(task.queue);
  request.unique_key = to_c(task.unique_key);
  request.run_at_ms = task.run_at ? task.run_at->time_since_epoch().count() : 0;
  request.timeout_ms = task.timeout.count();
  request.attempts_max = task.attempts_max;
  return tables(tables.task, &cof_task_service::submit, call_id,
                static_cast<const cof_task_request*>(&request), tag);
}

inline std::int32_t record_usage(const HostTables& tables, std::uint64_t call_id,
                                 const UsageRecord& usage, std::uint64_t tag) {
  cof_usage_record record{};
  record.struct_size = sizeof record;
  record.provider = to_c(usage.provider);
  record.model = to_c(usage.model);
  record.operation = to_c(usage.operation);
  record.failed = usage.failed ? 1 : 0;
  const auto fill = [&record](const std::optional<std::int64_t>& given, std::int64_t& field,
                              std::uint32_t known) {
    if (!given) return;
    field = *given;
    record.known |= known;
  };
  fill(usage.input_tokens, record.input_tokens, COF_USAGE_INPUT_TOKENS);
  fill(usage.output_tokens, record.output_tokens, COF_USAGE_OUTPUT_TOKENS);
  fill(usage.cached_tokens, record.cached_tokens, COF_USAGE_CACHED_TOKENS);
  fill(usage.cost_micros, record.cost_micros, COF_USAGE_COST);
  if (usage.duration) fill(usage.duration->count(), record.duration_ms, COF_USAGE_DURATION);
  return tables(tables.usage, &cof_usage_service::record, call_id,
                static_cast<const cof_usage_record*>(&record), tag);
}

}  // namespace detail
}  // namespace cofounder::sdk::inline v1
