/* SPDX-License-Identifier: Apache-2.0 */
/* A bad disk and a wrong clock for one process: preloaded into the daemon (LD_PRELOAD), told what to
 * do by a page of memory that the torture program shares (TORTURE_CONTROL), and blind to everything
 * but the files below TORTURE_DISK.  What it replaces it does by system calls, so that it needs nothing of
 * the C library before that, or a sanitizer, is ready.
 *
 *   slow       each write and sync takes so long
 *   EIO        of writes or of syncs, or ENOSPC of writes, with so many chances in a thousand
 *   power cut  every change is first written to TORTURE_LOG, and a sync is only a mark in it: what a
 *              disk may hold after a power cut can be computed from that (power_cut.py)
 *   clock      CLOCK_REALTIME is so far off; who waits for it to be set is told, as by the kernel */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* The layout is known to control.py. */
struct control {
  _Atomic int64_t wall_offset_ns;
  _Atomic uint32_t slow_us;
  _Atomic uint32_t write_error_permille; /* EIO */
  _Atomic uint32_t sync_error_permille;  /* EIO */
  _Atomic uint32_t full_permille;        /* ENOSPC */
  _Atomic uint32_t is_logging;
  _Atomic uint32_t seed;
  _Atomic uint64_t faults; /* how many were made */
};

enum { files_max = 4096, name_max = 64 };
enum record { record_write = 1, record_truncate = 2, record_sync = 3, record_remove = 4 };

static struct control calm; /* when nobody tells: no fault */
static struct control *control = &calm;
static const char *disk;
static size_t disk_length;
static int log_file = -1;
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
/* The open files below `disk`, by descriptor, and their names without the folder. */
static atomic_bool is_on_disk[files_max];
static char names[files_max][name_max];

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("TORTURE_CONTROL");
  const int file = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (file >= 0) {
    void *const page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page != MAP_FAILED) control = page;
    close(file);
  }
  disk = getenv("TORTURE_DISK");
  disk_length = disk == NULL ? 0 : strlen(disk);
  path = getenv("TORTURE_LOG");
  if (path != NULL) log_file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

/* ---- which files --------------------------------------------------------------------------- */

/* The name of a file that the store keeps on the disk; its shared memory and locks are none. */
static const char *name_on_disk(const char *path) {
  if (disk == NULL || strncmp(path, disk, disk_length) != 0 || path[disk_length] != '/') return NULL;
  const char *const name = path + disk_length + 1;
  const size_t length = strlen(name);
  const char *const dull[] = {"-shm", ".lock", ".copy"};
  for (size_t i = 0; i < sizeof dull / sizeof *dull; ++i) {
    const size_t end = strlen(dull[i]);
    if (length >= end && strcmp(name + length - end, dull[i]) == 0) return NULL;
  }
  return name;
}

static int opened(int file, const char *path) {
  const char *const name = file < 0 || file >= files_max ? NULL : name_on_disk(path);
  if (name != NULL && strlen(name) < name_max) {
    strcpy(names[file], name);
    atomic_store(&is_on_disk[file], 1);
  }
  return file;
}

static const char *name_of(int file) {
  return file >= 0 && file < files_max && atomic_load(&is_on_disk[file]) ? names[file] : NULL;
}

static mode_t mode_of(int flags, va_list more) {
  return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(more, mode_t) : 0;
}

int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  return opened((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), path);
}
int open64(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const mode_t mode = mode_of(flags, more);
  va_end(more);
  return opened((int)syscall(SYS_openat, AT_FDCWD, path, flags, mode), path);
}

int close(int file) {
  if (file >= 0 && file < files_max) atomic_store(&is_on_disk[file], 0);
  return (int)syscall(SYS_close, file);
}

/* ---- what happens to them ------------------------------------------------------------------ */

static int is_due(uint32_t permille) {
  if (permille == 0) return 0;
  /* Of the seed and the number of the question: threads need no lock for it. */
  static _Atomic uint64_t asked;
  uint64_t x = atomic_fetch_add(&asked, 1) * 0x9e3779b97f4a7c15u + atomic_load(&control->seed);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  if ((x ^ (x >> 31)) % 1000 >= permille) return 0;
  atomic_fetch_add(&control->faults, 1);
  return 1;
}

static void be_slow(void) {
  const uint32_t us = atomic_load(&control->slow_us);
  if (us == 0) return;
  const struct timespec pause_time = {us / 1000000, (long)(us % 1000000) * 1000};
  syscall(SYS_nanosleep, &pause_time, NULL);
  atomic_fetch_add(&control->faults, 1);
}

