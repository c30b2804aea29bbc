/* SPDX-License-Identifier: Apache-2.0 */
/* cof.process/1: runs programs for a plugin: a trainer, a converter, a model server.  No shell is
 * involved.  The host reads what a program writes at all times, so that it never waits for the
 * plugin, and when a program is over, or is to be, nothing that it started is left: also not what
 * went into a session of its own or was orphaned. */
#ifndef COFOUNDER_SERVICES_PROCESS_H
#define COFOUNDER_SERVICES_PROCESS_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_PROCESS_IID "cof.process/1"

/* WHAT MAY RUN  A program that the manifest's permissions.programs lists ("python3", an absolute
 * path, or "*": whatever the operator allows) and that the operator lists in `programs` of the
 * plugin's configuration: the same text, or for a bare name an absolute path that ends in it, which
 * is then what runs.  Else a bare name is looked for in /usr/local/bin, /usr/bin and /bin,
 * whatever PATH is given.  It runs as the daemon's user, outside of the plugin's sandbox, cannot gain
 * rights (no_new_privs), and leaves no core dumps.
 *
 * LIMITS  limits.processes_max programs of a plugin at once, else COF_ELIMIT.  `args` and
 * `environment` together 1 MiB and each string 128 KiB, `input` 64 MiB, else COF_ETOOBIG.  What the
 * host keeps of a program's output is bounded by `output_bytes_max` and limits.process_output_bytes_max
 * and by `errors_bytes_max`: more is not an error, but is dropped and counted. */

/* What becomes of the program's standard output. */
enum {
  COF_PROCESS_WHOLE = 0,  /* one reply of kind OUTPUT when it is over, when there was any: the first
                             `output_bytes_max` bytes */
  COF_PROCESS_LINES = 1,  /* a reply of kind OUTPUT per line */
  COF_PROCESS_DISCARD = 2 /* read and counted only */
};

/* Reply kinds. */
enum {
  COF_PROCESS_STARTED = 1, /* it runs; value = its process id, for people.  Once, before the others,
                              unless it could not be started */
  COF_PROCESS_OUTPUT = 2,  /* LINES: body = a line without its end, value = its number from 1 (a gap:
                              lines were dropped), value2 = 1 when it was longer than
                              `line_bytes_max` and is cut.  WHOLE: body = the output */
  COF_PROCESS_END = 3      /* the last: neither the program nor anything that it started runs.
                              COF_OK when it ended by itself, in whatever way: value = its exit code,
                              or the negative number of the signal that ended it; value2 = bytes of
                              standard output; body = the end of standard error, at most
                              `errors_bytes_max`; name = a JSON object, see below.
                              Else the reason; if it had been started, the rest is as above:
                              COF_ETIMEDOUT (`timeout_ms`), COF_ECANCELLED, COF_ECRASHED (its reaper
                              is gone; what had left its session may run on), COF_ENOTFOUND (no such
                              program), COF_EDENIED (the file may not be executed), COF_EUNAVAILABLE */
};

/* The object in `name`; more members may come:
 *   {"duration_ms": 1200, "cpu_ms": 900,      of the program and all that it started
 *    "rss_bytes_peak": 73400320,              of the largest of them
 *    "output_bytes": 9, "output_bytes_dropped": 0, "lines": 1, "lines_dropped": 0, "lines_cut": 0,
 *    "errors_bytes": 0,                       of standard error in all
 *    "left": 0}                               processes that ran on when the program was over, and
 *                                             had to be ended */

/* Flags. */
enum {
  COF_PROCESS_PULL = 1, /* LINES: replies of kind OUTPUT come only as far as pull() allows */
  COF_PROCESS_MERGE = 2 /* standard error goes where standard output goes, in order */
};

/* A line ends with "\n", "\r\n" or "\r" (progress bars), or with the output.  Lines wait for pull(),
 * or without COF_PROCESS_PULL for a plugin that is slow to return from reply(), until they are more
 * than `output_bytes_max`: then the oldest that wait are dropped and counted. */
