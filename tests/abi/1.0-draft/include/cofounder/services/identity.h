/* SPDX-License-Identifier: Apache-2.0 */
/* cof.identity/1: who sends this request?  The host asks the plugin that http.identity names.
 *
 * A route of any plugin can ask for more in its manifest, and is then not entered before the host
 * knows: {"id", "method", "path", ..., "login": true} needs somebody who is logged in (else 401, code
 * "login_required"), {..., "role": "staff"} somebody with that role (else 403, "role_missing").  The
 * request head then has "identity", as below.
 *
 * THE PROVIDER has "provides": ["cof.identity/1"] in its manifest.  It is entered with kind
 * COF_CALL_ROUTE, name = "identify" (which needs no entry in "routes", and which no client can
 * reach), args = a request head with method, path, peer, and of the headers only "cookie" and
 * "authorization".  It answers status 200 with the JSON object below, or 204 for nobody. */
#ifndef COFOUNDER_SERVICES_IDENTITY_H
#define COFOUNDER_SERVICES_IDENTITY_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_IDENTITY_IID "cof.identity/1"

typedef struct cof_identity_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Asks who sent the request that the route call `call_id` answers.  Reply: body = {"subject":
   * stable key, "provider", "login", "email": verified or null, "name", "orgs": [...], "roles": [...],
   * "expires_at", ...}; COF_ENOTFOUND for nobody, COF_EUNAVAILABLE when it cannot be known now, or
   * when no plugin provides it.  COF_OK; COF_EINVALID when the call is not a route's; COF_EGONE. */
  int32_t (*who)(const cof_host *host, uint64_t call_id, uint64_t tag);
} cof_identity_service;

#ifdef __cplusplus
}
#endif

#endif
