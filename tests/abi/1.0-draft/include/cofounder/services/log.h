/* SPDX-License-Identifier: Apache-2.0 */
/* cof.log/1: lines in the daemon's log, marked with the plugin, and with the call when one is named. */
#ifndef COFOUNDER_SERVICES_LOG_H
#define COFOUNDER_SERVICES_LOG_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_LOG_IID "cof.log/1"

enum {
  COF_LOG_DEBUG = 1,
  COF_LOG_INFO = 2,
  COF_LOG_WARNING = 3,
  COF_LOG_ERROR = 4
};

typedef struct cof_log_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [post] Writes one line.  Lines over the plugin's rate limit or over the queue of
   * the log are dropped and counted.  `call_id` may be 0.  Control characters are escaped; a text
   * over 8 KiB is cut.  Never put a secret into it. */
  void (*write)(const cof_host *host, uint64_t call_id, int32_t level, cof_str text);

  /* [any] 1 when a line of `level` would be written, else 0. */
  int32_t (*enabled)(const cof_host *host, int32_t level);
} cof_log_service;

#ifdef __cplusplus
}
#endif

#endif
