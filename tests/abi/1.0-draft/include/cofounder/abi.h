/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The binary interface between cofounderd (the host) and a plugin: C11, only fixed-width integers,
 * doubles and pointers.  A plugin is a shared library that exports ONE function,
 * cof_plugin_entry_v1, imports NO host symbol, and carries its manifest in an ELF note that the
 * host reads without loading the library.
 *
 * Promise: a library built against 1.a loads on every host 1.b with b >= a.  A library built
 * against a newer header loads on an older host when each interface that its manifest requires
 * ("cof.http/1.2": revision 1, minor 2 or later) is there.  The manifest decides; the minors in the
 * structs inform.
 *
 * RULES THAT HOLD EVERYWHERE
 *  Growth     Every struct that crosses begins with `uint32_t struct_size`, set by the side that
 *             made it, and grows at its end only, without implicit padding.  The reader copies
 *             min(sizes) into a zeroed local, or asks COF_HAS: a field beyond the giver's size reads
 *             as zero, and zero means "as before this field existed".  cof_str, cof_bytes and
 *             cof_sink are frozen and have no size.  cof_host and tables are used in place.
 *             Plugin to host: non-zero bytes beyond what the host knows, a non-zero reserved field,
 *             an unknown flag or enumerator is COF_EUNSUPPORTED, and nothing is done.
 *             Host to plugin: ignore what is unknown; answer an unknown cof_call.kind with
 *             COF_EUNSUPPORTED, take an unknown cancel reason for COF_CANCEL_REQUESTED and an
 *             unknown negative status for COF_EFAILED.
 *  Tables     A host table has every slot of its minor, never NULL; a retired one answers
 *             COF_EUNSUPPORTED.  cof_host and the tables stay valid until the process ends; after
 *             destroy() their functions answer COF_EGONE and do nothing.
 *  Lifetime   A cof_str, cof_bytes or struct pointer handed over is borrowed: valid until the
 *             function returns, never freed, never kept.  Keep a copy.
 *  Memory     Nobody frees the other side's memory.  Long-lived things are uint64_t handles with a
 *             release or cancel; 0 is never a handle.  Handles and call ids belong to one loaded
 *             plugin: another's, an old and an unknown one all answer COF_EGONE.
 *  Text       Every cof_str is valid UTF-8, NOT ended by NUL; the host answers COF_EINVALID for a
 *             broken one.  What may be other bytes is cof_bytes.  {NULL, 0} is empty; NULL with a
 *             size is COF_EINVALID.  JSON has no duplicate keys and a depth of at most 64.
 *  Bounds     A cof_str is at most COF_TEXT_BYTES_MAX long, a cof_bytes at most
 *             COF_BYTES_BYTES_MAX; above that COF_ETOOBIG.
 *  Throwing   Nothing may throw, longjmp or unwind across the border in either direction.
 *  Time       Durations and deadlines are int64_t nanoseconds of CLOCK_MONOTONIC; wall times are
 *             int64_t milliseconds since 1970-01-01 UTC.  The names say which (_ns, _ms).  Negative
 *             ones are COF_EINVALID unless the comment says otherwise.
 *
 * THREAD TAGS (each function carries one)
 *  [any]      From any thread, also inside an entry.  It does not wait, and re-enters the plugin only
 *             through the sink that it was given, with no lock held.
 *  [post]     As [any]; COF_OK means taken, not done: what only the host can check is counted and
 *             logged, not returned.
 *  [disk]     As [any], but may wait for the disk: a serial plugin that does much of it waits, too.
 *  [plugin]   Called by the host on the plugin's own workers, never on the host's core thread.
 *             An entry is one execution of a function, not the life of a pending call.
 *             "serial" plugins (the default): entries never overlap, each sees what the last one
 *             wrote, so no locks are needed.  One that waits inside an entry for a reply waits for
 *             ever: return COF_PENDING instead.
 *             "parallel" plugins: entries of different calls may overlap, those of one call (invoke,
 *             replies, cancel) never do, nor do replies that belong to no call.  create, configure
 *             APPLY, start, stop and destroy overlap nothing.
 *  What one thread does is seen in that order, across all services.
 */
