// SPDX-License-Identifier: Apache-2.0
#include "core/process/reaper_start.hpp"

#include "core/reaper/protocol.hpp"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace cofounder {
namespace {

Error not_started(const char* what, int error) {
  const bool later = error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE;
  return make_error("program_not_started",
                    std::string{"the program cannot be started: "} + what + ": " +
                        std::strerror(error),
                    later);
}

// A file in memory that nobody changes any more, at its beginning.
Descriptor sealed_file(const char* name, std::string_view bytes) {
  Descriptor file{::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  for (std::size_t at = 0; file && at < bytes.size();) {
    const ssize_t wrote = ::write(file.get(), bytes.data() + at, bytes.size() - at);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return {};
    at += static_cast<std::size_t>(wrote);
  }
  if (!file || ::lseek(file.get(), 0, SEEK_SET) < 0) return {};
  ::fcntl(file.get(), F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
  return file;
}

std::string orders_of(const ProgramSpec& spec) {
  reaper::Orders orders{};
  orders.magic = reaper::magic;
  orders.arg_count = static_cast<std::uint32_t>(spec.args.size());
  orders.env_count = static_cast<std::uint32_t>(spec.environment.size());
  orders.grace_ms = spec.grace.count();
  orders.address_space = spec.limits.address_space;
  orders.cpu_seconds = spec.limits.cpu_seconds;
  orders.file_bytes = spec.limits.file_bytes;
  orders.descriptors = spec.limits.descriptors;
  std::string strings;
  const auto add = [&](const std::string& text) { strings.append(text).push_back('\0'); };
  add(spec.folder);
  add(spec.program);
  for (const std::string& arg : spec.args) add(arg);
  for (const std::string& variable : spec.environment) add(variable);
  orders.size = static_cast<std::uint32_t>(sizeof orders + strings.size());
  std::string bytes(sizeof orders, '\0');
  std::memcpy(bytes.data(), &orders, sizeof orders);
  return bytes + strings;
}

// The program's end blocks, as programs expect; ours does not.
bool make_pipe(Descriptor& ours, Descriptor& theirs) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) < 0) return false;
  ours = Descriptor{ends[0]};
  theirs = Descriptor{ends[1]};
  // Room for what comes while the loop is busy; the default will do when there is no more.
  ::fcntl(ends[0], F_SETPIPE_SZ, 256 * 1024);
  return ::fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0;
}

// What posix_spawn(3) is to do; frees itself.
struct SpawnPlan {
  SpawnPlan() {
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawnattr_init(&attributes);
  }
  ~SpawnPlan() {
    ::posix_spawn_file_actions_destroy(&actions);
    ::posix_spawnattr_destroy(&attributes);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;

  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

// `given` become 0, 1, ... of the new process, which has nothing else.
int spawn(const std::filesystem::path& program, const std::array<int, 5>& given, pid_t& pid) {
  std::array<Descriptor, 5> away;  // out of the way, so that no source is overwritten
  for (std::size_t i = 0; i < given.size(); ++i) {
    away[i] = Descriptor{::fcntl(given[i], F_DUPFD_CLOEXEC, 16)};
    if (!away[i]) return errno;
  }
  SpawnPlan plan;
  for (std::size_t i = 0; i < away.size(); ++i) {
    ::posix_spawn_file_actions_adddup2(&plan.actions, away[i].get(), static_cast<int>(i));
  }
  sigset_t all;
  sigset_t none;
  sigfillset(&all);
  sigemptyset(&none);
  ::posix_spawnattr_setsigdefault(&plan.attributes, &all);
  ::posix_spawnattr_setsigmask(&plan.attributes, &none);
  ::posix_spawnattr_setflags(&plan.attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                                   POSIX_SPAWN_SETSIGMASK);
  std::string name = "cofounderd-reaper";
  std::array<char*, 2> argv{name.data(), nullptr};
  std::array<char*, 1> environment{nullptr};
  return ::posix_spawn(&pid, program.c_str(), &plan.actions, &plan.attributes, argv.data(),
                       environment.data());
}

}  // namespace

Result<StartedReaper> start_reaper(const std::filesystem::path& reaper, const ProgramSpec& spec) {
  StartedReaper started;
  std::array<int, 2> sockets{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets.data()) < 0) {
    return not_started("socketpair", errno);
  }
  started.control = Descriptor{sockets[0]};
  const Descriptor control{sockets[1]};
  ::fcntl(started.control.get(), F_SETFL, O_NONBLOCK);

  const Descriptor orders = sealed_file("orders", orders_of(spec));
  if (!orders) return not_started("memfd_create", errno);
  const Descriptor input = spec.input.empty() ? Descriptor{::open("/dev/null", O_RDONLY | O_CLOEXEC)}
                                              : sealed_file("input", spec.input);
  if (!input) return not_started("memfd_create", errno);
  Descriptor output;
  Descriptor errors;
  if (!make_pipe(started.output, output)) return not_started("pipe", errno);
  if (!spec.merge_errors && !make_pipe(started.errors, errors)) return not_started("pipe", errno);

  const int error = spawn(reaper,
                          {input.get(), output.get(),
                           spec.merge_errors ? output.get() : errors.get(), control.get(),
                           orders.get()},
                          started.pid);
  if (error != 0) return not_started(reaper.c_str(), error);
  started.process = Descriptor{static_cast<int>(::syscall(SYS_pidfd_open, started.pid, 0))};
  if (!started.process) {
    // Without it nobody would see its end.
    const int reason = errno;
    started.control.reset();
    ::waitpid(started.pid, nullptr, 0);
    return not_started("pidfd_open", reason);
  }
  return started;
}

}  // namespace cofounder
