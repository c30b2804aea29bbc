/* SPDX-License-Identifier: Apache-2.0 */
/* cof.secret/1: secrets that the operator granted. */
#ifndef COFOUNDER_SERVICES_SECRET_H
#define COFOUNDER_SERVICES_SECRET_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_SECRET_IID "cof.secret/1"

typedef struct cof_secret_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [disk] Writes the value of the secret `name` to `out`: a key of the plugin's configuration that
   * the operator set to a secret, as a dotted path ("api_key", "github.client_secret"), and that
   * the manifest's "secrets" lists; of the new configuration when `call_id` is a configure call.
   * Overwrite your copy when you are done.  COF_OK, COF_ENOTFOUND when it is not configured,
   * COF_EDENIED when the manifest does not list it, COF_EUNAVAILABLE when its source cannot be
   * read. */
  int32_t (*get)(const cof_host *host, uint64_t call_id, cof_str name, const cof_sink *out);
} cof_secret_service;

#ifdef __cplusplus
}
#endif

#endif
