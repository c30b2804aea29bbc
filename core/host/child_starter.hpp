// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/error.hpp"
#include "core/base/function.hpp"
#include "core/base/loop.hpp"
#include "core/process/cgroup.hpp"
#include "core/process/child_spec.hpp"
#include "core/wire/socket.hpp"

#include <memory>
#include <string>
#include <vector>

namespace cofounder {
class ChildGroups;
}

// How processes of isolated plugins are started and end; what the host needs of it and no more.
// On the loop only.
namespace cofounder::host {

struct ChildEnd {
  int code = 0;    // of exit(), when signal is 0
  int signal = 0;  // that killed it
  bool out_of_memory = false;  // the kernel ended it, for its group was over its limit
};

// A process that was started.  One that is destroyed while it runs is killed.
class ChildProcess {
 public:
  virtual ~ChildProcess() = default;
  virtual int pid() const noexcept = 0;
  virtual void kill() noexcept = 0;
  // SIGTERM, and SIGKILL two seconds later.
  virtual void terminate() = 0;
  // Calls `action` once, on the loop, when it has ended.
  virtual void on_exit(UniqueFunction<void(const ChildEnd&)> action) = 0;
};

struct ChildOrder {
  std::string plugin;                  // whose it is
  std::string program;                 // absolute path
  std::vector<std::string> arguments;  // with argv[0]; other users can read them
  wire::Descriptor socket;             // which the child finds as 3
  wire::Descriptor crash;              // which it finds as 4: where it says how it crashed
  ChildLimits limits;
  CgroupLimits group;                  // where there are control groups
};

class ChildStarter {
 public:
  virtual ~ChildStarter() = default;
  using Started = UniqueFunction<void(Result<std::unique_ptr<ChildProcess>>)>;
  // With an empty environment and no other descriptors; `started` comes on the loop, never before
  // this returned.  Codes "child_not_started", "cgroup_unusable".
  virtual void start(ChildOrder order, Started started) = 0;
};

// By a Launcher of its own: the children end with it, and with the daemon.  With `groups` that are
// usable, each in a control group of its own; they must outlive it.
std::unique_ptr<ChildStarter> make_child_starter(Loop& loop, ChildGroups* groups);

// cofounderd-plugin-host: beside this program, or where it was installed to.
std::string find_plugin_host();

}  // namespace cofounder::host
