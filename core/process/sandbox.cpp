// SPDX-License-Identifier: Apache-2.0
#include "core/process/sandbox.hpp"

#include "core/process/landlock.hpp"
#include "core/process/seccomp_filter.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace cofounder {
namespace {

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define COFOUNDER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define COFOUNDER_TSAN 1
#endif

// Landlock takes the calling thread only: a second one would stay outside.
bool is_single_threaded() noexcept {
#ifdef COFOUNDER_TSAN
  return true;  // the sanitizer has a thread of its own, which runs no plugin code
#else
  // Documented to do nothing but to fail with EINVAL when there are other threads.
  return ::unshare(CLONE_THREAD) == 0;
#endif
}

// A unit that forbids capset() has taken them away itself.
bool has_no_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct have[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capget, &header, have) != 0) return false;
  for (const __user_cap_data_struct& half : have) {
    if ((half.effective | half.permitted | half.inheritable) != 0) return false;
  }
  return true;
}

SandboxRefusal drop_privileges() {
  // Also against core patterns that are pipes, which RLIMIT_CORE does not stop.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return {"privileges", "PR_SET_DUMPABLE", errno};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return {"privileges", "PR_SET_NO_NEW_PRIVS", errno};
  }
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};
  if (::syscall(SYS_capset, &header, none) == 0) return {};
  const int why = errno;
  return has_no_capabilities() ? SandboxRefusal{} : SandboxRefusal{"privileges", "capset", why};
}

// A filter that was loaded but does not filter would be found by nobody else.
SandboxRefusal look() {
  const int opened = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (opened >= 0) return {"landlock", "the root folder is still readable", 0};
  const int made = ::socket(AF_UNIX, SOCK_STREAM, 0);
  if (made >= 0) return {"seccomp", "sockets can still be made", 0};
  return {};
}

}  // namespace

std::string SandboxRefusal::message() const {
  if (layer == nullptr) return "the sandbox stands";
  std::string text = std::string{layer} + ": " + step;
  if (error != 0) text += std::string{": "} + std::strerror(error);
  return text;
}

SandboxRefusal enter_sandbox(const SandboxRules& rules) {
  if (!is_single_threaded()) return {"threads", "there is a second thread already", EINVAL};
  if (const auto refusal = drop_privileges()) return refusal;
  if (const auto refusal = enter_landlock(rules)) return refusal;
  if (const auto refusal = enter_seccomp()) return refusal;
  // What building the filter took: an idle child should be small.
  ::malloc_trim(0);
  return look();
}

}  // namespace cofounder
