/* SPDX-License-Identifier: Apache-2.0 */
/* cof.boot/1: an interface of a version 1.1 that does not exist. */
#ifndef COFOUNDER_SERVICES_BOOT_H
#define COFOUNDER_SERVICES_BOOT_H

#include "../abi.h"

#define COF_BOOT_IID "cof.boot/1"

typedef struct cof_boot_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] When the machine was started: milliseconds since 1970-01-01 UTC. */
  int64_t (*boot_ms)(const cof_host *host);
} cof_boot_service;

#endif
