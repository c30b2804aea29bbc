/* SPDX-License-Identifier: Apache-2.0 */
/* cof.file/1: files that a client named.  The host opens them, below the folders that the
 * operator allows, regular files only, without following links; the plugin sees a handle. */
#ifndef COFOUNDER_SERVICES_FILE_H
#define COFOUNDER_SERVICES_FILE_H

#include "../abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define COF_FILE_IID "cof.file/1"

enum {
  COF_FILE_READ = 1,
  COF_FILE_WRITE = 2 /* a new file, put in place with its whole content by commit() */
};

typedef struct cof_file_service {
  uint32_t struct_size;
  uint32_t minor; /* of this interface */

  /* [disk] Opens `name` for the call: a path that stands as a string in the call's args, below `files.read` (or `files.write`), an "upload:ID" that
   * stands there, or "scratch:attempt/NAME" and "scratch:task/NAME" (NAME without '/').  `handle` is valid until
   * release() or the end of the call; a request that reads it keeps it open.  COF_OK, COF_EGONE, COF_EDENIED outside the allowed folders, COF_ENOTFOUND,
   * COF_EINVALID when it is no regular file, COF_ETOOBIG, COF_ELIMIT. */
  int32_t (*open)(const cof_host *host, uint64_t call_id, cof_str name, int32_t mode,
                  uint64_t *handle);

  /* [any] Size in bytes when it was opened, or negative status. */
  int64_t (*size)(const cof_host *host, uint64_t handle);

  /* [disk] Reads at most `size` bytes from `offset` into `buffer` (the plugin's).  The number of
   * bytes, 0 at the end, or negative status. */
  int64_t (*read)(const cof_host *host, uint64_t handle, uint64_t offset, void *buffer,
                  uint64_t size);

  /* [disk] Appends to a file opened for writing.  COF_OK, COF_EGONE, COF_ETOOBIG,
   * COF_EUNAVAILABLE. */
  int32_t (*write)(const cof_host *host, uint64_t handle, cof_bytes piece);

  /* [disk] Puts a written file in place, atomically, replacing an older one.  COF_OK, COF_EGONE,
   * COF_EUNAVAILABLE. */
  int32_t (*commit)(const cof_host *host, uint64_t handle);

  /* [any] Writes the last part of the name that the client gave, for display, to `out`. */
  int32_t (*name)(const cof_host *host, uint64_t handle, const cof_sink *out);

  /* [any] Closes; a written file that was not committed vanishes. */
  void (*release)(const cof_host *host, uint64_t handle);
} cof_file_service;

#ifdef __cplusplus
}
#endif

#endif