typedef struct cof_process_request {
  uint32_t struct_size;
  uint32_t flags;            /* COF_PROCESS_PULL ... */
  cof_str program;           /* a name without '/', or an absolute path; it is argv[0], too */
  cof_bytes args;            /* argv from [1]: each ended by '\0'.  Everybody on the machine can read
                                them: a secret belongs into `environment` or `input` */
  cof_bytes environment;     /* "NAME=value", each ended by '\0'; nothing else is passed on, but
                                PATH=/usr/local/bin:/usr/bin:/bin unless it is here */
  cof_bytes input;           /* its standard input, a file that is at its beginning; copied before
                                start() returns */
  int32_t output;            /* COF_PROCESS_WHOLE ... */
  int32_t folder;            /* working directory: COF_SCRATCH_ATTEMPT, COF_SCRATCH_TASK (operations
                                only, see services/scratch.h), or 0: "/" */
  int64_t timeout_ms;        /* 0: none but the call's deadline */
  int64_t grace_ms;          /* between SIGTERM and SIGKILL, at most 60 s; 0: 5 s */
  uint64_t line_bytes_max;   /* at most 1 MiB; 0: 64 KiB */
  uint64_t output_bytes_max; /* 0: 1 MiB */
  uint64_t errors_bytes_max; /* at most 1 MiB; 0: 16 KiB */
  uint64_t memory_bytes_max; /* address space of each process (RLIMIT_AS); 0: no limit */
  uint64_t cpu_seconds_max;  /* processor time of each process (RLIMIT_CPU); 0: no limit */
  uint64_t file_bytes_max;   /* the largest file that it may write (RLIMIT_FSIZE); 0: no limit */
  uint64_t files_open_max;   /* descriptors of each process (RLIMIT_NOFILE); 0: 1024 */
} cof_process_request;

/* HOW A PROGRAM ENDS  When it is over, and at `timeout_ms`, by cancel(), and with its call, everything
 * that it started gets SIGTERM, after `grace_ms` SIGKILL.  When the call is cancelled or completed,
 * at most half of the plugin's grace time (deadlines.grace) is waited, so that END comes within it.
 * When the daemon dies, however, the same happens. */
typedef struct cof_process_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [disk] Starts a program for `call_id` (0: for the plugin itself).  Replies with `tag`: STARTED,
   * OUTPUT as `output` says, END.  `handle`, when not NULL, receives the handle.  COF_OK;
   * COF_EDENIED for a program that the manifest or the operator does not allow, COF_EINVALID,
   * COF_ETOOBIG, COF_ELIMIT, COF_EGONE, COF_EUNAVAILABLE. */
  int32_t (*start)(const cof_host *host, uint64_t call_id, const cof_process_request *request,
                   uint64_t tag, uint64_t *handle);

  /* [post] Sends a signal to the program's process group: SIGHUP (1), SIGINT (2), SIGQUIT (3),
   * SIGUSR1 (10), SIGUSR2 (12) or SIGTERM (15).  Before STARTED, and when the program itself is over,
   * it goes nowhere.  COF_OK, COF_EINVALID, COF_EGONE. */
  int32_t (*signal)(const cof_host *host, uint64_t handle, int32_t number);

  /* [any] Ends the program and everything that it started; its END comes with COF_ECANCELLED unless
   * it was over already.  COF_OK, COF_EGONE. */
  int32_t (*cancel)(const cof_host *host, uint64_t handle);

  /* [post] Allows `bytes` more of OUTPUT replies to a program with COF_PROCESS_PULL, which begins
   * with none; one line may overshoot, an empty one counts as one byte.  COF_OK, COF_EINVALID,
   * COF_EGONE. */
  int32_t (*pull)(const cof_host *host, uint64_t handle, uint64_t bytes);
} cof_process_service;

#ifdef __cplusplus
}
#endif

#endif
