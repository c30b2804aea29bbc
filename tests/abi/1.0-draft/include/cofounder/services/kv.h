/* SPDX-License-Identifier: Apache-2.0 */
/* cof.kv/1: a durable map of the plugin's own, shared by all nodes of one store. */
#ifndef COFOUNDER_SERVICES_KV_H
#define COFOUNDER_SERVICES_KV_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_KV_IID "cof.kv/1"

/* Versions: every write gives its entry a version that rises over the whole store: one
 * that was seen never comes again. */
enum {
  COF_KV_ANY = -1,   /* `expected`: whatever is there */
  COF_KV_ABSENT = 0  /* `expected`: only when nothing is there */
};

/* Reply kind of scan(): one entry per reply, name = key, body = value, value = its version. */
enum { COF_KV_ENTRY = 1 };

typedef struct cof_kv_put {
  uint32_t struct_size;
  uint32_t reserved; /* 0 */
  cof_str key;
  cof_bytes value;
  int64_t expected;  /* a version, COF_KV_ANY or COF_KV_ABSENT */
  int64_t ttl_ms;    /* it vanishes after so long, by the store's clock; 0: never */
} cof_kv_put;

typedef struct cof_kv_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Reply: body = value, value = its version; COF_ENOTFOUND when absent or expired. */
  int32_t (*get)(const cof_host *host, uint64_t call_id, cof_str key, uint64_t tag);

  /* [any] Sets the key (1..512 bytes of UTF-8) to the value (at most 1 MiB) when its version is
   * the expected one.  The reply comes when it is on
   * disk: value = the new version; COF_ECONFLICT when the version differs (value = the one that is
   * there, 0 for none), COF_ELIMIT when the plugin's share of the store is full. */
  int32_t (*put)(const cof_host *host, uint64_t call_id, const cof_kv_put *put, uint64_t tag);

  /* [any] Removes `key` when its version is `expected`.  Reply as put(); COF_ENOTFOUND. */
  int32_t (*remove)(const cof_host *host, uint64_t call_id, cof_str key, int64_t expected,
                    uint64_t tag);

  /* [any] Atomically reads and removes: of many concurrent takers of one key exactly one gets it
   * (single-use tokens).  Reply as get(), once the removal is on disk. */
  int32_t (*take)(const cof_host *host, uint64_t call_id, cof_str key, uint64_t tag);

  /* [any] The entries whose key begins with `prefix` and is greater than `after` (empty: from the
   * first), in bytewise order, at most `count` (1..1000): a reply of kind COF_KV_ENTRY each;
   * then an empty last one, value = 1 when there are more. */
  int32_t (*scan)(const cof_host *host, uint64_t call_id, cof_str prefix, cof_str after,
                  int32_t count, uint64_t tag);
} cof_kv_service;

#ifdef __cplusplus
}
#endif

#endif
