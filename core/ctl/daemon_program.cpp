// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/daemon_program.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <ostream>

namespace cofounder::ctl {
namespace {

// Beside this program, in ../sbin, or where PATH says.
std::string daemon_program() {
  std::error_code error;
  const auto here = std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
  for (const auto& path : {here / "cofounderd", here.parent_path() / "sbin" / "cofounderd"}) {
    if (::access(path.c_str(), X_OK) == 0) return path.native();
  }
  return "cofounderd";
}

}  // namespace

int run_daemon(Session& session, const std::vector<std::string>& words) {
  const std::string program = daemon_program();
  std::vector<char*> arguments;
  std::string name = "cofounderd";
  arguments.push_back(name.data());
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  session.out.flush();
  const pid_t child = ::fork();
  if (child < 0) fail(exit_code::failed, "no_process", "cofounderd cannot be started");
  if (child == 0) {
    ::execvp(program.c_str(), arguments.data());
    ::_exit(127);
  }
  int ended = 0;
  while (::waitpid(child, &ended, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(ended) && WEXITSTATUS(ended) == 127) {
    fail(exit_code::not_found, "not_found", "there is no program cofounderd");
  }
  return WIFEXITED(ended) && WEXITSTATUS(ended) == 0 ? exit_code::ok : exit_code::failed;
}

}  // namespace cofounder::ctl
