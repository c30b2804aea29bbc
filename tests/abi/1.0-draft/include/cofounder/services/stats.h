/* SPDX-License-Identifier: Apache-2.0 */
/* cof.stats/1: figures of the task store. */
#ifndef COFOUNDER_SERVICES_STATS_H
#define COFOUNDER_SERVICES_STATS_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_STATS_IID "cof.stats/1"

typedef struct cof_stats_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Reply: body = {"tasks": {STATE: count}, "total": n, "succeeded": n, "failed": n,
   * "waiting": n, "average_seconds": x | null, "by_op": [{"op", "outcome", "count", "seconds"}]}
   * over tasks submitted at or after `since_ms` (wall time; 0: all that are kept).  A store that
   * cannot be read gives COF_EUNAVAILABLE with its reason, never zeros.  Needs permission
   * "stats". */
  int32_t (*tasks)(const cof_host *host, uint64_t call_id, int64_t since_ms, uint64_t tag);
} cof_stats_service;

#ifdef __cplusplus
}
#endif

#endif
