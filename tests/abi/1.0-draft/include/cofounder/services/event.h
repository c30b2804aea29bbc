/* SPDX-License-Identifier: Apache-2.0 */
/* cof.event/1: telling others, without knowing them.  Volatile: an event reaches those who listen now. */
#ifndef COFOUNDER_SERVICES_EVENT_H
#define COFOUNDER_SERVICES_EVENT_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_EVENT_IID "cof.event/1"

typedef struct cof_event_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [post] Publishes `json` (at most 64 KiB) under "<plugin id>.<topic>" to the event stream and to
   * the plugins that subscribe.  COF_OK, COF_EINVALID, COF_ELIMIT. */
  int32_t (*publish)(const cof_host *host, cof_str topic, cof_str json);

  /* [any] From now on events of `topic` ("task.succeeded", "oauth.login", or a prefix that ends in
   * ".*") enter invoke() with kind COF_CALL_EVENT; when the plugin is too slow for them the oldest
   * are dropped and counted.  COF_OK, COF_EINVALID, COF_ELIMIT,
   * COF_EDENIED unless the manifest's permissions.events lists the topic. */
  int32_t (*subscribe)(const cof_host *host, cof_str topic);
  int32_t (*unsubscribe)(const cof_host *host, cof_str topic);
} cof_event_service;

#ifdef __cplusplus
}
#endif

#endif
