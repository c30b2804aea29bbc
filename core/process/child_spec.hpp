// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/descriptor.hpp"

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cofounder {

// What holds without cgroups (setrlimit(2)).  A figure above what the daemon itself may have becomes
// the daemon's.
struct ChildLimits {
  std::optional<std::uint64_t> address_space_bytes;  // beyond it malloc and mmap give ENOMEM
  std::optional<std::uint64_t> data_bytes;
  std::optional<std::uint64_t> cpu_seconds;  // of all its life: SIGXCPU, a second later SIGKILL
  std::optional<std::uint64_t> descriptors;
  std::optional<std::uint64_t> file_bytes;  // of each file; beyond it SIGXFSZ
};

// A program to be started by the Launcher, and all that it may have.
//
// What is not named here it does not get: its environment is empty, its descriptors are closed (0,
// 1 and 2 become /dev/null), its signals are as after boot, it has a session of its own, umask 077,
// no core dumps, no new privileges, no ambient capabilities, and it dies with the daemon.
struct ChildSpec {
  struct Given {
    Descriptor descriptor;  // closed here once the child has it
    int number;             // as which the child finds it
  };
  struct User {
    uid_t uid;
    gid_t gid;
  };

  std::string program;                   // an absolute path
  std::vector<std::string> arguments;    // with argv[0]; other users can read them: never a secret
  std::vector<std::string> environment;  // "NAME=value"; never a secret
  std::vector<Given> descriptors;
  std::string folder = "/";
  ChildLimits limits;
  std::optional<User> user;  // only root can; without supplementary groups
  Descriptor cgroup;         // a cgroup.procs, open for writing: joined before anything runs
};

}  // namespace cofounder
