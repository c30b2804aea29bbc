// SPDX-License-Identifier: Apache-2.0
#include "core/process/seccomp_filter.hpp"

#include "core/base/descriptor.hpp"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <vector>

namespace cofounder {
namespace {

// Names that this libseccomp or this machine does not know are skipped: they then answer ENOSYS.

constexpr const char* allowed[] = {
    // memory
    "brk", "madvise", "mincore", "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect",
    "mremap", "msync", "munlock", "munlockall", "munmap", "membarrier", "memfd_create",
    "pkey_alloc", "pkey_free", "pkey_mprotect", "get_mempolicy", "mbind", "set_mempolicy",
    // threads and their ends
    "arch_prctl", "exit", "exit_group", "futex", "futex_waitv", "futex_time64", "get_robust_list",
    "get_thread_area", "getcpu", "gettid", "rseq", "sched_get_priority_max",
    "sched_get_priority_min", "sched_getaffinity", "sched_getattr", "sched_getparam",
    "sched_getscheduler", "sched_yield", "set_robust_list", "set_thread_area", "set_tid_address",
    "restart_syscall",
    // signals of its own
    "pause", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend",
    "rt_sigtimedwait", "rt_sigtimedwait_time64", "sigaltstack", "sigreturn", "signalfd",
    "signalfd4", "wait4", "waitid",
    // time
    "alarm", "clock_getres", "clock_getres_time64", "clock_gettime", "clock_gettime64",
    "clock_nanosleep", "clock_nanosleep_time64", "getitimer", "gettimeofday", "nanosleep",
    "setitimer", "time", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime",
    "timer_settime", "timerfd_create", "timerfd_gettime", "timerfd_settime", "times",
    // descriptors that it has
    "close", "close_range", "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl",
    "epoll_pwait", "epoll_pwait2", "epoll_wait", "eventfd", "eventfd2", "fadvise64", "fallocate",
    "fdatasync", "flock", "fstat", "fstat64", "fstatfs", "fsync", "ftruncate", "getdents",
    "getdents64", "lseek", "_llseek", "pipe", "pipe2", "poll", "ppoll", "ppoll_time64", "pread64",
    "preadv", "preadv2", "pselect6", "pselect6_time64", "pwrite64", "pwritev", "pwritev2", "read",
    "readahead", "readv", "select", "sendfile", "splice", "sync_file_range", "tee",
    "copy_file_range", "umask", "write", "writev",
    // the one socket that it was given
    "getpeername", "getsockname", "getsockopt", "recvfrom", "recvmmsg", "recvmsg", "sendmmsg",
    "sendmsg", "shutdown",
    // files, where Landlock stands
    "access", "chdir", "creat", "faccessat", "faccessat2", "fchdir", "fstatat64", "getcwd",
    "lstat", "mkdir", "mkdirat", "newfstatat", "open", "openat", "openat2", "readlink",
    "readlinkat", "rename", "renameat", "renameat2", "rmdir", "stat", "statfs", "statx", "unlink",
    "unlinkat",
    // who and where am I
    "getegid", "geteuid", "getgid", "getgroups", "getpgid", "getpgrp", "getpid", "getppid",
    "getpriority", "getrandom", "getresgid", "getresuid", "getrlimit", "getrusage", "getsid",
    "getuid", "capget", "sysinfo", "ugetrlimit", "uname",
};

constexpr const char* forbidden[] = {
    // network
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "setsockopt",
    "socketcall",
    // processes
    "fork", "vfork", "execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev",
    "process_madvise", "process_mrelease", "kcmp", "pidfd_open", "pidfd_getfd",
    "pidfd_send_signal", "tkill", "setsid", "setpgid", "unshare", "setns", "setpriority",
    "sched_setscheduler", "sched_setparam", "sched_setattr", "ioprio_set", "migrate_pages",
    "move_pages", "setrlimit",
    // who it is
    "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "setfsuid",
    "setfsgid", "capset", "seccomp",
    // files: what Landlock does not look at, or what nobody needs
    "chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat", "truncate", "link",
    "linkat", "symlink", "symlinkat", "mknod", "mknodat", "utime", "utimes", "futimesat",
    "utimensat", "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr",
    "lremovexattr", "fremovexattr", "removexattrat", "inotify_add_watch", "inotify_init",
    "inotify_init1", "fanotify_init", "fanotify_mark", "name_to_handle_at", "open_by_handle_at",
    "chroot", "pivot_root", "mount", "umount", "umount2", "fsopen", "fsconfig", "fsmount",
    "fspick", "move_mount", "open_tree", "open_tree_attr", "mount_setattr", "quotactl",
    "quotactl_fd", "swapon", "swapoff", "acct", "vhangup", "sync", "syncfs",
    // memory that others share by name
    "shmget", "shmat", "shmctl", "semget", "semop", "semctl", "msgget", "msgsnd", "msgrcv",
    "msgctl", "ipc", "mq_open", "mq_unlink",
    // the kernel
    "bpf", "keyctl", "add_key", "request_key", "userfaultfd", "io_uring_setup", "io_uring_enter",
    "io_uring_register", "perf_event_open", "init_module", "finit_module", "delete_module",
    "kexec_load", "kexec_file_load", "reboot", "iopl", "ioperm", "modify_ldt", "syslog",
    "settimeofday", "clock_settime", "clock_settime64", "adjtimex", "clock_adjtime",
    "clock_adjtime64", "sethostname", "setdomainname", "lookup_dcookie", "memfd_secret",
};

using Context = std::unique_ptr<void, decltype(&seccomp_release)>;

// Adds rules and keeps the first failure.
class Filter {
 public:
  explicit Filter(scmp_filter_ctx context) noexcept : context_{context} {}

