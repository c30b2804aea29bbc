// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/daemon_program.hpp"

#include "core/base/descriptor.hpp"
#include "core/ctl/command.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace cofounder::ctl {
namespace {

std::string daemon_program() {
  std::error_code error;
  const auto here = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const auto& path : {here / "cofounderd", here.parent_path() / "sbin" / "cofounderd"}) {
    if (::access(path.c_str(), X_OK) == 0) return path.native();
  }
  return "cofounderd";
}

pid_t start(const std::vector<std::string>& words, int output) {
  const std::string program = daemon_program();
  std::string name = "cofounderd";
  std::vector<std::string> copies = words;
  std::vector<char*> arguments{name.data()};
  for (std::string& word : copies) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  if (child < 0) fail(exit_code::failed, "no_process", "cofounderd cannot be started");
  if (child == 0) {
    if (output >= 0) ::dup2(output, STDOUT_FILENO);
    ::execvp(program.c_str(), arguments.data());
    ::_exit(127);
  }
  return child;
}

int wait_for(pid_t child) {
  int ended = 0;
  while (::waitpid(child, &ended, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 127) {
    fail(exit_code::not_found, "not_found", "there is no program cofounderd");
  }
  return WIFEXITED(ended) ? WEXITSTATUS(ended) : exit_code::failed;
}

}  // namespace

int run_daemon_program(const std::vector<std::string>& words) { return wait_for(start(words, -1)); }

int run_daemon_program(const std::vector<std::string>& words, std::string& output) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) fail(exit_code::failed, "no_process", "there is no pipe");
  const Descriptor in{ends[0]};
  Descriptor out{ends[1]};
  const pid_t child = start(words, out.get());
  out.reset();
  char piece[4096];
  for (;;) {
    const ssize_t got = ::read(in.get(), piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    output.append(piece, static_cast<std::size_t>(got));
  }
  return wait_for(child);
}

}  // namespace cofounder::ctl
