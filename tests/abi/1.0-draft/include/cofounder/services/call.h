/* SPDX-License-Identifier: Apache-2.0 */
/* cof.call/1: the life of a call into the plugin. */
#ifndef COFOUNDER_SERVICES_CALL_H
#define COFOUNDER_SERVICES_CALL_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_CALL_IID "cof.call/1"

typedef struct cof_call_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Ends a call that returned COF_PENDING (it may come even before that return).  COF_OK;
   * COF_EGONE when the call was already over (counted, changes nothing).  A result over the limit
   * makes the call fail with code "result_too_big". */
  int32_t (*complete)(const cof_host *host, uint64_t call_id, const cof_outcome *outcome);

  /* [any] A COF_CANCEL_* reason when the call is to end, 0 when it may go on, COF_EGONE when it is
   * over.  Cheap, made for loops; may lag 50 ms. */
  int32_t (*cancel_reason)(const cof_host *host, uint64_t call_id);

  /* [post] Tells how far an operation has come: `fraction` 0..1, negative for unknown; `text` for
   * people or JSON for machines, cut at 4 KiB.  Shown to whoever watches the task; not durable,
   * and of many within 50 ms only the newest need be shown. */
  int32_t (*progress)(const cof_host *host, uint64_t call_id, double fraction, cof_str text);

  /* [any] Like progress(), but every one of them is delivered, in order, to those who watch the
   * task: for output that is useful piece by piece, such as the tokens of a model.  `tag` other than
   * 0: a reply when there is room for the next.  COF_OK: taken; COF_ELIMIT: not taken, and no reply;
   * COF_EGONE. */
  int32_t (*emit)(const cof_host *host, uint64_t call_id, cof_str json, uint64_t tag);

  /* [any] Writes the argument at `pointer` (RFC 6901, "/name") of the call's args to `out`: the text
   * of a string without quotes and escapes, the JSON text of anything else.  COF_OK, COF_ENOTFOUND
   * when absent, COF_EGONE. */
  int32_t (*argument)(const cof_host *host, uint64_t call_id, cof_str pointer,
                      const cof_sink *out);

  /* [any] Enters reply() with `tag` as soon as possible, on a worker and in order with the call's
   * other entries: for a plugin's own threads to come back.  Never COF_ELIMIT; works for a
   * cancelled call, too.  COF_OK, COF_EGONE. */
  int32_t (*post)(const cof_host *host, uint64_t call_id, uint64_t tag);
} cof_call_service;

#ifdef __cplusplus
}
#endif

#endif
