/* SPDX-License-Identifier: Apache-2.0 */
/* cof.scratch/1: temporary folders that the host creates and always removes. */
#ifndef COFOUNDER_SERVICES_SCRATCH_H
#define COFOUNDER_SERVICES_SCRATCH_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_SCRATCH_IID "cof.scratch/1"

enum {
  COF_SCRATCH_ATTEMPT = 1, /* removed when this attempt ends, however it ends */
  COF_SCRATCH_TASK = 2     /* kept over attempts, removed when the task is over */
};

typedef struct cof_scratch_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [disk] Writes the absolute path of the folder of the operation `call_id`, made on first use
   * (mode 0700, empty), to `out`.  What is in it counts against the plugin's scratch limit.
   * COF_OK, COF_EGONE, COF_EINVALID when the call is no operation, COF_ELIMIT, COF_EUNAVAILABLE. */
  int32_t (*path)(const cof_host *host, uint64_t call_id, int32_t kind, const cof_sink *out);
} cof_scratch_service;

#ifdef __cplusplus
}
#endif

#endif
