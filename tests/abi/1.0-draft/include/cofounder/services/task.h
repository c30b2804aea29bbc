/* SPDX-License-Identifier: Apache-2.0 */
/* cof.task/1: durable tasks, submitted by plugins, and checkpoints of a running one. */
#ifndef COFOUNDER_SERVICES_TASK_H
#define COFOUNDER_SERVICES_TASK_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_TASK_IID "cof.task/1"

typedef struct cof_task_request {
  uint32_t struct_size;
  int32_t priority;       /* -100..100, higher first */
  cof_str op;             /* "plugin.operation"; another plugin's only when the manifest lists it */
  cof_str args;           /* JSON object, checked against the operation's schema; empty: {} */
  cof_str queue;          /* empty: "default" */
  cof_str unique_key;     /* empty: none.  While a task with this key is alive, submit returns it */
  int64_t run_at_ms;      /* wall time, to the end of the year 9999; 0: now */
  int64_t timeout_ms;     /* of one attempt, at most a week; 0: the configured default */
  int32_t attempts_max;   /* 0: the configured default */
  int32_t reserved;       /* 0 */
} cof_task_request;

typedef struct cof_task_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Submits a task.  The reply comes when it is on disk: body = the task's id, value = 1 when
   * it is new and 0 when `unique_key` matched.  Tasks run at least once.  COF_OK, COF_EINVALID,
   * COF_EDENIED, COF_ELIMIT; by reply also COF_EUNAVAILABLE. */
  int32_t (*submit)(const cof_host *host, uint64_t call_id, const cof_task_request *request,
                    uint64_t tag);

  /* [any] Saves `state` for the task whose attempt `call_id` is, replacing the former; a later
   * attempt gets it in cof_invocation.  The reply comes when it is on disk.  At most 1 MiB.
   * COF_OK, COF_EGONE, COF_ETOOBIG; by reply also COF_EUNAVAILABLE. */
  int32_t (*checkpoint)(const cof_host *host, uint64_t call_id, cof_bytes state, uint64_t tag);

  /* [any] Asks for the state of a task of this plugin: body = JSON as GET /v1/tasks/{id}.
   * COF_OK; by reply COF_ENOTFOUND, COF_EUNAVAILABLE. */
  int32_t (*get)(const cof_host *host, uint64_t call_id, cof_str task_id, uint64_t tag);

  /* [any] Cancels a task that this plugin submitted.  COF_OK; by reply COF_ENOTFOUND,
   * COF_EUNAVAILABLE. */
  int32_t (*cancel)(const cof_host *host, uint64_t call_id, cof_str task_id, uint64_t tag);

  /* [any] Ends this attempt without an outcome when the call then ends with COF_DEFERRED: the task
   * waits again until `run_at_ms` (as in a request) with `state` as its checkpoint, in one commit with the
   * end of the attempt, which does not count against attempts_max.  For work that polls for days.
   * COF_OK, COF_EGONE, COF_ETOOBIG. */
  int32_t (*defer)(const cof_host *host, uint64_t call_id, int64_t run_at_ms, cof_bytes state);
} cof_task_service;

#ifdef __cplusplus
}
#endif

#endif
