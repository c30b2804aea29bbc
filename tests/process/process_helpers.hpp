// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/descriptor.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

// For tests that run tests/process/program.c.
namespace cofounder::test {

// The program itself; built into the folder of this executable.
inline std::string program_path() { return COFOUNDER_BINARY_DIR "/bin/process_program"; }

// The numbers that it wrote: lines "NAME NUMBER".
inline std::vector<pid_t> pids_in(std::string_view output) {
  std::vector<pid_t> pids;
  while (!output.empty()) {
    const auto line = output.substr(0, output.find('\n'));
    output.remove_prefix(std::min(output.size(), line.size() + 1));
    const auto space = line.rfind(' ');
    if (space != line.npos) pids.push_back(std::atoi(std::string{line.substr(space + 1)}.c_str()));
  }
  return pids;
}

// Processes that are watched: by descriptors, so that no other one with the same number is meant.
class Watched {
 public:
  explicit Watched(const std::vector<pid_t>& pids) {
    for (const pid_t pid : pids) {
      Descriptor pidfd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
      if (pidfd) alive_.push_back(std::move(pidfd));
    }
  }
  std::size_t size() const { return alive_.size(); }
  // How many are alive after at most so long.
  int alive_after(int ms) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{ms};
    int count = 0;
    for (const Descriptor& one : alive_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(
          until - std::chrono::steady_clock::now());
      pollfd polled{one.get(), POLLIN, 0};
      if (::poll(&polled, 1, std::max(0, static_cast<int>(left.count()))) == 0) ++count;
    }
    return count;
  }

 private:
  std::vector<Descriptor> alive_;
};

// Whether a process of LOCK=`file` is left.
inline bool is_locked(const std::string& file) {
  const Descriptor opened{::open(file.c_str(), O_RDWR | O_CLOEXEC)};
  return opened && ::flock(opened.get(), LOCK_EX | LOCK_NB) != 0;
}

}  // namespace cofounder::test
