// SPDX-License-Identifier: Apache-2.0
#include "core/process/spawn.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <limits>
#include <system_error>

// glibc's clone() under the name that ThreadSanitizer does not replace: it believes that memory is
// copied, but ours is shared until exec.
extern "C" int __clone(int (*function)(void*), void* stack, int flags, void* argument, ...);

namespace cofounder {
namespace {

// Between clone and exec the child runs on memory that it shares with a process of many threads:
// nothing there may allocate, take a lock, or be instrumented by a sanitizer.
#define COFOUNDER_BETWEEN __attribute__((no_sanitize("address", "thread", "undefined"), noinline))

constexpr std::size_t page_bytes = 65'536;
constexpr std::size_t stack_bytes = 65'536;

struct Verdict {
  const char* step;
  int error;
};

struct Limit {
  int resource;
  rlimit64 limit;
};

// All that the child needs, flat and made before it.
struct Plan {
  Verdict* verdict;  // in the shared page: it reaches us also when memory was copied
  const char* program;
  const char* folder;
  char* const* arguments;
  char* const* environment;
  int* sources;         // what the child gets ...
  const int* numbers;   // ... as which number, rising
  std::size_t descriptors;
  const Limit* limits;
  std::size_t limits_count;
  const ChildSpec::User* user;
  int cgroup;
  pid_t parent;
};

COFOUNDER_BETWEEN void fail(Plan& plan, const char* step, int error) {
  plan.verdict->step = step;
  plan.verdict->error = error;
  ::syscall(SYS_exit_group, 127);
}

// errno after a raw call; the child borrows our thread's errno, which nobody reads meanwhile.
COFOUNDER_BETWEEN void must(Plan& plan, const char* step, long result) {
  if (result < 0) fail(plan, step, errno);
}

COFOUNDER_BETWEEN void take_descriptors(Plan& plan) {
  const int last = plan.numbers[plan.descriptors - 1];
  // First out of the way, so that no source is overwritten before its turn.
  for (std::size_t i = 0; i < plan.descriptors; ++i) {
    const long moved = ::syscall(SYS_fcntl, plan.sources[i], F_DUPFD_CLOEXEC, last + 1);
    must(plan, "fcntl", moved);
    plan.sources[i] = static_cast<int>(moved);
  }
  int next = 0;
  for (std::size_t i = 0; i < plan.descriptors; ++i) {
    const int number = plan.numbers[i];
    must(plan, "dup3", ::syscall(SYS_dup3, plan.sources[i], number, 0));
    if (number > next) must(plan, "close_range", ::syscall(SYS_close_range, next, number - 1, 0));
    next = number + 1;
  }
  must(plan, "close_range", ::syscall(SYS_close_range, next, ~0U, 0));
}

COFOUNDER_BETWEEN void become_user(Plan& plan) {
  // Raw: glibc's functions would tell all threads of the daemon.
  const auto uid = plan.user->uid;
  const auto gid = plan.user->gid;
  must(plan, "setgroups", ::syscall(SYS_setgroups, 0, nullptr));
  must(plan, "setresgid", ::syscall(SYS_setresgid, gid, gid, gid));
  must(plan, "setresuid", ::syscall(SYS_setresuid, uid, uid, uid));
}

COFOUNDER_BETWEEN void reset_signals(Plan& plan) {
  // exec forgets handlers, but not what is ignored and what is blocked.
  constexpr std::size_t kernel_set_bytes = 8;
  const std::uint64_t zeros[4] = {};  // the kernel's sigaction: SIG_DFL and nothing else
  for (int signal = 1; signal <= 64; ++signal) {
    if (signal == SIGKILL || signal == SIGSTOP) continue;
    must(plan, "rt_sigaction",
         ::syscall(SYS_rt_sigaction, signal, zeros, nullptr, kernel_set_bytes));
  }
  must(plan, "rt_sigprocmask",
       ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, zeros, nullptr, kernel_set_bytes));
}

COFOUNDER_BETWEEN int run_child(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  must(plan, "setsid", ::syscall(SYS_setsid));
  if (plan.cgroup >= 0) must(plan, "cgroup.procs", ::syscall(SYS_write, plan.cgroup, "0", 1));
  ::syscall(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  if (plan.user != nullptr) become_user(plan);
  // After the change of user, which forgets it.  A parent that was gone before is seen by getppid.
  must(plan, "PR_SET_PDEATHSIG", ::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
  if (::syscall(SYS_getppid) != plan.parent) fail(plan, "getppid", ESRCH);
  must(plan, "PR_SET_NO_NEW_PRIVS", ::syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  ::syscall(SYS_umask, 077);
  must(plan, "chdir", ::syscall(SYS_chdir, plan.folder));
  take_descriptors(plan);
  for (std::size_t i = 0; i < plan.limits_count; ++i) {
    must(plan, "prlimit64", ::syscall(SYS_prlimit64, 0, plan.limits[i].resource,
                                      &plan.limits[i].limit, nullptr));
  }
  reset_signals(plan);
  ::syscall(SYS_execve, plan.program, plan.arguments, plan.environment);
  fail(plan, "execve", errno);
  return 127;
}

Error not_started(const ChildSpec& spec, std::string_view step, int error) {
  // What may be otherwise in a moment.
  const bool retryable = error == EAGAIN || error == ENOMEM || error == EMFILE ||
                         error == ENFILE || error == ETXTBSY;
  return make_error("child_not_started",
                    std::string{step} + " " + spec.program + ": " +
                        std::generic_category().message(error) + " (errno " +
                        std::to_string(error) + ")",
                    retryable);
}

std::vector<char*> c_strings(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<Limit> limits_of(const ChildLimits& wanted) {
  std::vector<Limit> limits;
  const auto add = [&](int resource, std::uint64_t soft, std::uint64_t hard) {
    rlimit64 now{};
    ::syscall(SYS_prlimit64, 0, resource, nullptr, &now);
    limits.push_back({resource, {std::min(soft, now.rlim_max), std::min(hard, now.rlim_max)}});
  };
  const auto add_if = [&](int resource, const std::optional<std::uint64_t>& value) {
    if (value) add(resource, *value, *value);
  };
  add(RLIMIT_CORE, 0, 0);
  add_if(RLIMIT_AS, wanted.address_space_bytes);
  add_if(RLIMIT_DATA, wanted.data_bytes);
  if (wanted.cpu_seconds) add(RLIMIT_CPU, *wanted.cpu_seconds, *wanted.cpu_seconds + 1);
  add_if(RLIMIT_NOFILE, wanted.descriptors);
  add_if(RLIMIT_FSIZE, wanted.file_bytes);
  return limits;
}

struct Taken {
  int number;
  int source;
};

// Sorted by number; 0, 1 and 2 are there.  Nothing when two want to be the same.
std::vector<Taken> descriptors_of(const ChildSpec& spec, int null) {
  std::vector<Taken> taken;
  for (const auto& given : spec.descriptors) taken.push_back({given.number, given.descriptor.get()});
  for (int number = 0; number <= 2; ++number) {
    const bool given = std::any_of(taken.begin(), taken.end(),
                                   [&](const Taken& one) { return one.number == number; });
    if (!given) taken.push_back({number, null});
  }
  const auto by_number = [](const Taken& a, const Taken& b) { return a.number < b.number; };
  const auto same = [](const Taken& a, const Taken& b) { return a.number == b.number; };
  std::sort(taken.begin(), taken.end(), by_number);
  if (taken.front().number < 0) return {};
  if (std::adjacent_find(taken.begin(), taken.end(), same) != taken.end()) return {};
  return taken;
}

}  // namespace

Spawner::Spawner() {
  memory_ = ::mmap(nullptr, page_bytes + stack_bytes, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory_ == MAP_FAILED) throw std::system_error{errno, std::generic_category(), "mmap"};
}

Spawner::~Spawner() { ::munmap(memory_, page_bytes + stack_bytes); }

Result<Spawned> Spawner::spawn(const ChildSpec& spec) {
  const Descriptor null{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (!null) return not_started(spec, "open /dev/null for", errno);
  const auto taken = descriptors_of(spec, null.get());
  if (taken.empty()) return not_started(spec, "descriptors of", EINVAL);
  std::vector<int> sources;
  std::vector<int> numbers;
  for (const Taken& one : taken) {
    sources.push_back(one.source);
    numbers.push_back(one.number);
  }
  const auto arguments = c_strings(spec.arguments);
  const auto environment = c_strings(spec.environment);
  const auto limits = limits_of(spec.limits);

  auto* const verdict = static_cast<Verdict*>(memory_);
  *verdict = {nullptr, 0};
  Plan plan{};
  plan.verdict = verdict;
  plan.program = spec.program.c_str();
  plan.folder = spec.folder.c_str();
  plan.arguments = arguments.data();
  plan.environment = environment.data();
  plan.sources = sources.data();
  plan.numbers = numbers.data();
  plan.descriptors = numbers.size();
  plan.limits = limits.data();
  plan.limits_count = limits.size();
  plan.user = spec.user ? &*spec.user : nullptr;
  plan.cgroup = spec.cgroup ? spec.cgroup.get() : -1;
  plan.parent = ::getpid();

  // No handler of ours may run in the child while it has our memory.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  // A change of user while memory is shared would make the daemon itself undumpable, and the child
  // with the daemon's memory a target of that user: then it gets a copy.
  const int sharing = spec.user ? 0 : CLONE_VM;
  int pidfd = -1;
  void* const stack = static_cast<char*>(memory_) + page_bytes + stack_bytes;
  const int pid = __clone(run_child, stack, sharing | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan,
                          &pidfd);
  const int clone_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return not_started(spec, "clone for", clone_error);

  Spawned spawned{pid, Descriptor{pidfd}};
  if (verdict->error != 0) {
    siginfo_t ignored;
    ::waitid(P_PIDFD, static_cast<id_t>(pidfd), &ignored, WEXITED);
    return not_started(spec, verdict->step, verdict->error);
  }
  return spawned;
}

}  // namespace cofounder
