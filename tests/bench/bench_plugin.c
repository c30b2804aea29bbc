/* SPDX-License-Identifier: Apache-2.0 */
/* bench: operations that measure.  stamp: when it was entered.  fetch: a GET of args.url.  crash: SIGSEGV. */
#define _POSIX_C_SOURCE 200809L
#include <cofounder/plugin.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

COF_MANIFEST(
    "{\"id\": \"bench\", \"version\": \"1.0.0\", \"abi\": \"1.0\", \"summary\": \"Measures.\","
    "\"interfaces\": {\"required\": [\"cof.call/1.0\", \"cof.http/1.0\"]},"
    "\"permissions\": {\"http\": [\"127.0.0.1\"]},"
    "\"operations\": [{\"name\": \"stamp\"}, {\"name\": \"crash\"}, {\"name\": \"fetch\", \"args\": {\"type\": \"object\","
    "\"required\": [\"url\"], \"properties\": {\"url\": {\"type\": \"string\"}}}}]}");

static const cof_host *host;
static const cof_call_service *calls;
static const cof_http_service *http;

static cof_str text(const char *bytes) {
  const cof_str result = {bytes, strlen(bytes)};
  return result;
}

static int32_t create(const cof_host *given, const cof_call *call, void **self) {
  (void)call;
  host = given;
  calls = host->query(host, text(COF_CALL_IID));
  http = host->query(host, text(COF_HTTP_IID));
  *self = NULL;
  return COF_OK;
}

static void destroy(void *self) { (void)self; }

static int64_t now(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static int32_t stamp(const cof_sink *result) {
  char json[96];
  const int size = snprintf(json, sizeof json, "{\"ns\":%lld,\"wall_us\":%lld}",
                            (long long)now(CLOCK_MONOTONIC), (long long)now(CLOCK_REALTIME) / 1000);
  return result->write(result->context, json, (uint64_t)size);
}

struct url {
  char data[256];
  uint64_t size;
};

static int32_t take(void *context, const void *data, uint64_t size) {
  struct url *url = context;
  if (size > sizeof url->data - url->size) return COF_ETOOBIG;
  memcpy(url->data + url->size, data, size);
  url->size += size;
  return COF_OK;
}

static int32_t fetch(const cof_call *call) {
  struct url url = {"", 0};
  const cof_sink sink = {&url, take};
  cof_http_request request;
  const int32_t status = calls->argument(host, call->id, text("/url"), &sink);
  if (status < 0) return status;
  memset(&request, 0, sizeof request);
  request.struct_size = sizeof request;
  request.method = text("GET");
  request.url.data = url.data;
  request.url.size = url.size;
  const int32_t started = http->start(host, call->id, &request, call->id, NULL);
  return started < 0 ? started : COF_PENDING;
}

static void reply(void *self, const cof_reply *given) {
  (void)self;
  if ((given->flags & COF_REPLY_LAST) == 0) return;
  cof_outcome outcome;
  memset(&outcome, 0, sizeof outcome);
  outcome.struct_size = sizeof outcome;
  outcome.status = given->status;
  outcome.error_code = given->error_code;
  outcome.error_message = given->error_message;
  calls->complete(host, given->call_id, &outcome);
}

static int32_t invoke(void *self, const cof_call *call, const cof_invocation *what,
                      const cof_sink *result) {
  (void)self;
  if (what->name.size == 5 && memcmp(what->name.data, "stamp", 5) == 0) return stamp(result);
  if (what->name.size == 5 && memcmp(what->name.data, "crash", 5) == 0) {
    volatile int *nowhere = (volatile int *)(uintptr_t)64;
    *nowhere = 1;
  }
  return fetch(call);
}

static const cof_plugin plugin = {.struct_size = sizeof(cof_plugin),
                                  .abi_major = COF_ABI_MAJOR,
                                  .abi_minor = COF_ABI_MINOR,
                                  .create = create,
                                  .destroy = destroy,
                                  .invoke = invoke,
                                  .reply = reply};

const cof_plugin *cof_plugin_entry_v1(void) { return &plugin; }
