/* SPDX-License-Identifier: Apache-2.0 */
/* cof.route/1: answering HTTP requests.  The routes themselves stand in the manifest:
 * "routes": [{"id", "method", "path", "access": "public|read|submit|operate|admin",
 * "request_bytes_max"?, "summary"?, "login"?, "role"?}] (the last two: see services/identity.h).  A request enters invoke() with kind COF_CALL_ROUTE, name = the
 * route's id, body = the request body, args = {"method", "path", "params": {name: value},
 * "query": [[name, value], ...], "headers": [[lower-case name, value], ...], "base_url": http.public_url
 * or "", "peer": {"uid"} | {"address"}}.  A call that fails without respond() is answered by its status:
 * EINVALID 400, EDENIED 403, ENOTFOUND 404, EEXISTS and ECONFLICT 409, ETOOBIG 413, ELIMIT 429,
 * EUNAVAILABLE 503, ETIMEDOUT 504, else 500. */
#ifndef COFOUNDER_SERVICES_ROUTE_H
#define COFOUNDER_SERVICES_ROUTE_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_ROUTE_IID "cof.route/1"

typedef struct cof_route_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Sets status (100..599) and headers of the answer, before the call is completed or the
   * first send().  `headers`: lines "Name: value" ended by '\n'.  Without it: 200 and
   * application/json.  COF_OK, COF_EINVALID, COF_EGONE. */
  int32_t (*respond)(const cof_host *host, uint64_t call_id, int32_t http_status, cof_str headers);

  /* [any] Sends a piece of a streamed body (chunked); the call's completion ends it.  `tag` other
   * than 0: a reply when there is room for the next.  COF_OK: taken; COF_ELIMIT: not taken (the client
   * reads too slowly), and no reply; COF_EGONE when it is away. */
  int32_t (*send)(const cof_host *host, uint64_t call_id, cof_bytes piece, uint64_t tag);
} cof_route_service;

#ifdef __cplusplus
}
#endif

#endif
