/* SPDX-License-Identifier: Apache-2.0 */
/* Everything that a plugin in C needs.  Start with abi.h; each host service has its own header. */
#ifndef COFOUNDER_PLUGIN_H
#define COFOUNDER_PLUGIN_H

#include "abi.h"
#include "services/call.h"
#include "services/config.h"
#include "services/error.h"
#include "services/event.h"
#include "services/file.h"
#include "services/http.h"
#include "services/identity.h"
#include "services/kv.h"
#include "services/log.h"
#include "services/metric.h"
#include "services/process.h"
#include "services/route.h"
#include "services/scratch.h"
#include "services/secret.h"
#include "services/stats.h"
#include "services/task.h"
#include "services/timer.h"
#include "services/usage.h"

#endif