static void note(enum record kind, const char *name, const void *data, size_t size, int64_t offset) {
  if (log_file < 0 || atomic_load(&control->is_logging) == 0) return;
  struct {
    uint32_t kind, name_size;
    int64_t offset;
    uint64_t size;
  } head = {kind, (uint32_t)strlen(name), offset, size};
  const struct iovec parts[] = {{&head, sizeof head}, {(void *)name, head.name_size}, {(void *)data, size}};
  const ssize_t whole = (ssize_t)(sizeof head + head.name_size + size);
  pthread_mutex_lock(&log_mutex);
  if (writev(log_file, parts, 3) != whole) abort();
  pthread_mutex_unlock(&log_mutex);
}

/* 0, or the error that this write gets. */
static int before_write(void) {
  be_slow();
  if (is_due(atomic_load(&control->write_error_permille))) return EIO;
  if (is_due(atomic_load(&control->full_permille))) return ENOSPC;
  return 0;
}

static ssize_t write_at(int file, const void *data, size_t size, off_t offset) {
  const char *const name = name_of(file);
  if (name != NULL) {
    const int error = before_write();
    if (error != 0) {
      errno = error;
      return -1;
    }
    note(record_write, name, data, size, offset);
  }
  return syscall(SYS_pwrite64, file, data, size, offset);
}
ssize_t pwrite(int file, const void *data, size_t size, off_t offset) {
  return write_at(file, data, size, offset);
}
ssize_t pwrite64(int file, const void *data, size_t size, off64_t offset) {
  return write_at(file, data, size, offset);
}

static int truncate_to(int file, off_t size) {
  const char *const name = name_of(file);
  if (name != NULL) note(record_truncate, name, NULL, 0, size);
  return (int)syscall(SYS_ftruncate, file, size);
}
int ftruncate(int file, off_t size) { return truncate_to(file, size); }
int ftruncate64(int file, off64_t size) { return truncate_to(file, size); }

static int sync_file(int file, long call) {
  const char *const name = name_of(file);
  if (name == NULL) return (int)syscall(call, file);
  be_slow();
  if (is_due(atomic_load(&control->sync_error_permille))) {
    errno = EIO;
    return -1;
  }
  /* What is on the disk is what the log says. */
  if (atomic_load(&control->is_logging) == 0) return (int)syscall(call, file);
  note(record_sync, name, NULL, 0, 0);
  return 0;
}
int fsync(int file) { return sync_file(file, SYS_fsync); }
int fdatasync(int file) { return sync_file(file, SYS_fdatasync); }

int unlink(const char *path) {
  const char *const name = name_on_disk(path);
  if (name != NULL) note(record_remove, name, NULL, 0, 0);
  return (int)syscall(SYS_unlink, path);
}

/* ---- the clock ----------------------------------------------------------------------------- */

static int64_t offset_of(clockid_t clock) {
  const int is_wall = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
  return is_wall ? atomic_load(&control->wall_offset_ns) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *time_out) {
  const int result = (int)syscall(SYS_clock_gettime, clock, time_out);
  const int64_t offset = result == 0 ? offset_of(clock) : 0;
  if (offset == 0) return result;
  const int64_t now = (int64_t)time_out->tv_sec * 1000000000 + time_out->tv_nsec + offset;
  time_out->tv_sec = now / 1000000000;
  time_out->tv_nsec = now % 1000000000;
  return 0;
}

int gettimeofday(struct timeval *restrict time_out, void *restrict zone) {
  (void)zone;
  struct timespec now;
  const int result = clock_gettime(CLOCK_REALTIME, &now);
  time_out->tv_sec = now.tv_sec;
  time_out->tv_usec = now.tv_nsec / 1000;
  return result;
}

time_t time(time_t *out) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (out != NULL) *out = now.tv_sec;
  return now.tv_sec;
}

/* Stands for the timer that the kernel cancels when the clock is set. */
static int wall_watch = -1;

static void *watch_offset(void *unused) {
  (void)unused;
  int64_t last = atomic_load(&control->wall_offset_ns);
  for (;;) {
    const struct timespec pause_time = {0, 5000000};
    syscall(SYS_nanosleep, &pause_time, NULL);
    const int64_t offset = atomic_load(&control->wall_offset_ns);
    if (offset == last) continue;
    last = offset;
    const uint64_t one = 1;
    if (write(wall_watch, &one, sizeof one) != sizeof one) abort();
  }
  return NULL;
}

int timerfd_create(clockid_t clock, int flags) {
  if (clock != CLOCK_REALTIME || control == &calm || wall_watch >= 0) {
    return (int)syscall(SYS_timerfd_create, clock, flags);
  }
  wall_watch = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  sigset_t all;
  sigfillset(&all);
  pthread_attr_setsigmask_np(&attributes, &all);
  pthread_t thread;
  if (pthread_create(&thread, &attributes, watch_offset, NULL) != 0) abort();
  pthread_attr_destroy(&attributes);
  return wall_watch;
}

int timerfd_settime(int timer, int flags, const struct itimerspec *value, struct itimerspec *old) {
  if (timer == wall_watch && timer >= 0) return 0;
  return (int)syscall(SYS_timerfd_settime, timer, flags, value, old);
}
