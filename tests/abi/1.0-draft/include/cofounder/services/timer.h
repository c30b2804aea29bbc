/* SPDX-License-Identifier: Apache-2.0 */
/* cof.timer/1: volatile timers.  For work that must survive a restart, submit a task. */
#ifndef COFOUNDER_SERVICES_TIMER_H
#define COFOUNDER_SERVICES_TIMER_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_TIMER_IID "cof.timer/1"

typedef struct cof_timer_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Enters reply() once with `tag`, COF_REPLY_LAST and COF_OK after `delay_ns` (0 and less:
   * as soon as possible), never early.  With a `call_id` the timer belongs to that call and ends
   * with it; with 0 it lives until it fires or the plugin stops, and its reply has COF_ECANCELLED
   * when it is cancelled.  `timer`, when not NULL, receives the handle for cancel().
   * COF_OK, COF_EGONE, COF_ELIMIT. */
  int32_t (*after)(const cof_host *host, uint64_t call_id, int64_t delay_ns, uint64_t tag,
                   uint64_t *timer);

  /* [any] Makes the timer's reply come now, with COF_ECANCELLED, unless it is already on its way.
   * COF_OK, COF_EGONE. */
  int32_t (*cancel)(const cof_host *host, uint64_t timer);

  /* [any] Nanoseconds of CLOCK_MONOTONIC, as the host sees it. */
  int64_t (*now_ns)(const cof_host *host);

  /* [any] Milliseconds since 1970-01-01 UTC, as the host sees it. */
  int64_t (*wall_ms)(const cof_host *host);
} cof_timer_service;

#ifdef __cplusplus
}
#endif

#endif
