/* SPDX-License-Identifier: Apache-2.0 */
/* The layout of version 1.0 of the interface.  Compiled against the frozen headers in this folder and
 * against the ones in sdk/: what stands here never changes; a later version only adds.  With
 * COF_LAYOUT_EXACT sizes must be equal (the frozen headers), else they may have grown. */
#include <cofounder/plugin.h>

#ifdef COF_LAYOUT_EXACT
#define SIZE(type, bytes) COF_STATIC_ASSERT(sizeof(type) == bytes, #type)
#else
#define SIZE(type, bytes) COF_STATIC_ASSERT(sizeof(type) >= bytes, #type)
#endif
#define FROZEN(type, bytes) COF_STATIC_ASSERT(sizeof(type) == bytes, #type)
#define AT(type, field, offset, bytes)                                             \
  COF_STATIC_ASSERT(offsetof(type, field) == offset &&                             \
                        sizeof(((const type *)0)->field) == bytes, #type "." #field)
#define VALUE(name, number) COF_STATIC_ASSERT((name) == (number), #name)

/* ---- abi.h */

FROZEN(cof_str, 16);
AT(cof_str, data, 0, 8);
AT(cof_str, size, 8, 8);

FROZEN(cof_bytes, 16);
AT(cof_bytes, data, 0, 8);
AT(cof_bytes, size, 8, 8);

FROZEN(cof_sink, 16);
AT(cof_sink, context, 0, 8);
AT(cof_sink, write, 8, 8);

SIZE(cof_host, 64);
AT(cof_host, struct_size, 0, 4);
AT(cof_host, abi_major, 4, 4);
AT(cof_host, abi_minor, 8, 4);
AT(cof_host, reserved, 12, 4);
AT(cof_host, context, 16, 8);
AT(cof_host, query, 24, 8);
AT(cof_host, version, 32, 16);
AT(cof_host, plugin_id, 48, 16);

SIZE(cof_call, 24);
AT(cof_call, struct_size, 0, 4);
AT(cof_call, kind, 4, 4);
AT(cof_call, id, 8, 8);
AT(cof_call, deadline_ns, 16, 8);

SIZE(cof_invocation, 96);
AT(cof_invocation, struct_size, 0, 4);
AT(cof_invocation, attempt, 4, 4);
AT(cof_invocation, attempts_max, 8, 4);
AT(cof_invocation, reserved, 12, 4);
AT(cof_invocation, name, 16, 16);
AT(cof_invocation, args, 32, 16);
AT(cof_invocation, body, 48, 16);
AT(cof_invocation, task_id, 64, 16);
AT(cof_invocation, checkpoint, 80, 16);

SIZE(cof_cancel, 24);
AT(cof_cancel, struct_size, 0, 4);
AT(cof_cancel, reason, 4, 4);
AT(cof_cancel, call_id, 8, 8);
AT(cof_cancel, grace_ns, 16, 8);

SIZE(cof_outcome, 72);
AT(cof_outcome, struct_size, 0, 4);
AT(cof_outcome, status, 4, 4);
AT(cof_outcome, result, 8, 16);
AT(cof_outcome, error_code, 24, 16);
AT(cof_outcome, error_message, 40, 16);
AT(cof_outcome, retryable, 56, 4);
AT(cof_outcome, reserved, 60, 4);
AT(cof_outcome, retry_after_ms, 64, 8);

SIZE(cof_reply, 144);
AT(cof_reply, struct_size, 0, 4);
AT(cof_reply, status, 4, 4);
AT(cof_reply, tag, 8, 8);
AT(cof_reply, call_id, 16, 8);
AT(cof_reply, flags, 24, 4);
AT(cof_reply, kind, 28, 4);
AT(cof_reply, value, 32, 8);
AT(cof_reply, value2, 40, 8);
AT(cof_reply, body, 48, 16);
AT(cof_reply, name, 64, 16);
AT(cof_reply, id, 80, 16);
AT(cof_reply, error_code, 96, 16);
AT(cof_reply, error_message, 112, 16);
AT(cof_reply, retryable, 128, 4);
AT(cof_reply, reserved, 132, 4);
AT(cof_reply, retry_after_ms, 136, 8);

SIZE(cof_configuration, 24);
AT(cof_configuration, struct_size, 0, 4);
AT(cof_configuration, phase, 4, 4);
AT(cof_configuration, json, 8, 16);

SIZE(cof_plugin, 96);
AT(cof_plugin, struct_size, 0, 4);
AT(cof_plugin, abi_major, 4, 4);
AT(cof_plugin, abi_minor, 8, 4);
AT(cof_plugin, reserved, 12, 4);
AT(cof_plugin, create, 16, 8);
AT(cof_plugin, destroy, 24, 8);
AT(cof_plugin, configure, 32, 8);
AT(cof_plugin, start, 40, 8);
AT(cof_plugin, invoke, 48, 8);
AT(cof_plugin, reply, 56, 8);
AT(cof_plugin, cancel, 64, 8);
AT(cof_plugin, drain, 72, 8);
AT(cof_plugin, stop, 80, 8);
AT(cof_plugin, probe, 88, 8);

/* ---- services/call.h */

SIZE(cof_call_service, 56);
AT(cof_call_service, struct_size, 0, 4);
AT(cof_call_service, minor, 4, 4);
AT(cof_call_service, complete, 8, 8);
AT(cof_call_service, cancel_reason, 16, 8);
AT(cof_call_service, progress, 24, 8);
AT(cof_call_service, emit, 32, 8);
AT(cof_call_service, argument, 40, 8);
AT(cof_call_service, post, 48, 8);

/* ---- services/config.h */

SIZE(cof_config_service, 16);
AT(cof_config_service, struct_size, 0, 4);
AT(cof_config_service, minor, 4, 4);
AT(cof_config_service, get, 8, 8);

/* ---- services/error.h */

SIZE(cof_failure, 48);
AT(cof_failure, struct_size, 0, 4);
AT(cof_failure, retryable, 4, 4);
AT(cof_failure, code, 8, 16);
AT(cof_failure, message, 24, 16);
AT(cof_failure, retry_after_ms, 40, 8);

SIZE(cof_error_service, 16);
AT(cof_error_service, struct_size, 0, 4);
AT(cof_error_service, minor, 4, 4);
AT(cof_error_service, set, 8, 8);

/* ---- services/event.h */

SIZE(cof_event_service, 32);
AT(cof_event_service, struct_size, 0, 4);
AT(cof_event_service, minor, 4, 4);
AT(cof_event_service, publish, 8, 8);
AT(cof_event_service, subscribe, 16, 8);
AT(cof_event_service, unsubscribe, 24, 8);

/* ---- services/file.h */

SIZE(cof_file_service, 64);
AT(cof_file_service, struct_size, 0, 4);
AT(cof_file_service, minor, 4, 4);
AT(cof_file_service, open, 8, 8);
AT(cof_file_service, size, 16, 8);
AT(cof_file_service, read, 24, 8);
AT(cof_file_service, write, 32, 8);
AT(cof_file_service, commit, 40, 8);
AT(cof_file_service, name, 48, 8);
AT(cof_file_service, release, 56, 8);

/* ---- services/http.h */

SIZE(cof_http_part, 48);
AT(cof_http_part, struct_size, 0, 4);
AT(cof_http_part, reserved, 4, 4);
AT(cof_http_part, bytes, 8, 16);
AT(cof_http_part, file, 24, 8);
AT(cof_http_part, offset, 32, 8);
AT(cof_http_part, size, 40, 8);

SIZE(cof_http_request, 152);
AT(cof_http_request, struct_size, 0, 4);
AT(cof_http_request, flags, 4, 4);
AT(cof_http_request, method, 8, 16);
AT(cof_http_request, url, 24, 16);
AT(cof_http_request, headers, 40, 16);
AT(cof_http_request, parts, 56, 8);
AT(cof_http_request, part_count, 64, 8);
AT(cof_http_request, connect_timeout_ms, 72, 8);
AT(cof_http_request, total_timeout_ms, 80, 8);
AT(cof_http_request, idle_timeout_ms, 88, 8);
AT(cof_http_request, response_bytes_max, 96, 8);
AT(cof_http_request, framing, 104, 4);
AT(cof_http_request, tries_max, 108, 4);
AT(cof_http_request, response_file, 112, 8);
AT(cof_http_request, item_bytes_max, 120, 8);
AT(cof_http_request, retry_wait_max_ms, 128, 8);
AT(cof_http_request, retry_statuses, 136, 16);

SIZE(cof_http_service, 32);
AT(cof_http_service, struct_size, 0, 4);
AT(cof_http_service, minor, 4, 4);
AT(cof_http_service, start, 8, 8);
AT(cof_http_service, cancel, 16, 8);
AT(cof_http_service, pull, 24, 8);

/* ---- services/identity.h */

SIZE(cof_identity_service, 16);
AT(cof_identity_service, struct_size, 0, 4);
AT(cof_identity_service, minor, 4, 4);
AT(cof_identity_service, who, 8, 8);

/* ---- services/kv.h */

SIZE(cof_kv_put, 56);
AT(cof_kv_put, struct_size, 0, 4);
AT(cof_kv_put, reserved, 4, 4);
AT(cof_kv_put, key, 8, 16);
AT(cof_kv_put, value, 24, 16);
AT(cof_kv_put, expected, 40, 8);
AT(cof_kv_put, ttl_ms, 48, 8);

SIZE(cof_kv_service, 48);
AT(cof_kv_service, struct_size, 0, 4);
AT(cof_kv_service, minor, 4, 4);
AT(cof_kv_service, get, 8, 8);
AT(cof_kv_service, put, 16, 8);
AT(cof_kv_service, remove, 24, 8);
AT(cof_kv_service, take, 32, 8);
AT(cof_kv_service, scan, 40, 8);

/* ---- services/log.h */

SIZE(cof_log_service, 24);
AT(cof_log_service, struct_size, 0, 4);
AT(cof_log_service, minor, 4, 4);
AT(cof_log_service, write, 8, 8);
AT(cof_log_service, enabled, 16, 8);

/* ---- services/metric.h */

SIZE(cof_metric_family, 88);
AT(cof_metric_family, struct_size, 0, 4);
AT(cof_metric_family, kind, 4, 4);
AT(cof_metric_family, name, 8, 16);
AT(cof_metric_family, help, 24, 16);
AT(cof_metric_family, unit, 40, 16);
AT(cof_metric_family, labels, 56, 16);
AT(cof_metric_family, bounds, 72, 8);
AT(cof_metric_family, bound_count, 80, 8);

SIZE(cof_metric_service, 56);
AT(cof_metric_service, struct_size, 0, 4);
AT(cof_metric_service, minor, 4, 4);
AT(cof_metric_service, family, 8, 8);
AT(cof_metric_service, add, 16, 8);
AT(cof_metric_service, set, 24, 8);
AT(cof_metric_service, observe, 32, 8);
AT(cof_metric_service, forget, 40, 8);
AT(cof_metric_service, snapshot, 48, 8);

/* ---- services/process.h */

SIZE(cof_process_request, 152);
AT(cof_process_request, struct_size, 0, 4);
AT(cof_process_request, flags, 4, 4);
AT(cof_process_request, program, 8, 16);
AT(cof_process_request, args, 24, 16);
AT(cof_process_request, environment, 40, 16);
AT(cof_process_request, input, 56, 16);
AT(cof_process_request, output, 72, 4);
AT(cof_process_request, folder, 76, 4);
AT(cof_process_request, timeout_ms, 80, 8);
AT(cof_process_request, grace_ms, 88, 8);
AT(cof_process_request, line_bytes_max, 96, 8);
AT(cof_process_request, output_bytes_max, 104, 8);
AT(cof_process_request, errors_bytes_max, 112, 8);
AT(cof_process_request, memory_bytes_max, 120, 8);
AT(cof_process_request, cpu_seconds_max, 128, 8);
AT(cof_process_request, file_bytes_max, 136, 8);
AT(cof_process_request, files_open_max, 144, 8);

SIZE(cof_process_service, 40);
AT(cof_process_service, struct_size, 0, 4);
AT(cof_process_service, minor, 4, 4);
AT(cof_process_service, start, 8, 8);
AT(cof_process_service, signal, 16, 8);
AT(cof_process_service, cancel, 24, 8);
AT(cof_process_service, pull, 32, 8);

/* ---- services/route.h */

SIZE(cof_route_service, 24);
AT(cof_route_service, struct_size, 0, 4);
AT(cof_route_service, minor, 4, 4);
AT(cof_route_service, respond, 8, 8);
AT(cof_route_service, send, 16, 8);

/* ---- services/scratch.h */

SIZE(cof_scratch_service, 16);
AT(cof_scratch_service, struct_size, 0, 4);
AT(cof_scratch_service, minor, 4, 4);
AT(cof_scratch_service, path, 8, 8);

/* ---- services/secret.h */

SIZE(cof_secret_service, 16);
AT(cof_secret_service, struct_size, 0, 4);
AT(cof_secret_service, minor, 4, 4);
AT(cof_secret_service, get, 8, 8);

/* ---- services/stats.h */

SIZE(cof_stats_service, 16);
AT(cof_stats_service, struct_size, 0, 4);
AT(cof_stats_service, minor, 4, 4);
AT(cof_stats_service, tasks, 8, 8);

/* ---- services/task.h */

SIZE(cof_task_request, 96);
AT(cof_task_request, struct_size, 0, 4);
AT(cof_task_request, priority, 4, 4);
AT(cof_task_request, op, 8, 16);
AT(cof_task_request, args, 24, 16);
AT(cof_task_request, queue, 40, 16);
AT(cof_task_request, unique_key, 56, 16);
AT(cof_task_request, run_at_ms, 72, 8);
AT(cof_task_request, timeout_ms, 80, 8);
AT(cof_task_request, attempts_max, 88, 4);
AT(cof_task_request, reserved, 92, 4);

SIZE(cof_task_service, 48);
AT(cof_task_service, struct_size, 0, 4);
AT(cof_task_service, minor, 4, 4);
AT(cof_task_service, submit, 8, 8);
AT(cof_task_service, checkpoint, 16, 8);
AT(cof_task_service, get, 24, 8);
AT(cof_task_service, cancel, 32, 8);
AT(cof_task_service, defer, 40, 8);

/* ---- services/timer.h */

SIZE(cof_timer_service, 40);
AT(cof_timer_service, struct_size, 0, 4);
AT(cof_timer_service, minor, 4, 4);
AT(cof_timer_service, after, 8, 8);
AT(cof_timer_service, cancel, 16, 8);
AT(cof_timer_service, now_ns, 24, 8);
AT(cof_timer_service, wall_ms, 32, 8);

/* ---- services/usage.h */

SIZE(cof_usage_record, 104);
AT(cof_usage_record, struct_size, 0, 4);
AT(cof_usage_record, known, 4, 4);
AT(cof_usage_record, provider, 8, 16);
AT(cof_usage_record, model, 24, 16);
AT(cof_usage_record, operation, 40, 16);
AT(cof_usage_record, failed, 56, 4);
AT(cof_usage_record, reserved, 60, 4);
AT(cof_usage_record, input_tokens, 64, 8);
AT(cof_usage_record, output_tokens, 72, 8);
AT(cof_usage_record, cached_tokens, 80, 8);
AT(cof_usage_record, cost_micros, 88, 8);
AT(cof_usage_record, duration_ms, 96, 8);

SIZE(cof_usage_service, 24);
AT(cof_usage_service, struct_size, 0, 4);
AT(cof_usage_service, minor, 4, 4);
AT(cof_usage_service, record, 8, 8);
AT(cof_usage_service, sum, 16, 8);

/* ---- Values */

VALUE(COF_OK, 0);
VALUE(COF_PENDING, 1);
VALUE(COF_DEFERRED, 2);
VALUE(COF_EFAILED, -1);
VALUE(COF_EINVALID, -2);
VALUE(COF_ENOTFOUND, -3);
VALUE(COF_EEXISTS, -4);
VALUE(COF_EDENIED, -5);
VALUE(COF_ELIMIT, -6);
VALUE(COF_ECANCELLED, -7);
VALUE(COF_ETIMEDOUT, -8);
VALUE(COF_EUNAVAILABLE, -9);
VALUE(COF_ECONFLICT, -10);
VALUE(COF_EUNSUPPORTED, -11);
VALUE(COF_EGONE, -12);
VALUE(COF_ETOOBIG, -13);
VALUE(COF_EINTERNAL, -14);
VALUE(COF_ECRASHED, -15);
VALUE(COF_CALL_CREATE, 1);
VALUE(COF_CALL_CONFIGURE, 2);
VALUE(COF_CALL_START, 3);
VALUE(COF_CALL_OPERATION, 4);
VALUE(COF_CALL_ROUTE, 5);
VALUE(COF_CALL_EVENT, 6);
VALUE(COF_CALL_PROBE, 7);
VALUE(COF_CALL_DRAIN, 8);
VALUE(COF_CALL_STOP, 9);
VALUE(COF_CANCEL_REQUESTED, 1);
VALUE(COF_CANCEL_DEADLINE, 2);
VALUE(COF_CANCEL_STOPPING, 3);
VALUE(COF_REPLY_LAST, 1);
VALUE(COF_CONFIGURE_CHECK, 1);
VALUE(COF_CONFIGURE_APPLY, 2);
VALUE(COF_FILE_READ, 1);
VALUE(COF_FILE_WRITE, 2);
VALUE(COF_HTTP_WHOLE, 0);
VALUE(COF_HTTP_CHUNKS, 1);
VALUE(COF_HTTP_LINES, 2);
VALUE(COF_HTTP_SSE, 3);
VALUE(COF_HTTP_FILE, 4);
VALUE(COF_HTTP_HEAD, 1);
VALUE(COF_HTTP_BODY, 2);
VALUE(COF_HTTP_END, 3);
VALUE(COF_HTTP_IDEMPOTENT, 1);
VALUE(COF_HTTP_PULL, 2);
VALUE(COF_KV_ANY, -1);
VALUE(COF_KV_ABSENT, 0);
VALUE(COF_KV_ENTRY, 1);
VALUE(COF_LOG_DEBUG, 1);
VALUE(COF_LOG_INFO, 2);
VALUE(COF_LOG_WARNING, 3);
VALUE(COF_LOG_ERROR, 4);
VALUE(COF_METRIC_COUNTER, 1);
VALUE(COF_METRIC_GAUGE, 2);
VALUE(COF_METRIC_HISTOGRAM, 3);
VALUE(COF_PROCESS_WHOLE, 0);
VALUE(COF_PROCESS_LINES, 1);
VALUE(COF_PROCESS_DISCARD, 2);
VALUE(COF_PROCESS_STARTED, 1);
VALUE(COF_PROCESS_OUTPUT, 2);
VALUE(COF_PROCESS_END, 3);
VALUE(COF_PROCESS_PULL, 1);
VALUE(COF_PROCESS_MERGE, 2);
VALUE(COF_SCRATCH_ATTEMPT, 1);
VALUE(COF_SCRATCH_TASK, 2);
VALUE(COF_USAGE_INPUT_TOKENS, 1);
VALUE(COF_USAGE_OUTPUT_TOKENS, 2);
VALUE(COF_USAGE_CACHED_TOKENS, 4);
VALUE(COF_USAGE_COST, 8);
VALUE(COF_USAGE_DURATION, 16);
VALUE(COF_ABI_MAJOR, 1);
VALUE(COF_TEXT_BYTES_MAX, 8388608);
VALUE(COF_BYTES_BYTES_MAX, 1073741824);
VALUE(COF_NOTE_MANIFEST, 1);
VALUE(COF_MANIFEST_BYTES_MAX, 262144);
