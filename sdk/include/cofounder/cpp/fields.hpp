// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "../plugin.h"

// The fields of each struct that crosses the border, once: for whoever takes them to bytes and back
// (the host of isolated plugins, the fake host of the tests).
namespace cofounder::abi {

// `visit` is called for every field but struct_size; reserved ones by `visit.reserved`, arrays by
// `visit.structs` and `visit.numbers`.

template <class V>
void fields(V& visit, cof_call& s) {
  visit(s.kind, s.id, s.deadline_ns);
}
template <class V>
void fields(V& visit, cof_invocation& s) {
  visit(s.attempt, s.attempts_max, s.name, s.args, s.body, s.task_id, s.checkpoint);
  visit.reserved(s.reserved);
}
template <class V>
void fields(V& visit, cof_cancel& s) {
  visit(s.reason, s.call_id, s.grace_ns);
}
template <class V>
void fields(V& visit, cof_outcome& s) {
  visit(s.status, s.result, s.error_code, s.error_message, s.retryable, s.retry_after_ms);
  visit.reserved(s.reserved);
}
template <class V>
void fields(V& visit, cof_reply& s) {
  visit(s.status, s.tag, s.call_id, s.flags, s.kind, s.value, s.value2, s.body, s.name, s.id,
        s.error_code, s.error_message, s.retryable, s.retry_after_ms);
  visit.reserved(s.reserved);
}
template <class V>
void fields(V& visit, cof_configuration& s) {
  visit(s.phase, s.json);
}
template <class V>
void fields(V& visit, cof_failure& s) {
  visit(s.retryable, s.code, s.message, s.retry_after_ms);
}
template <class V>
void fields(V& visit, cof_http_part& s) {
  visit(s.bytes, s.file, s.offset, s.size);
  visit.reserved(s.reserved);
}
template <class V>
void fields(V& visit, cof_http_request& s) {
  visit(s.flags, s.method, s.url, s.headers, s.connect_timeout_ms, s.total_timeout_ms,
        s.idle_timeout_ms, s.response_bytes_max, s.framing, s.tries_max, s.response_file,
        s.item_bytes_max, s.retry_wait_max_ms, s.retry_statuses);
  visit.structs(s.parts, s.part_count);
}
template <class V>
void fields(V& visit, cof_kv_put& s) {
  visit(s.key, s.value, s.expected, s.ttl_ms);
  visit.reserved(s.reserved);
}
template <class V>
void fields(V& visit, cof_metric_family& s) {
  visit(s.kind, s.name, s.help, s.unit, s.labels);
  visit.numbers(s.bounds, s.bound_count);
}
template <class V>
void fields(V& visit, cof_task_request& s) {
  visit(s.priority, s.op, s.args, s.queue, s.unique_key, s.run_at_ms, s.timeout_ms, s.attempts_max);
  visit.reserved(s.reserved);
}
template <class V>
void fields(V& visit, cof_usage_record& s) {
  visit(s.known, s.provider, s.model, s.operation, s.failed, s.input_tokens, s.output_tokens,
        s.cached_tokens, s.cost_micros, s.duration_ms);
  visit.reserved(s.reserved);
}
template <class V>
void fields(V& visit, cof_process_request& s) {
  visit(s.flags, s.program, s.args, s.environment, s.input, s.output, s.folder, s.timeout_ms,
        s.grace_ms, s.line_bytes_max, s.output_bytes_max, s.errors_bytes_max, s.memory_bytes_max,
        s.cpu_seconds_max, s.file_bytes_max, s.files_open_max);
}

}  // namespace cofounder::abi
