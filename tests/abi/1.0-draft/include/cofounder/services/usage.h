/* SPDX-License-Identifier: Apache-2.0 */
/* cof.usage/1: what the use of a provider cost.  Money is whole micro-dollars. */
#ifndef COFOUNDER_SERVICES_USAGE_H
#define COFOUNDER_SERVICES_USAGE_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_USAGE_IID "cof.usage/1"

/* Which figures of a record are known: an unknown one is never 0. */
enum {
  COF_USAGE_INPUT_TOKENS = 1,
  COF_USAGE_OUTPUT_TOKENS = 2,
  COF_USAGE_CACHED_TOKENS = 4,
  COF_USAGE_COST = 8,
  COF_USAGE_DURATION = 16
};

typedef struct cof_usage_record {
  uint32_t struct_size;
  uint32_t known;         /* COF_USAGE_* */
  cof_str provider;       /* "huggingface" */
  cof_str model;          /* "org/name" */
  cof_str operation;      /* "chat" */
  int32_t failed;         /* 1 for a failed call that was billed all the same */
  int32_t reserved;       /* 0 */
  int64_t input_tokens;   /* as the provider reported them */
  int64_t output_tokens;
  int64_t cached_tokens;  /* part of the input */
  int64_t cost_micros;    /* micro-dollars (US) */
  int64_t duration_ms;
} cof_usage_record;

typedef struct cof_usage_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Records one use, for the task of `call_id` when there is one.  The reply comes when it is
   * on disk; a `tag` of 0 asks for none. */
  int32_t (*record)(const cof_host *host, uint64_t call_id, const cof_usage_record *record,
                    uint64_t tag);

  /* [any] Sums by "model", "provider", "op" or "day" over [from_ms, to_ms): body = {"rows":
   * [{"key", "calls", "failed", "input_tokens", "output_tokens", "cost_micros", "unpriced"}]}.
   * "op" is <plugin>.<operation>; days are UTC.  COF_EUNAVAILABLE by reply. */
  int32_t (*sum)(const cof_host *host, uint64_t call_id, cof_str by, int64_t from_ms, int64_t to_ms,
                 uint64_t tag);
} cof_usage_service;

#ifdef __cplusplus
}
#endif

#endif