#ifndef COFOUNDER_ABI_H
#define COFOUNDER_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#define COF_STATIC_ASSERT(condition, text) static_assert(condition, text)
#else
#define COF_STATIC_ASSERT(condition, text) _Static_assert(condition, text)
#endif

#define COF_ABI_MAJOR 1
#define COF_ABI_MINOR 0

COF_STATIC_ASSERT(sizeof(void *) == 8 && sizeof(size_t) == 8, "64-bit platforms only");

/* True when the struct that `p` points to is large enough to hold `field`. */
#define COF_HAS(p, type, field) \
  ((p)->struct_size >= offsetof(type, field) + sizeof(((const type *)0)->field))

#define COF_TEXT_BYTES_MAX 8388608u
#define COF_BYTES_BYTES_MAX 1073741824u

/* ---- Frozen value types ------------------------------------------------------------------- */

typedef struct cof_str {
  const char *data; /* UTF-8, not NUL-terminated, borrowed */
  uint64_t size;    /* bytes */
} cof_str;

typedef struct cof_bytes {
  const void *data; /* borrowed */
  uint64_t size;    /* bytes */
} cof_bytes;

/* Where a function writes an answer of unknown length.  The receiver owns it.  `write` appends; it
 * is called any number of times before the function that was given the sink returns, on the same
 * thread.  A negative status from `write` means "take no more": the giver stops and returns it.  When
 * the function fails, what was written is void. */
typedef struct cof_sink {
  void *context;
  int32_t (*write)(void *context, const void *data, uint64_t size);
} cof_sink;

/* ---- Status ------------------------------------------------------------------------------- */
/* 0 is success, positive is informational, negative is an error.  -1..-999 belong to this header
 * and keep their meaning for ever; -1000 and below are the plugin's own (shown as "status_1000", not
 * retryable).  A positive status other than those that a comment names is COF_EINTERNAL. */
enum {
  COF_OK = 0,
  COF_PENDING = 1,        /* an entry: the call ends later, by cof.call/1 complete() */
  COF_DEFERRED = 2,       /* an operation: run the task again later, see cof.task/1 defer() */
  COF_EFAILED = -1,       /* failed for a reason given as text */
  COF_EINVALID = -2,      /* an argument is wrong; trying again will not help */
  COF_ENOTFOUND = -3,
  COF_EEXISTS = -4,
  COF_EDENIED = -5,       /* the manifest lacks the permission or the operator did not grant it */
  COF_ELIMIT = -6,        /* a limit of this plugin is reached; trying later helps */
  COF_ECANCELLED = -7,
  COF_ETIMEDOUT = -8,
  COF_EUNAVAILABLE = -9,  /* a thing that is needed is away (store, provider); later helps */
  COF_ECONFLICT = -10,    /* a compare-and-swap lost */
  COF_EUNSUPPORTED = -11, /* this side is too old for that */
  COF_EGONE = -12,        /* the call or handle is over */
  COF_ETOOBIG = -13,      /* larger than a limit that trying again will not move */
  COF_EINTERNAL = -14,    /* a bug: an exception, a broken promise */
  COF_ECRASHED = -15      /* what ran it is gone */
};

/* ---- The host as a plugin sees it --------------------------------------------------------- */

typedef struct cof_host cof_host;
struct cof_host {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t reserved; /* 0 */
  void *context;     /* the host's own; never touch it */

  /* [any] The table of the host service `iid` without its minor, for instance "cof.http/1", or NULL
   * when this host does not have it or the manifest does not name it. */
  const void *(*query)(const cof_host *host, cof_str iid);

