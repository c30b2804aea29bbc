// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

// The processes below this one, which must be a child subreaper: whatever loses its parent becomes a
// child of it, so that no descendant can leave.
namespace cofounder::reaper {

// A list of process ids that grows; nothing else is needed here.
class Pids {
 public:
  Pids() = default;
  ~Pids();
  Pids(const Pids&) = delete;
  Pids& operator=(const Pids&) = delete;

  void add(pid_t pid);
  bool has(pid_t pid) const;
  void clear() { size_ = 0; }
  int size() const { return size_; }
  pid_t operator[](int i) const { return pids_[i]; }

 private:
  pid_t* pids_ = nullptr;
  int size_ = 0;
  int room_ = 0;
};

// Our children, zombies too.  What comes or goes meanwhile may be missing or be too much.
void find_children(Pids& children);
// The same for all below us.
void find_descendants(Pids& descendants);

// SIGTERM, and SIGCONT so that what is stopped notices, to all that are there now.  How many.
int terminate_descendants();
// SIGKILL to our children.  When they are gone, theirs are ours: again, until there are none.  A
// child that was not waited for keeps its number, so no stranger is ever hit.
void kill_children();

}  // namespace cofounder::reaper
