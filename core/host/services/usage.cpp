// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/service.hpp"

#include <cofounder/services/usage.h>

namespace cofounder::host {
namespace {

using Record = UsageStore::Record;
using By = UsageStore::By;

constexpr std::uint32_t known_flags = COF_USAGE_INPUT_TOKENS | COF_USAGE_OUTPUT_TOKENS |
                                      COF_USAGE_CACHED_TOKENS | COF_USAGE_COST |
                                      COF_USAGE_DURATION;
constexpr std::size_t name_bytes_max = 256;

// The figure when it is known; false for one that cannot be.
bool take_figure(std::uint32_t known, std::uint32_t flag, std::int64_t given,
                 std::optional<std::int64_t>& out) {
  if ((known & flag) == 0) return true;
  out = given;
  return given >= 0;
}

std::int32_t take_record(const cof_usage_record* given, Record& record) {
  cof_usage_record local;
  std::string_view provider, model, operation;
  if (const auto status = take_struct(given, local); status != COF_OK) return status;
  if ((local.known & ~known_flags) != 0 || local.reserved != 0 || local.failed < 0 ||
      local.failed > 1) {
    return COF_EUNSUPPORTED;
  }
  if (const auto status = first_of({take_text(local.provider, provider, name_bytes_max),
                                    take_text(local.model, model, name_bytes_max),
                                    take_text(local.operation, operation, name_bytes_max)});
      status != COF_OK) {
    return status;
  }
  std::optional<std::int64_t> duration;
  if (provider.empty() ||
      !take_figure(local.known, COF_USAGE_INPUT_TOKENS, local.input_tokens, record.input_tokens) ||
      !take_figure(local.known, COF_USAGE_OUTPUT_TOKENS, local.output_tokens,
                   record.output_tokens) ||
      !take_figure(local.known, COF_USAGE_CACHED_TOKENS, local.cached_tokens,
                   record.cached_tokens) ||
      !take_figure(local.known, COF_USAGE_COST, local.cost_micros, record.cost_micros) ||
      !take_figure(local.known, COF_USAGE_DURATION, local.duration_ms, duration)) {
    return COF_EINVALID;
  }
  record.provider = provider;
  record.model = model;
  record.operation = operation;
  record.succeeded = local.failed == 0;
  record.took = Milliseconds{duration.value_or(0)};
  return COF_OK;
}

int32_t record(const cof_host* host, uint64_t call_id, const cof_usage_record* given,
               uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    Record record;
    if (const auto status = take_record(given, record); status != COF_OK) return status;
    const auto call = instance.find_call(call_id);
    if (call == nullptr) return COF_EGONE;
    record.plugin = instance.id();
    record.task = call->attempt.task;
    record.at = clock_of(instance).now();
    return start_operation(
        instance, call_id, tag, Ends::as_it_does,
        [record = std::move(record)](Instance& at, const std::shared_ptr<Answer>& answer) mutable {
          at.ports().usage.usage_record(std::move(record), [answer](Result<bool> done) {
            answer->give(done ? Reply{} : Reply::failure(done.error()));
          });
        });
  });
}

std::optional<By> parse_by(std::string_view text) {
  if (text == "model") return By::model;
  if (text == "provider") return By::provider;
  if (text == "op") return By::op;
  if (text == "day") return By::day;
  return std::nullopt;
}

std::string sums_json(const std::vector<UsageStore::Sum>& sums) {
  json::Writer out;
  out.begin_object().key("rows").begin_array();
  for (const auto& sum : sums) {
    out.begin_object()
        .member("key", sum.key)
        .member("calls", sum.calls)
        .member("failed", sum.failed)
        .member("input_tokens", sum.input_tokens)
        .member("output_tokens", sum.output_tokens)
        .member("cost_micros", sum.cost_micros)
        .member("unpriced", sum.unpriced)
        .end_object();
  }
  return out.end_array().end_object().take();
}

int32_t sum(const cof_host* host, uint64_t call_id, cof_str given, int64_t from_ms, int64_t to_ms,
            uint64_t tag) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view text;
    if (const auto status = take_text(given, text); status != COF_OK) return status;
    const auto by = parse_by(text);
    if (tag == 0 || !by || from_ms < 0 || to_ms < from_ms) return COF_EINVALID;
    return start_operation(
        instance, call_id, tag, Ends::with_cancel,
        [by = *by, from_ms, to_ms](Instance& at, const std::shared_ptr<Answer>& answer) {
          at.ports().usage.usage_sum(
              by, Time{Milliseconds{from_ms}}, Time{Milliseconds{to_ms}},
              [answer](Result<std::vector<UsageStore::Sum>> sums) {
                Reply reply;
                if (sums) {
                  reply.body = sums_json(*sums);
                } else {
                  reply = Reply::failure(sums.error());
                  reply.status = COF_EUNAVAILABLE;
                }
                answer->give(std::move(reply));
              });
        });
  });
}

}  // namespace

const void* usage_table() noexcept {
  static const cof_usage_service table{sizeof(cof_usage_service), 0, record, sum};
  return &table;
}

}  // namespace cofounder::host