  cof_str version;   /* of the daemon, "1.0.0"; valid as long as the host */
  cof_str plugin_id; /* of this plugin; valid as long as the host */
};

/* ---- One call into the plugin ------------------------------------------------------------- */

/* Why the plugin is entered. */
enum {
  COF_CALL_CREATE = 1,
  COF_CALL_CONFIGURE = 2,
  COF_CALL_START = 3,
  COF_CALL_OPERATION = 4, /* an attempt of a task */
  COF_CALL_ROUTE = 5,     /* an HTTP request for a route of this plugin */
  COF_CALL_EVENT = 6,     /* an event on a subscribed topic */
  COF_CALL_PROBE = 7,     /* a question whether all is well */
  COF_CALL_DRAIN = 8,
  COF_CALL_STOP = 9
};

/* Every entry that may take time carries one.  `id` names the call in every host service. */
typedef struct cof_call {
  uint32_t struct_size;
  int32_t kind;        /* COF_CALL_* */
  uint64_t id;         /* never 0, never used twice */
  int64_t deadline_ns; /* CLOCK_MONOTONIC; after it the call is cancelled; INT64_MAX: none */
} cof_call;

/* What an operation, route or event is asked to do. */
typedef struct cof_invocation {
  uint32_t struct_size;
  int32_t attempt;      /* operation: number of this attempt, from 1; else 0 */
  int32_t attempts_max; /* operation: the last attempt's number; else 0 */
  int32_t reserved;     /* 0 */
  cof_str name;         /* operation "upload" (without the plugin's id); id of a route; topic */
  cof_str args;         /* JSON object: the operation's arguments, already checked against its
                           schema; the request head (see services/route.h); the event */
  cof_bytes body;       /* route: the request body; else empty */
  cof_str task_id;      /* operation: stays the same over all attempts; else empty */
  cof_bytes checkpoint; /* operation: what checkpoint() or defer() saved last; else empty */
} cof_invocation;

/* Why a call is cancelled. */
enum {
  COF_CANCEL_REQUESTED = 1, /* somebody cancelled the task, or the client went away */
  COF_CANCEL_DEADLINE = 2,
  COF_CANCEL_STOPPING = 3   /* the daemon or the plugin stops and the drain time is over */
};

typedef struct cof_cancel {
  uint32_t struct_size;
  int32_t reason;    /* COF_CANCEL_* */
  uint64_t call_id;
  int64_t grace_ns;  /* CLOCK_MONOTONIC: when the plugin is killed or quarantined if it still runs */
} cof_cancel;

/* How a call ended, for cof.call/1 complete().  HOW A CALL ENDS: the first end counts.  When
 * complete() came before the entry returned, the returned status is ignored (and counted unless it
 * is COF_PENDING).  After a cancel: for DEADLINE the attempt is timed_out whatever comes; for
 * REQUESTED COF_OK is succeeded and the rest cancelled; for STOPPING COF_OK is succeeded, and with
 * the rest the task waits again and the attempt does not count. */
typedef struct cof_outcome {
  uint32_t struct_size;
  int32_t status;         /* never COF_PENDING */
  cof_bytes result;       /* success: JSON of an operation, body of a route; else empty */
  cof_str error_code;     /* failure: [a-z0-9_]{1,64}; empty: the one of the status */
  cof_str error_message;  /* failure: a sentence for people, without secrets; cut at 4 KiB */
  int32_t retryable;      /* failure: 1 yes, 2 no, 0 as the status says (yes for COF_ELIMIT,
                             COF_ETIMEDOUT, COF_EUNAVAILABLE, COF_ECRASHED) */
  int32_t reserved;       /* 0 */
  int64_t retry_after_ms; /* failure: do not try earlier; 0: the retry policy decides */
} cof_outcome;

/* ---- An answer of an asynchronous host service -------------------------------------------- */

