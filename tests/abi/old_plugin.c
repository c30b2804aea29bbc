/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin built against the frozen headers.  Its operation "work" keeps a value and gets a URL, so
 * that structs and tables cross in both directions, and gives the length of what it got. */
#include <cofounder/plugin.h>

#include <stdio.h>
#include <string.h>

enum { TAG_PUT = 1, TAG_GET = 2 };

struct state {
  const cof_host *host;
  const cof_call_service *call;
  const cof_http_service *http;
  const cof_kv_service *kv;
};

static struct state state;

static cof_str str(const char *text) {
  const cof_str result = {text, strlen(text)};
  return result;
}

static int32_t create(const cof_host *host, const cof_call *call, void **self) {
  (void)call;
  state.host = host;
  state.call = host->query(host, str(COF_CALL_IID));
  state.http = host->query(host, str(COF_HTTP_IID));
  state.kv = host->query(host, str(COF_KV_IID));
  if (state.call == NULL || state.http == NULL || state.kv == NULL) return COF_EUNSUPPORTED;
  *self = &state;
  return COF_OK;
}

static void destroy(void *self) { (void)self; }

static int32_t invoke(void *self, const cof_call *call, const cof_invocation *invocation,
                      const cof_sink *result) {
  const struct state *my = self;
  cof_kv_put put;
  int32_t status;
  (void)result;
  if (invocation->name.size != 4 || memcmp(invocation->name.data, "work", 4) != 0) {
    return COF_EUNSUPPORTED;
  }
  memset(&put, 0, sizeof put);
  put.struct_size = sizeof put;
  put.key = str("task");
  put.value.data = invocation->task_id.data;
  put.value.size = invocation->task_id.size;
  put.expected = COF_KV_ANY;
  status = my->kv->put(my->host, call->id, &put, TAG_PUT);
  return status < 0 ? status : COF_PENDING;
}

static void end(const struct state *my, uint64_t call_id, int32_t status, const char *text) {
  cof_outcome outcome;
  memset(&outcome, 0, sizeof outcome);
  outcome.struct_size = sizeof outcome;
  outcome.status = status;
  outcome.result.data = text;
  outcome.result.size = strlen(text);
  my->call->complete(my->host, call_id, &outcome);
}

static void reply(void *self, const cof_reply *reply) {
  const struct state *my = self;
  if ((reply->flags & COF_REPLY_LAST) == 0) return;
  if (reply->status < 0) {
    end(my, reply->call_id, reply->status, "");
  } else if (reply->tag == TAG_PUT) {
    cof_http_request request;
    int32_t status;
    memset(&request, 0, sizeof request);
    request.struct_size = sizeof request;
    request.method = str("GET");
    request.url = str("https://example.org/");
    status = my->http->start(my->host, reply->call_id, &request, TAG_GET, NULL);
    if (status < 0) end(my, reply->call_id, status, "");
  } else {
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)reply->body.size);
    end(my, reply->call_id, COF_OK, text);
  }
}

static const cof_plugin plugin = {.struct_size = sizeof(cof_plugin),
                                  .abi_major = COF_ABI_MAJOR,
                                  .abi_minor = COF_ABI_MINOR,
                                  .create = create,
                                  .destroy = destroy,
                                  .invoke = invoke,
                                  .reply = reply};

const cof_plugin *cof_plugin_entry_v1(void) { return &plugin; }

COF_MANIFEST(
    "{\"id\": \"abi-old\", \"version\": \"1.0.0\", \"abi\": \"1.0\","
    " \"interfaces\": {\"required\": [\"cof.call/1.0\", \"cof.http/1.0\", \"cof.kv/1.0\"]},"
    " \"operations\": [{\"name\": \"work\"}]}");
