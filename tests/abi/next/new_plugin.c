/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin built against the version that does not exist.  It uses what that added where it is there,
 * and does without where not.  Its operation "look" says what it found. */
#include <cofounder/plugin.h>

#include <stdio.h>
#include <string.h>

struct state {
  const cof_host *host;
  const cof_http_service *http;
  const cof_boot_service *boot;
};

static struct state state;

static cof_str str(const char *text) {
  const cof_str result = {text, strlen(text)};
  return result;
}

static int32_t create(const cof_host *host, const cof_call *call, void **self) {
  (void)call;
  state.host = host;
  state.http = host->query(host, str(COF_HTTP_IID));
  state.boot = host->query(host, str(COF_BOOT_IID));
  *self = &state;
  return COF_OK;
}

static void destroy(void *self) { (void)self; }

static int32_t invoke(void *self, const cof_call *call, const cof_invocation *invocation,
                      const cof_sink *result) {
  const struct state *my = self;
  char text[160];
  int64_t submitted_ms = 0;
  int32_t prewarmed = COF_EUNSUPPORTED;
  int size;
  (void)call;
  /* A plugin must look at the size before it looks at a field that 1.0 did not have. */
  if (COF_HAS(invocation, cof_invocation, submitted_ms)) submitted_ms = invocation->submitted_ms;
  if (my->http != NULL && COF_HAS(my->http, cof_http_service, prewarm)) {
    prewarmed = my->http->prewarm(my->host, str("https://example.org"));
  }
  size = snprintf(text, sizeof text,
                  "{\"minor\":%u,\"prewarm\":%d,\"submitted_ms\":%lld,\"boot_ms\":%lld}",
                  (unsigned)my->host->abi_minor, (int)prewarmed, (long long)submitted_ms,
                  my->boot == NULL ? -1LL : (long long)my->boot->boot_ms(my->host));
  return result->write(result->context, text, (uint64_t)size);
}

static const cof_plugin plugin = {.struct_size = sizeof(cof_plugin),
                                  .abi_major = COF_ABI_MAJOR,
                                  .abi_minor = COF_ABI_MINOR,
                                  .create = create,
                                  .destroy = destroy,
                                  .invoke = invoke};

const cof_plugin *cof_plugin_entry_v1(void) { return &plugin; }

COF_MANIFEST(
    "{\"id\": \"abi-new\", \"version\": \"1.0.0\", \"abi\": \"1.1\","
    " \"interfaces\": {\"required\": [\"cof.http/1.0\"], \"optional\": [\"cof.boot/1.0\"]},"
    " \"operations\": [{\"name\": \"look\"}]}");