/* A service function that cannot answer at once takes a `tag` that the plugin chose, never 0 (0 only
 * where a comment allows it: no reply is wanted), and returns COF_OK; later reply() is entered with
 * that tag: exactly once with COF_REPLY_LAST, and before that as often as its comment says.  When it
 * returns a negative status no reply follows; any error may also come as the last reply instead.
 *
 * Replies of one tag keep their order.  A reply may come on another worker before the function has
 * returned; output arguments are written before.  Each accepted tag gets its last reply before
 * destroy() is entered, or destroy() is never entered (a stuck or killed plugin).
 *
 * When a call is cancelled, what was started for it BEFORE ends with COF_ECANCELLED (but writes that
 * are on their way to the disk end as they do), so that waiting code unwinds by itself.  What is
 * started AFTER the cancel is done until the call is completed or its grace time is over: time to
 * checkpoint, or to cancel at a provider.  When a call is completed, what still runs for it is
 * cancelled. */
enum { COF_REPLY_LAST = 1 };

typedef struct cof_reply {
  uint32_t struct_size;
  int32_t status;         /* COF_OK or the reason of the failure */
  uint64_t tag;           /* as given */
  uint64_t call_id;       /* the call that it was started for, 0 when for none */
  uint32_t flags;         /* COF_REPLY_LAST */
  int32_t kind;           /* what the body is: see the service's header */
  int64_t value;          /* a number: see the service's header */
  int64_t value2;         /* another */
  cof_bytes body;
  cof_str name;           /* see the service's header */
  cof_str id;             /* see the service's header */
  cof_str error_code;     /* of a failure, as in cof_outcome */
  cof_str error_message;
  int32_t retryable;      /* 1 or 0 */
  int32_t reserved;       /* 0 */
  int64_t retry_after_ms; /* the other side asked to wait so long; 0 unknown */
} cof_reply;

/* ---- The plugin as the host sees it ------------------------------------------------------- */

enum {
  COF_CONFIGURE_CHECK = 1, /* say whether this configuration would do; change nothing */
  COF_CONFIGURE_APPLY = 2  /* use it; comes only when the CHECK of every plugin passed */
};

typedef struct cof_configuration {
  uint32_t struct_size;
  int32_t phase; /* COF_CONFIGURE_* */
  cof_str json;  /* the plugin's table, checked against the manifest's schema, defaults filled in;
                    a secret is {"secret": NAME}, to be read by cof.secret/1 */
} cof_configuration;

/* Order: create, configure CHECK, configure APPLY, start, (invoke, reply, cancel, configure)*,
 * drain, stop, destroy.  Every hook has a deadline that the operator can set (create 0.1 s,
 * configure 5 s, start 30 s, drain 20 s, stop 5 s), counted from when it is entered.  What overruns
 * is cancelled and, when that does not help, the plugin is killed (isolated) or quarantined
 * (in-process): its calls fail and it is never entered again, not even by destroy(). */
