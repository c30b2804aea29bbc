// SPDX-License-Identifier: Apache-2.0
#include "tests/process/probe.hpp"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/keyctl.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <thread>

// Calls that a plugin has no business with.  Each answers with its errno.
namespace cofounder::test {
namespace {

using Act = std::function<long(const ProbeCall&)>;

template <class... Args>
Act raw(long number, Args... args) {
  return [=](const ProbeCall&) { return ::syscall(number, args...); };
}

// A new process ends at once, so that a hole in the wall is one answer, not two.
long forked(long pid) {
  if (pid == 0) ::_exit(0);
  return pid;
}

long open_file(const std::string& path, int flags) {
  return ::openat(AT_FDCWD, path.c_str(), flags | O_CLOEXEC, 0600);
}

const sockaddr_in loopback{AF_INET, htons(1), {htonl(INADDR_LOOPBACK)}, {}};
const auto* const address = reinterpret_cast<const sockaddr*>(&loopback);

std::map<std::string_view, Act> network() {
  return {
      {"socket_unix", raw(SYS_socket, AF_UNIX, SOCK_STREAM, 0)},
      {"socket_inet", raw(SYS_socket, AF_INET, SOCK_STREAM, 0)},
      {"socket_inet6", raw(SYS_socket, AF_INET6, SOCK_DGRAM, 0)},
      {"socket_netlink", raw(SYS_socket, AF_NETLINK, SOCK_RAW, 0)},
      {"socketpair",
       [](const ProbeCall&) {
         int pair[2];
         return long{::socketpair(AF_UNIX, SOCK_STREAM, 0, pair)};
       }},
      {"connect", raw(SYS_connect, probe_socket, address, sizeof loopback)},
      {"bind", raw(SYS_bind, probe_socket, address, sizeof loopback)},
      {"listen", raw(SYS_listen, probe_socket, 1)},
      {"accept4", raw(SYS_accept4, probe_socket, nullptr, nullptr, 0)},
      {"setsockopt", raw(SYS_setsockopt, probe_socket, SOL_SOCKET, SO_PASSCRED, nullptr, 0)},
      {"sendto_address",
       raw(SYS_sendto, probe_socket, "x", 1, 0, address, sizeof loopback)},
      {"socket_in_thread",
       [](const ProbeCall&) {
         int error = 0;
         std::thread{[&] { error = ::socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? errno : 0; }}.join();
         errno = error;
         return error == 0 ? 0L : -1L;
       }},
  };
}

std::map<std::string_view, Act> processes() {
  std::map<std::string_view, Act> acts{
#ifdef SYS_fork
      {"raw_fork", [](const ProbeCall&) { return forked(::syscall(SYS_fork)); }},
      {"raw_vfork", raw(SYS_vfork)},
#endif
      {"fork", [](const ProbeCall&) { return forked(::fork()); }},
      {"clone", [](const ProbeCall&) { return forked(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)); }},
      {"clone_vm", [](const ProbeCall&) {
         return forked(::syscall(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0));
       }},
      {"clone3",
       [](const ProbeCall&) {
         std::uint64_t arguments[8] = {};
         arguments[4] = SIGCHLD;
         return forked(::syscall(SYS_clone3, arguments, sizeof arguments));
       }},
      {"posix_spawn",
       [](const ProbeCall&) {
         pid_t pid = 0;
         char name[] = "true";
         char* const arguments[] = {name, nullptr};
         errno = ::posix_spawn(&pid, "/bin/true", nullptr, nullptr, arguments, nullptr);
         return errno == 0 ? 0L : -1L;
       }},
      {"execve", raw(SYS_execve, "/bin/true", nullptr, nullptr)},
      {"execveat", raw(SYS_execveat, 0, "", nullptr, nullptr, AT_EMPTY_PATH)},
      {"ptrace_me", raw(SYS_ptrace, PTRACE_TRACEME, 0, 0, 0)},
      {"unshare", raw(SYS_unshare, CLONE_NEWUSER)},
      {"setns", raw(SYS_setns, 0, 0)},
      {"setsid", raw(SYS_setsid)},
      {"setuid", raw(SYS_setuid, 0)},
      {"kill_all", raw(SYS_kill, -1, 0)},
      {"kill_group", raw(SYS_kill, 0, 0)},
  };
  // Of the same user, so that only the sandbox is in the way.  Of its layers Landlock looks at
  // signals, too (version 6), but not before the kernel has looked at the signal's number.
  const auto to_other = [](long number, bool has_thread) -> Act {
    return [=](const ProbeCall& call) {
      const long other = std::stol(call.argument);
      siginfo_t info{};
      info.si_code = SI_QUEUE;
      long result = 0;
      for (const int signal : {1'000, SIGKILL}) {
        result = has_thread ? ::syscall(number, other, other, signal, &info)
                            : ::syscall(number, other, signal, &info);
        if (result == 0 || errno != EPERM) break;
      }
      return result;
    };
  };
  acts["kill_other"] = to_other(SYS_kill, false);
  acts["tkill_other"] = to_other(SYS_tkill, false);
  acts["tgkill_other"] = to_other(SYS_tgkill, true);
  acts["queue_other"] = to_other(SYS_rt_sigqueueinfo, false);
  acts["queue_other_thread"] = to_other(SYS_rt_tgsigqueueinfo, true);
  const long parent = ::getppid();
  acts["kill_parent"] = raw(SYS_kill, parent, 0);
  acts["tgkill_parent"] = raw(SYS_tgkill, parent, parent, 0);
  acts["tkill_parent"] = raw(SYS_tkill, parent, 0);
  acts["queue_parent"] = raw(SYS_rt_sigqueueinfo, parent, SIGUSR1, nullptr);
  acts["pidfd_parent"] = raw(SYS_pidfd_open, parent, 0);
  acts["ptrace_parent"] = raw(SYS_ptrace, PTRACE_ATTACH, parent, 0, 0);
  acts["read_parent"] = raw(SYS_process_vm_readv, parent, nullptr, 0, nullptr, 0, 0);
  acts["write_parent"] = raw(SYS_process_vm_writev, parent, nullptr, 0, nullptr, 0, 0);
  static const rlimit none{RLIM_INFINITY, RLIM_INFINITY};
  acts["limit_itself"] = raw(SYS_prlimit64, 0, RLIMIT_CPU, &none, nullptr);
  acts["limit_parent"] = raw(SYS_prlimit64, parent, RLIMIT_NOFILE, nullptr, nullptr);
  acts["affinity_parent"] = raw(SYS_sched_setaffinity, parent, 0, nullptr);
  acts["priority_parent"] = raw(SYS_setpriority, PRIO_PROCESS, parent, 19);
  acts["kcmp_parent"] = raw(SYS_kcmp, parent, ::getpid(), 0, 0, 0);
  acts["own_parent"] = raw(SYS_fcntl, probe_answer, F_SETOWN, parent);
  return acts;
}

std::map<std::string_view, Act> files() {
  return {
      {"read_passwd", [](const ProbeCall&) { return open_file("/etc/passwd", O_RDONLY); }},
      {"read_environ", [](const ProbeCall&) { return open_file("/proc/self/environ", O_RDONLY); }},
      {"read_memory",
       [](const ProbeCall&) {
         return open_file("/proc/" + std::to_string(::getppid()) + "/mem", O_RDONLY);
       }},
      {"list_root", [](const ProbeCall&) { return open_file("/", O_RDONLY | O_DIRECTORY); }},
      {"write_outside",
       [](const ProbeCall&) { return open_file("/tmp/cofounder-probe", O_WRONLY | O_CREAT); }},
      {"write_argument", [](const ProbeCall& c) { return open_file(c.argument, O_WRONLY); }},
      {"read_argument", [](const ProbeCall& c) { return open_file(c.argument, O_RDONLY); }},
      {"climb_out",
       [](const ProbeCall& c) { return open_file(c.scratch + "/../secret", O_RDONLY); }},
      {"symlink", raw(SYS_symlinkat, "/etc/passwd", AT_FDCWD, "x")},
      {"link", raw(SYS_linkat, AT_FDCWD, "/etc/passwd", AT_FDCWD, "x", 0)},
      {"fifo", raw(SYS_mknodat, AT_FDCWD, "x", S_IFIFO | 0600, 0)},
      {"truncate", [](const ProbeCall& c) { return ::syscall(SYS_truncate, c.argument.c_str(), 0); }},
      {"chmod", [](const ProbeCall& c) {
         return ::syscall(SYS_fchmodat, AT_FDCWD, c.argument.c_str(), 0777);
       }},
      {"chown", [](const ProbeCall& c) {
         return ::syscall(SYS_fchownat, AT_FDCWD, c.argument.c_str(), 1, 1, 0);
       }},
      {"utime", [](const ProbeCall& c) {
         return ::syscall(SYS_utimensat, AT_FDCWD, c.argument.c_str(), nullptr, 0);
       }},
      {"setxattr", [](const ProbeCall& c) {
         return ::syscall(SYS_setxattr, c.argument.c_str(), "user.x", "x", 1, 0);
       }},
      {"set_user_id", [](const ProbeCall& c) {
         const long file = open_file(c.scratch + "/set", O_RDWR | O_CREAT);
         // The filter knows no rule for it: as on a kernel without the call.
         return file < 0 ? 0 : ::syscall(SYS_fchmod, file, 04755);
       }},
      {"inotify", raw(SYS_inotify_init1, 0)},
      {"chroot", raw(SYS_chroot, "/")},
      {"open_by_handle", raw(SYS_open_by_handle_at, 0, nullptr, 0)},
  };
}

std::map<std::string_view, Act> kernel() {
  return {
      {"mount", raw(SYS_mount, "none", "/tmp", "tmpfs", 0, nullptr)},
      {"umount", raw(SYS_umount2, "/tmp", 0)},
      {"fsopen", raw(SYS_fsopen, "tmpfs", 0)},
      {"bpf", raw(SYS_bpf, 0, nullptr, 0)},
      {"keyctl", raw(SYS_keyctl, KEYCTL_GET_KEYRING_ID, KEY_SPEC_SESSION_KEYRING, 0, 0, 0)},
      {"add_key", raw(SYS_add_key, nullptr, nullptr, nullptr, 0, 0)},
      {"userfaultfd", raw(SYS_userfaultfd, 0)},
      {"io_uring_setup", raw(SYS_io_uring_setup, 1, nullptr)},
      {"io_uring_enter", raw(SYS_io_uring_enter, 0, 0, 0, 0, nullptr, 0)},
      {"io_uring_register", raw(SYS_io_uring_register, 0, 0, nullptr, 0)},
      {"perf_event_open", raw(SYS_perf_event_open, nullptr, 0, -1, -1, 0)},
      {"init_module", raw(SYS_init_module, nullptr, 0, nullptr)},
      {"reboot", raw(SYS_reboot, 0, 0, 0, nullptr)},
      {"clock_settime", raw(SYS_clock_settime, 0, nullptr)},
      {"personality", raw(SYS_personality, ADDR_NO_RANDOMIZE)},
      {"seccomp", raw(SYS_seccomp, 0, 0, nullptr)},
      {"shmget", raw(SYS_shmget, IPC_PRIVATE, 4096, 0600)},
      {"dumpable", raw(SYS_prctl, PR_SET_DUMPABLE, 1, 0, 0, 0)},
      {"pdeathsig", raw(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0)},
      {"subreaper", raw(SYS_prctl, PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)},
      {"terminal_input", raw(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, "x")},
      // Numbers that no list knows.
      {"unknown_call", raw(1'000)},
  };
}

}  // namespace

std::string try_forbidden(std::string_view act, const ProbeCall& call) {
  std::map<std::string_view, Act> acts = network();
  acts.merge(processes());
  acts.merge(files());
  acts.merge(kernel());
#ifdef __x86_64__
  // The doors of other ABIs: 32-bit (socketcall is 102, getpid 20) and x32.
  acts["call_32_bit"] = [](const ProbeCall&) {
    long result = 20;
    asm volatile("int $0x80" : "+a"(result) : : "memory");
    return result;
  };
  acts["call_x32"] = raw(0x4000'0000 | SYS_getpid);
#endif
  const auto found = acts.find(act);
  if (found == acts.end()) return "";
  errno = 0;
  const long result = found->second(call);
  return errno_name(result < 0 ? errno : 0);
}

}  // namespace cofounder::test
