/* SPDX-License-Identifier: Apache-2.0 */
/* cof.config/1: the plugin's own configuration, as applied last. */
#ifndef COFOUNDER_SERVICES_CONFIG_H
#define COFOUNDER_SERVICES_CONFIG_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_CONFIG_IID "cof.config/1"

typedef struct cof_config_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Writes the JSON text of the value at `pointer` (RFC 6901; "" is the whole table) to
   * `out`: of the configuration that is being checked or applied when `call_id` is a configure call,
   * else of the one applied last.  COF_OK, COF_ENOTFOUND when absent, COF_EINVALID for a malformed
   * pointer. */
  int32_t (*get)(const cof_host *host, uint64_t call_id, cof_str pointer, const cof_sink *out);
} cof_config_service;

#ifdef __cplusplus
}
#endif

#endif