typedef struct cof_plugin {
  uint32_t struct_size;
  uint32_t abi_major; /* COF_ABI_MAJOR and COF_ABI_MINOR of the header that it was built with */
  uint32_t abi_minor;
  uint32_t reserved; /* 0 */

  /* [plugin] Makes the plugin's state, *self.  No I/O, nothing that takes a tag.  `host` stays valid
   * until the process ends.  On a negative status nothing was made, and destroy() is not called. */
  int32_t (*create)(const cof_host *host, const cof_call *call, void **self);

  /* [plugin] Ends the state.  After it returns, the plugin uses the host no more. */
  void (*destroy)(void *self);

  /* [plugin] optional.  May return COF_PENDING. */
  int32_t (*configure)(void *self, const cof_call *call, const cof_configuration *configuration);

  /* [plugin] optional.  Gets ready for work.  May return COF_PENDING. */
  int32_t (*start)(void *self, const cof_call *call);

  /* [plugin] optional (a plugin without operations, routes and subscriptions needs none).  Does
   * what `call->kind` and `invocation` say.  Either it returns a final status, after having written
   * the result to `result` (JSON for an operation, the body for a route); or it returns COF_PENDING
   * and the call ends later with cof.call/1 complete(): what was written to `result` is then void. */
  int32_t (*invoke)(void *self, const cof_call *call, const cof_invocation *invocation,
                    const cof_sink *result);

  /* [plugin] optional (a plugin that starts no asynchronous service needs none). */
  void (*reply)(void *self, const cof_reply *reply);

  /* [plugin] optional.  A pending call is to end soon, by complete().  Code that blocks a worker
   * learns it by cof.call/1 cancel_reason() instead. */
  void (*cancel)(void *self, const cof_cancel *cancel);

  /* [plugin] optional.  No new work comes; calls that run go on.  Ends when the plugin has nothing
   * more to do on its own account.  May return COF_PENDING. */
  int32_t (*drain)(void *self, const cof_call *call);

  /* [plugin] optional.  Ends everything; no other call runs any more.  May return COF_PENDING. */
  int32_t (*stop)(void *self, const cof_call *call);

  /* [plugin] optional.  Says whether the plugin could work now.  May return COF_PENDING. */
  int32_t (*probe)(void *self, const cof_call *call);
} cof_plugin;

/* ---- The one exported symbol and the manifest --------------------------------------------- */

#define COF_EXPORT __attribute__((visibility("default")))

/* [any] Returns the plugin's table: constant, valid until the process ends, no side effects.  The
 * plugin defines it; it is the only symbol that the library exports. */
COF_EXPORT const cof_plugin *cof_plugin_entry_v1(void);

/* The manifest is a JSON object in an ELF note: little-endian u32 {10, n, 1}, "cofounder\0\0\0", n
 * bytes of JSON (n a multiple of 4, padded with up to 4 NULs), exactly one such note within the
 * PT_NOTE segments, at most 256 KiB.  See cof-plugin(3) for its fields; the least is
 *   {"id": "hello", "version": "1.0.0", "abi": "1.0"} */
#define COF_NOTE_SECTION ".note.cofounder"
#define COF_NOTE_OWNER "cofounder"
#define COF_NOTE_MANIFEST 1u
#define COF_MANIFEST_BYTES_MAX 262144u

/* Puts the manifest, a string literal, into the library.  Use it once, at file scope, in the file
 * that defines the entry, and end it with a semicolon: a second one is a link error. */
#define COF_MANIFEST(json)                                                                   \
  _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Woverlength-strings\"")  \
  extern __attribute__((visibility("hidden"))) const struct cof_manifest_note_ {             \
    uint32_t owner_size, text_size, type;                                                    \
    char owner[12];                                                                          \
    char text[(sizeof(json) + 3) / 4 * 4];                                                   \
  } cof_manifest_note_;                                                                      \
  __attribute__((used, aligned(4), section(COF_NOTE_SECTION)))                               \
  const struct cof_manifest_note_ cof_manifest_note_ = {                                     \
      sizeof(COF_NOTE_OWNER), (sizeof(json) + 3) / 4 * 4, COF_NOTE_MANIFEST, COF_NOTE_OWNER, \
      json};                                                                                 \
  _Pragma("GCC diagnostic pop") struct cof_manifest_note_

COF_STATIC_ASSERT(sizeof(cof_str) == 16 && sizeof(cof_bytes) == 16 && sizeof(cof_sink) == 16, "");
COF_STATIC_ASSERT(sizeof(cof_host) == 64 && sizeof(cof_call) == 24, "");
COF_STATIC_ASSERT(sizeof(cof_invocation) == 96 && sizeof(cof_cancel) == 24, "");
COF_STATIC_ASSERT(sizeof(cof_outcome) == 72 && sizeof(cof_reply) == 144, "");
COF_STATIC_ASSERT(sizeof(cof_plugin) == 96 && sizeof(cof_configuration) == 24, "");

#ifdef __cplusplus
}
#endif

#endif
