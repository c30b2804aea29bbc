// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/process/cgroup.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

class ChildGroups;

// The control group of one child.  With its end all that is in the group is killed, and the group
// removed.
class ChildGroup {
 public:
  ChildGroup(ChildGroups& groups, Cgroup group);
  ~ChildGroup();
  ChildGroup(const ChildGroup&) = delete;
  ChildGroup& operator=(const ChildGroup&) = delete;

  const Cgroup* operator->() const noexcept { return &group_; }

 private:
  ChildGroups& groups_;
  Cgroup group_;
  std::weak_ptr<bool> alive_;  // of the groups: what waits for the loop may outlive them
};

// The control groups of isolated plugins' processes, one each: root/plugin-ID.NUMBER.
// On the loop only; the clock must outlive it.
class ChildGroups {
 public:
  // `root`: see find_delegated_root(); with its error there are no groups.
  ChildGroups(Clock& clock, Result<std::filesystem::path> root, pid_t self = ::getpid());
  ~ChildGroups();
  ChildGroups(const ChildGroups&) = delete;
  ChildGroups& operator=(const ChildGroups&) = delete;

  // Once, before the first child: takes the tree over, and ends what an earlier daemon left there.
  const CgroupStatus& open();
  const CgroupStatus& status() const noexcept { return status_; }
  // What of limits holds here, for people.
  std::string text() const;

  // Null when there are no groups here.  Code "cgroup_unusable", retryable.
  Result<std::unique_ptr<ChildGroup>> make(std::string_view plugin, const CgroupLimits& limits);

 private:
  friend class ChildGroup;
  void end(Cgroup group);
  void sweep();

  Clock& clock_;
  std::optional<CgroupTree> tree_;
  CgroupStatus status_;
  std::uint64_t last_ = 0;
  std::vector<Cgroup> ending_;  // killed, and still there
  Milliseconds wait_{0};
  TimerId timer_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace cofounder
