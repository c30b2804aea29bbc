/* SPDX-License-Identifier: Apache-2.0 */
/* cof.http/1: HTTP requests, done by the host on its own loop: TLS, connection reuse, limits, retries
 * and redaction of logs.  Only hosts that the manifest's permissions name; https only, but http to
 * loopback. */
#ifndef COFOUNDER_SERVICES_HTTP_H
#define COFOUNDER_SERVICES_HTTP_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_HTTP_IID "cof.http/1"

/* How the body of an answer with status 200..299 comes.  Any other answer comes WHOLE, cut at
 * 64 KiB. */
enum {
  COF_HTTP_WHOLE = 0,  /* in the last reply, at most response_bytes_max */
  COF_HTTP_CHUNKS = 1, /* as it arrives, in replies of kind COF_HTTP_BODY */
  COF_HTTP_LINES = 2,  /* a reply per line (NDJSON), without its end */
  COF_HTTP_SSE = 3,    /* a reply per server-sent event: body = data, name and id = its own */
  COF_HTTP_FILE = 4    /* into `response_file` */
};

/* Reply kinds. */
enum {
  COF_HTTP_HEAD = 1, /* value = status code, body = header lines "name: value\n", names in lower case;
                        once, before any body, of the last try only */
  COF_HTTP_BODY = 2, /* one chunk, line or event; value = 1 when another is there already and follows at
                        once, so that both can be handled together, else 0 */
  COF_HTTP_END = 3   /* the last.  COF_OK when an answer came completely, of whatever status code:
                        value = status code, value2 = bytes received, body as the framing says,
                        retry_after_ms when the answer asked for it.  Else the transport's failure */
};

/* Flags. */
enum {
  COF_HTTP_IDEMPOTENT = 1, /* the same request twice does no harm: failures after sending are tried
                              again too (GET, HEAD, PUT, DELETE always are) */
  COF_HTTP_PULL = 2        /* replies of kind BODY come only as far as pull() allows */
};

/* A piece of the request body: `bytes`, or a range of an open file when `file` is not 0. */
typedef struct cof_http_part {
  uint32_t struct_size;
  uint32_t reserved; /* 0 */
  cof_bytes bytes;   /* copied before start() returns */
  uint64_t file;     /* a cof.file/1 handle, read while it is sent, kept open until then */
  uint64_t offset;
  uint64_t size;
} cof_http_part;

typedef struct cof_http_request {
  uint32_t struct_size;
  uint32_t flags;                     /* COF_HTTP_IDEMPOTENT ... */
  cof_str method;                     /* "GET" */
  cof_str url;
  cof_str headers;                    /* lines "Name: value" ended by '\n' */
  const cof_http_part *const *parts;  /* sent one after the other; Content-Length is their sum */
  uint64_t part_count;
  int64_t connect_timeout_ms;         /* 0: 5 s */
  int64_t total_timeout_ms;           /* of one try; 0: none but the call's deadline */
  int64_t idle_timeout_ms;            /* longest silence; 0: 60 s */
  uint64_t response_bytes_max;        /* 0: 8 MiB for WHOLE, no limit else */
  int32_t framing;                    /* COF_HTTP_WHOLE ... */
  int32_t tries_max;                  /* 0: 3; 1: none is tried again */
  uint64_t response_file;             /* cof.file/1 handle opened for writing, with COF_HTTP_FILE;
                                         emptied before each try */
  uint64_t item_bytes_max;            /* longest line or event; 0: 1 MiB */
  int64_t retry_wait_max_ms;          /* a longer Retry-After is not waited for; 0: 60 s */
  cof_str retry_statuses;             /* status codes that are tried again besides the list below:
                                         "420,423" */
} cof_http_request;

/* Tried again, with backoff, as long as no BODY was replied: what was never sent; 408, 425, 429, 500,
 * 502, 503, 504, 529 and retry_statuses; and for idempotent requests what may have been processed.
 * Retry-After and its kin are honoured.  When tries run out the last answer is the answer.
 * Redirects are not followed: a 3xx is the answer.  Bytes are counted after decompression. */

typedef struct cof_http_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [any] Starts a request for `call_id` (0: for the plugin itself).  Replies with `tag`: HEAD, then
   * BODY as `framing` says, then END.  Without COF_HTTP_PULL a plugin that is slow to return from
   * reply() slows the transfer: at most 256 KiB wait for it.  `handle`, when not NULL, receives the
   * handle.  COF_OK; COF_EINVALID, COF_EDENIED for a host that was not permitted or http beyond
   * loopback, COF_ELIMIT, COF_EGONE. */
  int32_t (*start)(const cof_host *host, uint64_t call_id, const cof_http_request *request,
                   uint64_t tag, uint64_t *handle);

  /* [any] Ends the request; its END comes with COF_ECANCELLED unless it is already on its way.
   * COF_OK, COF_EGONE. */
  int32_t (*cancel)(const cof_host *host, uint64_t handle);

  /* [post] Allows `bytes` more of BODY replies to a request with COF_HTTP_PULL, which begins with
   * none; one item may overshoot.  Time spent waiting for it is not silence. */
  int32_t (*pull)(const cof_host *host, uint64_t handle, uint64_t bytes);
} cof_http_service;

#ifdef __cplusplus
}
#endif

#endif
