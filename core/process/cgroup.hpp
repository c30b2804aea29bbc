// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/descriptor.hpp"
#include "core/base/error.hpp"

#include <sys/types.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

struct CgroupLimits {
  std::optional<std::uint64_t> memory_bytes;  // the kernel then kills all of the group at once
  std::optional<std::uint64_t> processes;     // threads count, too
  std::optional<unsigned> cpu_percent;        // 150: one and a half processors

  bool operator==(const CgroupLimits&) const = default;
};

// What can be used here, and why not.
struct CgroupStatus {
  bool usable = false;  // groups can be made, and killed as a whole
  bool memory = false;
  bool processes = false;
  bool cpu = false;
  std::string reason;  // what is missing, for people; empty when all is there

  bool operator==(const CgroupStatus&) const = default;
};

// What a group has used; absent: this system does not say.
struct CgroupUsage {
  std::optional<std::uint64_t> memory_bytes;
  std::optional<std::uint64_t> processes;
  std::optional<std::uint64_t> oom_kills;
  std::optional<std::chrono::microseconds> cpu;
};

// One group of processes, with limits.  Its files are the kernel's, so all here is quick, but it is
// system calls: not for inner loops.
class Cgroup {
 public:
  explicit Cgroup(std::filesystem::path folder) : folder_{std::move(folder)} {}

  // For ChildSpec::cgroup.  Code "cgroup_unusable".
  Result<Descriptor> processes_file() const;
  CgroupUsage usage() const;
  // Whether a process is in it; absent when the group is gone.
  std::optional<bool> is_populated() const;
  // SIGKILL for all in it, also for those that fork meanwhile.  Code "cgroup_unusable".
  std::optional<Error> kill() const;
  // Once nobody is in it; retryable while somebody is.  Code "cgroup_unusable".
  std::optional<Error> remove() const;

  const std::filesystem::path& folder() const noexcept { return folder_; }

 private:
  std::filesystem::path folder_;
};

// The part of the cgroup v2 tree that was delegated to the daemon (Delegate=yes in its unit).
class CgroupTree {
 public:
  // `root`: see delegated_root(); `self`: the daemon's process.
  explicit CgroupTree(std::filesystem::path root, pid_t self = ::getpid())
      : root_{std::move(root)}, self_{self} {}

  // Moves the daemon from the root into root/daemon, for only a group without processes can hand
  // controllers down; then hands down memory, pids and cpu as far as they were delegated.  What it
  // changed stays.  A root with processes of others is none of ours, and is left alone.  Never
  // throws: what fails stands in the status.
  CgroupStatus open();

  // The groups below the root whose names begin so.
  std::vector<Cgroup> groups(std::string_view prefix) const;

  // The group root/NAME (letters, digits, "-", "_", ".") with these limits, made or found; only
  // what the status says is set.  After open().  Code "cgroup_unusable".
  Result<Cgroup> make(std::string_view name, const CgroupLimits& limits) const;

 private:
  bool hand_down(std::string_view controller, std::string_view delegated);
  bool leave_root();

  std::filesystem::path root_;
  pid_t self_;
  CgroupStatus status_;
};

// The folder of the own group, from the text of /proc/self/cgroup and the folder where cgroup2 is
// mounted.  Absent on a system with version 1 only.
std::optional<std::filesystem::path> own_cgroup(std::string_view proc_self_cgroup,
                                                const std::filesystem::path& mounted);

// The root for CgroupTree, from the texts of /proc/self/cgroup and /proc/self/mountinfo: the own
// group, or the one above when the own one is called "daemon" already (DelegateSubgroup=daemon).
// Code "cgroup_unusable" with the reason why there is none.
Result<std::filesystem::path> delegated_root(std::string_view proc_self_cgroup,
                                             std::string_view mountinfo);
// The same of this process.
Result<std::filesystem::path> find_delegated_root();

}  // namespace cofounder
