/* SPDX-License-Identifier: Apache-2.0 */
/* hello-c: the same as hello, in plain C: greets by name. */
#include <cofounder/plugin.h>

#include <stdlib.h>
#include <string.h>

struct hello {
  const cof_host *host;
  const cof_call_service *call;
  const cof_error_service *error;
};

/* A name, as it is taken from the arguments. */
struct text {
  char data[1024];
  uint64_t size;
};

static cof_str str(const char *text) {
  const cof_str result = {text, strlen(text)};
  return result;
}

static int32_t append(void *context, const void *data, uint64_t size) {
  struct text *text = context;
  if (size > sizeof text->data - text->size) return COF_ETOOBIG;
  memcpy(text->data + text->size, data, size);
  text->size += size;
  return COF_OK;
}

static int32_t fail(const struct hello *hello, const cof_call *call, int32_t status,
                    const char *code, const char *message) {
  cof_failure failure;
  memset(&failure, 0, sizeof failure);
  failure.struct_size = sizeof failure;
  failure.code = str(code);
  failure.message = str(message);
  hello->error->set(hello->host, call->id, &failure);
  return status;
}

static int32_t create(const cof_host *host, const cof_call *call, void **self) {
  struct hello *hello = malloc(sizeof *hello);
  (void)call;
  if (hello == NULL) return COF_EUNAVAILABLE;
  hello->host = host;
  hello->call = host->query(host, str(COF_CALL_IID));
  hello->error = host->query(host, str(COF_ERROR_IID));
  if (hello->call == NULL || hello->error == NULL) {
    free(hello);
    return COF_EUNSUPPORTED;
  }
  *self = hello;
  return COF_OK;
}

static void destroy(void *self) { free(self); }

/* Writes `text` as the inside of a JSON string. */
static int32_t write_escaped(const cof_sink *out, const struct text *text) {
  static const char digits[] = "0123456789abcdef";
  for (uint64_t i = 0; i < text->size; ++i) {
    const unsigned char c = (unsigned char)text->data[i];
    char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};
    int32_t status;
    if (c >= 0x20 && c != '"' && c != '\\') {
      status = out->write(out->context, &text->data[i], 1);
    } else {
      status = out->write(out->context, escape, sizeof escape);
    }
    if (status < 0) return status;
  }
  return COF_OK;
}

static int32_t write_text(const cof_sink *out, const char *text) {
  return out->write(out->context, text, strlen(text));
}

static int32_t invoke(void *self, const cof_call *call, const cof_invocation *invocation,
                      const cof_sink *result) {
  const struct hello *hello = self;
  struct text name = {{0}, 0};
  const cof_sink sink = {&name, append};
  int32_t status;

  if (call->kind != COF_CALL_OPERATION || invocation->name.size != strlen("greet") ||
      memcmp(invocation->name.data, "greet", strlen("greet")) != 0) {
    return COF_EUNSUPPORTED;
  }
  status = hello->call->argument(hello->host, call->id, str("/name"), &sink);
  if (status == COF_ETOOBIG) {
    return fail(hello, call, COF_ETOOBIG, "name_too_long", "The name is longer than 1024 bytes.");
  }
  if (status < 0) return fail(hello, call, COF_EINVALID, "no_name", "There is nobody to greet.");

  status = write_text(result, "{\"greeting\":\"Hello, ");
  if (status >= 0) status = write_escaped(result, &name);
  if (status >= 0) status = write_text(result, "!\"}");
  return status < 0 ? status : COF_OK;
}

static const cof_plugin plugin = {.struct_size = sizeof(cof_plugin),
                                  .abi_major = COF_ABI_MAJOR,
                                  .abi_minor = COF_ABI_MINOR,
                                  .create = create,
                                  .destroy = destroy,
                                  .invoke = invoke};

const cof_plugin *cof_plugin_entry_v1(void) { return &plugin; }

COF_MANIFEST(
    "{\"id\": \"hello-c\", \"version\": \"1.0.0\", \"abi\": \"1.0\","
    " \"summary\": \"Greets by name, in C.\","
    " \"interfaces\": {\"required\": [\"cof.call/1.0\", \"cof.error/1.0\"]},"
    " \"operations\": [{\"name\": \"greet\", \"summary\": \"Says hello.\", \"args\":"
    " {\"type\": \"object\", \"properties\": {\"name\": {\"type\": \"string\", \"minLength\": 1}},"
    " \"required\": [\"name\"], \"additionalProperties\": false}}]}");
