/* SPDX-License-Identifier: Apache-2.0 */
/* A program that does what its first argument says: what tests run under a reaper.
 *
 * With LOCK=FILE in the environment it holds a lock on that file, which its descendants share: when
 * somebody else gets the lock, none of them is left. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

extern char **environ;

static void hold_lock(void) {
  const char *name = getenv("LOCK");
  if (name == NULL) return;
  const int file = open(name, O_RDWR | O_CREAT, 0600);
  if (file < 0 || flock(file, LOCK_EX | LOCK_NB) != 0) exit(99);
}

static void wait_for_ever(void) {
  for (;;) pause();
}

static int said[2] = {-1, -1}; /* a byte from each process that has said its number */

/* One line per process, in one write, so that lines of several do not mix. */
static void say_pid(const char *what) {
  char line[64];
  const int size = snprintf(line, sizeof line, "%s %d\n", what, (int)getpid());
  if (write(1, line, (size_t)size) != size) exit(98);
  if (said[1] >= 0 && write(said[1], "", 1) != 1) exit(98);
}

static void wait_until_said(int count) {
  char byte;
  while (count-- > 0) {
    if (read(said[0], &byte, 1) != 1) exit(98);
  }
}

static void child(const char *what, void (*before)(void)) {
  if (fork() != 0) return;
  if (before != NULL) before();
  say_pid(what);
  wait_for_ever();
}

static void new_session(void) { setsid(); }
static void ignore_term(void) { signal(SIGTERM, SIG_IGN); }
static void double_fork(void) {
  if (fork() != 0) _exit(0);
  setsid();
  if (fork() != 0) _exit(0);
  ignore_term();
}
static void own_subreaper(void) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  ignore_term();
  child("below-subreaper", double_fork);
}
static void stopped(void) {
  say_pid("stopping");
  raise(SIGSTOP);
}

/* Six descendants that outlive whoever is not thorough. */
static void tree(void) {
  if (pipe(said) != 0) exit(98);
  child("child", NULL);
  child("session", new_session);
  child("orphan", double_fork);
  child("subreaper", own_subreaper);
  child("stubborn", ignore_term);
}

/* Never longer than an instant under one number. */
static void hop(void) {
  ignore_term();
  for (;;) {
    const pid_t next = fork();
    if (next > 0) _exit(0);
    if (next == 0) setsid();
  }
}

static void flood(long long bytes, int line_bytes, int descriptor) {
  char *block = malloc((size_t)line_bytes * 64);
  memset(block, 'x', (size_t)line_bytes * 64);
  for (int i = 1; i <= 64; ++i) block[i * line_bytes - 1] = '\n';
  while (bytes > 0) {
    const long long most = (long long)line_bytes * 64;
    const ssize_t wrote = write(descriptor, block, (size_t)(bytes < most ? bytes : most));
    if (wrote < 0) exit(97);
    bytes -= wrote;
  }
  free(block);
}

static void show_surroundings(char **argv) {
  char folder[4096];
  struct rlimit limit;
  for (char **arg = argv; *arg != NULL; ++arg) printf("arg %s\n", *arg);
  for (char **variable = environ; *variable != NULL; ++variable) printf("env %s\n", *variable);
  printf("cwd %s\n", getcwd(folder, sizeof folder));
  for (int i = 0; i < 256; ++i) {
    if (fcntl(i, F_GETFD) >= 0) printf("descriptor %d\n", i);
  }
  getrlimit(RLIMIT_AS, &limit);
  printf("memory %lld\n", (long long)limit.rlim_cur);
  getrlimit(RLIMIT_FSIZE, &limit);
  printf("file %lld\n", (long long)limit.rlim_cur);
  getrlimit(RLIMIT_NOFILE, &limit);
  printf("descriptors %lld\n", (long long)limit.rlim_cur);
  getrlimit(RLIMIT_CPU, &limit);
  printf("cpu %lld\n", (long long)limit.rlim_cur);
  getrlimit(RLIMIT_CORE, &limit);
  printf("core %lld\n", (long long)limit.rlim_cur);
  sigset_t blocked;
  sigprocmask(SIG_BLOCK, NULL, &blocked);
  for (int i = 1; i < 32; ++i) {
    if (sigismember(&blocked, i) == 1) printf("blocked %d\n", i);
  }
  printf("session %d\n", getsid(0) == getpid());
  printf("new-privileges %d\n", !prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
}

static void on_signal(int number) {
  char line[32];
  const int size = snprintf(line, sizeof line, "got %d\n", number);
  if (write(1, line, (size_t)size) != size) _exit(96);
  if (number == SIGTERM) _exit(7);
}

int main(int argc, char **argv) {
  hold_lock();
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "exit") == 0) return atoi(argv[2]);
  if (strcmp(what, "raise") == 0) {
    raise(atoi(argv[2]));
  } else if (strcmp(what, "show") == 0) {
    show_surroundings(argv + 2);
  } else if (strcmp(what, "print") == 0) {
    printf("%s", argv[2]);
    fflush(stdout);
    fprintf(stderr, "%s", argc > 3 ? argv[3] : "");
  } else if (strcmp(what, "cat") == 0) {
    char bytes[4096];
    ssize_t size;
    while ((size = read(0, bytes, sizeof bytes)) > 0) {
      if (write(1, bytes, (size_t)size) != size) return 95;
    }
  } else if (strcmp(what, "flood") == 0) {
    flood(atoll(argv[2]), atoi(argv[3]), 1);
    flood(atoll(argv[4]), atoi(argv[3]), 2);
    printf("the end\n");
    fprintf(stderr, "the end of errors\n");
  } else if (strcmp(what, "signals") == 0) {
    signal(SIGUSR1, on_signal);
    signal(SIGTERM, on_signal);
    say_pid("ready");
    wait_for_ever();
  } else if (strcmp(what, "ignore") == 0) {
    ignore_term();
    say_pid("ready");
    wait_for_ever();
  } else if (strcmp(what, "tree") == 0) {
    tree();
    wait_until_said(6);
    say_pid("program");
    wait_for_ever();
  } else if (strcmp(what, "leave") == 0) {
    tree();
    child("continued", stopped);
    wait_until_said(7);
    say_pid("program");
    return 5;
  } else if (strcmp(what, "hop") == 0) {
    for (int i = 0; i < 4; ++i) {
      if (fork() == 0) hop();
    }
    say_pid("program");
    wait_for_ever();
  }
  return 0;
}
