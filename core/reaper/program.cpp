// SPDX-License-Identifier: Apache-2.0
#include "core/reaper/program.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <initializer_list>

namespace cofounder::reaper {
namespace {

constexpr std::uint32_t orders_bytes_max = 4u << 20;

struct Failure {
  int error;
  Step step;
};

// The next of the strings, or null at their end.
const char* next_string(const char*& at, const char* end) {
  const char* const begin = at;
  const void* const nul = std::memchr(at, '\0', static_cast<std::size_t>(end - at));
  if (nul == nullptr) return nullptr;
  at = static_cast<const char*>(nul) + 1;
  return begin;
}

char** take_strings(const char*& at, const char* end, std::uint32_t count) {
  auto** const strings = static_cast<char**>(std::calloc(std::size_t{count} + 1, sizeof(char*)));
  if (strings == nullptr) return nullptr;
  for (std::uint32_t i = 0; i < count; ++i) {
    const char* const text = next_string(at, end);
    if (text == nullptr) return nullptr;
    strings[i] = const_cast<char*>(text);
  }
  return strings;
}

void limit(int resource, std::uint64_t soft, std::uint64_t hard) {
  if (soft == 0) return;
  rlimit now{};
  ::getrlimit(resource, &now);
  // What is more than the daemon has becomes what it has.
  const rlimit wanted{soft < now.rlim_max ? soft : now.rlim_max,
                      hard < now.rlim_max ? hard : now.rlim_max};
  ::setrlimit(resource, &wanted);
}

// In the new process; returns what failed, if it returns.
Failure become_program(const Task& task) {
  if (::setsid() < 0) return {errno, Step::process};
  const Orders& orders = task.orders;
  limit(RLIMIT_AS, orders.address_space, orders.address_space);
  limit(RLIMIT_CPU, orders.cpu_seconds, orders.cpu_seconds + 1);  // SIGXCPU, then SIGKILL
  limit(RLIMIT_FSIZE, orders.file_bytes, orders.file_bytes);
  limit(RLIMIT_NOFILE, orders.descriptors, orders.descriptors);
  if (::chdir(task.folder) < 0) return {errno, Step::folder};
  ::umask(077);
  if (::syscall(SYS_close_range, 3U, ~0U, 4U /* CLOSE_RANGE_CLOEXEC */) < 0) {
    return {errno, Step::process};
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (task.program[0] == '/') {
    ::execve(task.program, task.argv, task.environment);
    return {errno, Step::program};
  }
  // Never by the PATH that a plugin gave: it may not choose what a name that was allowed means.
  int denied = 0;
  for (const char* folder : {"/usr/local/bin/", "/usr/bin/", "/bin/"}) {
    char path[4096];
    if (std::strlen(folder) + std::strlen(task.program) >= sizeof path) break;
    std::strcpy(path, folder);
    std::strcat(path, task.program);
    ::execve(path, task.argv, task.environment);
    if (errno != ENOENT && errno != ENOTDIR) denied = errno;
  }
  return {denied != 0 ? denied : ENOENT, Step::program};
}

}  // namespace

bool read_orders(int descriptor, Task& task) {
  struct stat about {};
  if (::fstat(descriptor, &about) < 0 || about.st_size < static_cast<off_t>(sizeof(Orders)) ||
      about.st_size > static_cast<off_t>(orders_bytes_max)) {
    return false;
  }
  const auto size = static_cast<std::size_t>(about.st_size);
  char* const bytes = static_cast<char*>(std::malloc(size));
  if (bytes == nullptr) return false;
  for (std::size_t got = 0; got < size;) {
    const ssize_t piece = ::pread(descriptor, bytes + got, size - got, static_cast<off_t>(got));
    if (piece <= 0) return false;
    got += static_cast<std::size_t>(piece);
  }
  std::memcpy(&task.orders, bytes, sizeof task.orders);
  if (task.orders.magic != magic || task.orders.size != size) return false;
  const char* at = bytes + sizeof task.orders;
  const char* const end = bytes + size;
  task.folder = next_string(at, end);
  task.program = task.folder == nullptr ? nullptr : next_string(at, end);
  if (task.program == nullptr) return false;
  task.argv = take_strings(at, end, task.orders.arg_count);
  if (task.argv == nullptr) return false;
  task.environment = take_strings(at, end, task.orders.env_count);
  return task.environment != nullptr && at == end;
}

Started start_program(const Task& task) {
  int said[2];
  if (::pipe2(said, O_CLOEXEC) < 0) return {-1, errno, Step::process};
  const pid_t reaper = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return {-1, errno, Step::process};
  if (pid == 0) {
    // When the reaper itself is killed, the program at least goes with it.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    Failure failure{ESRCH, Step::process};
    if (::getppid() == reaper) failure = become_program(task);
    [[maybe_unused]] const auto ignored = ::write(said[1], &failure, sizeof failure);
    ::_exit(127);
  }
  ::close(said[1]);
  Failure failure{};
  ssize_t got = 0;
  do {
    got = ::read(said[0], &failure, sizeof failure);
  } while (got < 0 && errno == EINTR);
  ::close(said[0]);
  if (got == static_cast<ssize_t>(sizeof failure)) {
    ::waitpid(pid, nullptr, 0);
    return {-1, failure.error, failure.step};
  }
  return {pid, 0, Step::process};
}

}  // namespace cofounder::reaper
