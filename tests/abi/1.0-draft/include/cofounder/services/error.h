/* SPDX-License-Identifier: Apache-2.0 */
/* cof.error/1: why a call failed, in words. */
#ifndef COFOUNDER_SERVICES_ERROR_H
#define COFOUNDER_SERVICES_ERROR_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_ERROR_IID "cof.error/1"

typedef struct cof_failure {
  uint32_t struct_size;
  int32_t retryable;      /* 1 yes, 2 no, 0 as the status says */
  cof_str code;           /* [a-z0-9_]{1,64}: stable, machine-readable */
  cof_str message;        /* one or two sentences for people, without secrets; cut at 4 KiB */
  int64_t retry_after_ms; /* do not try again earlier; 0: the retry policy decides */
} cof_failure;

typedef struct cof_error_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Says why `call_id` is about to return a negative status.  A second one replaces the
   * first; with a success, and after complete(), it is ignored.  Without it a failure gets the code
   * of its status.  COF_OK, COF_EGONE when the call is over, COF_EINVALID for a malformed code. */
  int32_t (*set)(const cof_host *host, uint64_t call_id, const cof_failure *failure);
} cof_error_service;

#ifdef __cplusplus
}
#endif

#endif
