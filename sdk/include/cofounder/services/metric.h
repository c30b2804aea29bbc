/* SPDX-License-Identifier: Apache-2.0 */
/* cof.metric/1: numbers for /metrics. */
#ifndef COFOUNDER_SERVICES_METRIC_H
#define COFOUNDER_SERVICES_METRIC_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_METRIC_IID "cof.metric/1"

enum {
  COF_METRIC_COUNTER = 1,
  COF_METRIC_GAUGE = 2,
  COF_METRIC_HISTOGRAM = 3
};

typedef struct cof_metric_family {
  uint32_t struct_size;
  int32_t kind;         /* COF_METRIC_* */
  cof_str name;         /* [a-z][a-z0-9_]*; the host adds "cofounderd_", the text formats "_total" */
  cof_str help;         /* one sentence */
  cof_str unit;         /* "seconds", "bytes", "ratio" or empty; must end the name */
  cof_str labels;       /* names, separated by commas: "model,direction"; at most 8 */
  const double *bounds; /* histogram: upper bounds, rising, without +Inf; borrowed */
  uint64_t bound_count; /* at most 64 */
} cof_metric_family;

typedef struct cof_metric_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Registers a family, or finds the same one again, and gives its handle, valid until the
   * plugin is destroyed.  COF_OK, COF_EINVALID, COF_EEXISTS when another plugin has that name with
   * another shape, COF_ELIMIT (64 families a plugin). */
  int32_t (*family)(const cof_host *host, const cof_metric_family *family, uint64_t *handle);

  /* [post] Adds to a counter (>= 0) or gauge, sets a gauge, or observes into a histogram, in the
   * series with these label values (at most 256 bytes each), in the family's order.  A plugin has
   * at most 1,000 series; beyond them values go to one whose labels are all "other".
   * COF_OK, COF_EINVALID, COF_EGONE. */
  int32_t (*add)(const cof_host *host, uint64_t family, const cof_str *labels,
                  uint64_t label_count, double value);
  int32_t (*set)(const cof_host *host, uint64_t family, const cof_str *labels,
                  uint64_t label_count, double value);
  int32_t (*observe)(const cof_host *host, uint64_t family, const cof_str *labels,
                      uint64_t label_count, double value);

  /* [post] Removes a gauge's series: an unknown figure is absent, never 0. */
  int32_t (*forget)(const cof_host *host, uint64_t family, const cof_str *labels,
                    uint64_t label_count);

  /* [any] Writes every family of the daemon and of all plugins to `out` as one consistent JSON
   * document: {"families": [{"name", "kind", "help", "unit", "samples": [{"labels": {},
   * "value"} | {"labels": {}, "buckets": [[le, count], ..., ["+Inf", count]], "sum", "count"}]}]}.  What the daemon
   * tells of itself may be one second old.  Needs permission "metrics". */
  int32_t (*snapshot)(const cof_host *host, const cof_sink *out);
} cof_metric_service;

#ifdef __cplusplus
}
#endif

#endif