  template <class... Compare>
  void add(std::uint32_t action, const char* name, Compare... compare) {
    if (error_ != 0) return;
    const int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) return;
    const int result = seccomp_rule_add(context_, action, number, sizeof...(compare), compare...);
    // A call that exists on other machines only.
    if (result != 0 && result != -EDOM) {
      error_ = -result;
      name_ = name;
    }
  }
  template <class... Compare>
  void allow(const char* name, Compare... compare) {
    add(SCMP_ACT_ALLOW, name, compare...);
  }
  template <class... Compare>
  void deny(const char* name, Compare... compare) {
    add(SCMP_ACT_ERRNO(EPERM), name, compare...);
  }
  int error() const noexcept { return error_; }
  const char* name() const noexcept { return name_; }

 private:
  scmp_filter_ctx context_;
  int error_ = 0;
  const char* name_ = "";
};

scmp_arg_cmp argument(unsigned index, scmp_compare compare, std::uint64_t value,
                      std::uint64_t second = 0) {
  return {index, compare, value, second};
}
// Where the kernel reads 32 bits, the filter has to, too: else the upper half is a way around.
scmp_arg_cmp low_half(unsigned index, std::int64_t value) {
  return argument(index, SCMP_CMP_MASKED_EQ, 0xffff'ffffU, static_cast<std::uint32_t>(value));
}

void add_threads(Filter& filter) {
  // Threads yes, processes no.  clone3 hides its flags behind a pointer; it is in no list, so that
  // glibc falls back to clone.
  constexpr std::uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS |
                                       CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
                                       CLONE_NEWNET;
  filter.allow("clone",
               argument(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD | namespaces, CLONE_THREAD));
  filter.deny("clone", argument(0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));
}

void add_signals(Filter& filter) {
  // Only to itself: abort(), raise(), pthread_kill().
  const pid_t self = ::getpid();
  for (const char* name : {"kill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"}) {
    filter.allow(name, low_half(0, self));
    filter.deny(name, argument(0, SCMP_CMP_GT, static_cast<std::uint64_t>(self)));
    filter.deny(name, argument(0, SCMP_CMP_LT, static_cast<std::uint64_t>(self)));
  }
}

void add_numbered_doors(Filter& filter) {
  for (const int option : {PR_SET_NAME, PR_GET_NAME, PR_GET_DUMPABLE, PR_GET_NO_NEW_PRIVS,
                                PR_GET_SECCOMP, PR_CAPBSET_READ, PR_GET_TIMERSLACK,
                                0x53564d41 /* PR_SET_VMA: names of mappings */}) {
    filter.allow("prctl", low_half(0, option));
  }
  for (const int option :
       {PR_SET_DUMPABLE, PR_SET_PDEATHSIG, PR_SET_PTRACER, PR_SET_SECCOMP, PR_SET_MM,
        PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAPBSET_DROP, PR_SET_KEEPCAPS,
        PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS}) {
    filter.deny("prctl", low_half(0, option));
  }
  // No F_SETOWN, F_SETSIG: they send signals to others.  No leases.
  for (const int command :
       {F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_GETLK, F_SETLK, F_SETLKW,
        F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW, F_ADD_SEALS, F_GET_SEALS, F_GETPIPE_SZ,
        F_SETPIPE_SZ}) {
    filter.allow("fcntl", low_half(1, command));
    filter.allow("fcntl64", low_half(1, command));
  }
  for (const int command : {F_SETOWN, F_SETOWN_EX, F_SETSIG, F_SETLEASE, F_NOTIFY}) {
    filter.deny("fcntl", low_half(1, command));
  }
  for (const int request : {TCGETS, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX}) {
    filter.allow("ioctl", low_half(1, request));
  }
  filter.deny("ioctl", low_half(1, TIOCSTI));
  filter.allow("personality", low_half(0, 0xffff'ffffU));  // the question
  filter.deny("personality", argument(0, SCMP_CMP_LT, 0xffff'ffffU));
  // What its own limits are.  Not to set them: of RLIMIT_CPU only the soft one limits it, which the
  // daemon moves on while there is work.
  filter.allow("prlimit64", argument(0, SCMP_CMP_EQ, 0), argument(2, SCMP_CMP_EQ, 0));
  filter.deny("prlimit64", argument(0, SCMP_CMP_NE, 0));
  filter.deny("prlimit64", argument(2, SCMP_CMP_NE, 0));
  // The processors that it runs on itself.
  filter.allow("sched_setaffinity", argument(0, SCMP_CMP_EQ, 0));
  filter.deny("sched_setaffinity", argument(0, SCMP_CMP_NE, 0));
  // send(), but no sendto() with an address.
  filter.allow("sendto", argument(4, SCMP_CMP_EQ, 0));
  filter.deny("sendto", argument(4, SCMP_CMP_NE, 0));
}

void add_modes(Filter& filter) {
  // The mode of a file of its own that is open, for copy_file and the like; not as root, who owns
  // more than that, and no set-id bits.
  constexpr std::uint64_t set_id_bits = 07000;
  if (::geteuid() == 0) {
    filter.deny("fchmod");
    return;
  }
  filter.allow("fchmod", argument(1, SCMP_CMP_MASKED_EQ, set_id_bits, 0));
}

// Not with seccomp_load(), whose errno is not always the kernel's.
SandboxRefusal load(scmp_filter_ctx context) {
  const Descriptor file{::memfd_create("filter", MFD_CLOEXEC)};
  if (!file) return {"seccomp", "memfd_create", errno};
  if (const int error = seccomp_export_bpf(context, file.get()); error != 0) {
    return {"seccomp", "seccomp_export_bpf", -error};
  }
  const off_t bytes = ::lseek(file.get(), 0, SEEK_CUR);
  std::vector<sock_filter> program(static_cast<std::size_t>(bytes) / sizeof(sock_filter));
  if (::pread(file.get(), program.data(), static_cast<std::size_t>(bytes), 0) != bytes) {
    return {"seccomp", "reading the filter", errno};
  }
  const sock_fprog whole{static_cast<unsigned short>(program.size()), program.data()};
  if (::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &whole) != 0) {
    return {"seccomp", "seccomp", errno};
  }
  return {};
}

}  // namespace

SandboxRefusal enter_seccomp() {
  const Context context{seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), &seccomp_release};
  if (!context) return {"seccomp", "seccomp_init", ENOMEM};
  // The 32-bit and x32 calls have other numbers: nobody here makes them by accident.
  seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  // A binary tree: a call late in the list should not pay for those before.
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  Filter filter{context.get()};
  for (const char* name : allowed) filter.allow(name);
  for (const char* name : forbidden) filter.deny(name);
  add_threads(filter);
  add_signals(filter);
  add_numbered_doors(filter);
  add_modes(filter);
  if (filter.error() != 0) return {"seccomp", filter.name(), filter.error()};
  return load(context.get());
}

}  // namespace cofounder
