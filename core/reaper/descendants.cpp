// SPDX-License-Identifier: Apache-2.0
#include "core/reaper/descendants.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace cofounder::reaper {
namespace {

// The parent's id, or 0; `is_zombie` when it is over.  The name in the second field may hold
// anything, also ") ", so that what counts begins behind the last parenthesis.
pid_t parent_of(pid_t pid, bool* is_zombie) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/stat", static_cast<int>(pid));
  const int file = ::open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  char text[512];
  const ssize_t size = ::read(file, text, sizeof text - 1);
  ::close(file);
  if (size <= 0) return 0;
  text[size] = '\0';
  const char* const end = std::strrchr(text, ')');
  if (end == nullptr || end[1] != ' ' || end[2] == '\0') return 0;
  if (is_zombie != nullptr) *is_zombie = end[2] == 'Z' || end[2] == 'X';
  return static_cast<pid_t>(std::atoi(end + 3));
}

// Every process that we can see, with its parent, in the order of the numbers.
void find_all(Pids& pids, Pids& parents) {
  DIR* const folder = ::opendir("/proc");
  if (folder == nullptr) return;
  while (const dirent* entry = ::readdir(folder)) {
    const int pid = std::atoi(entry->d_name);
    if (pid <= 0) continue;
    const pid_t parent = parent_of(pid, nullptr);
    if (parent <= 0) continue;
    pids.add(pid);
    parents.add(parent);
  }
  ::closedir(folder);
}

// Where the kernel keeps a list of children, it also has those that /proc hides from us (hidepid).
bool read_children_file(Pids& children) {
  char path[64];
  const int self = static_cast<int>(::getpid());
  std::snprintf(path, sizeof path, "/proc/%d/task/%d/children", self, self);
  FILE* const file = std::fopen(path, "re");
  if (file == nullptr) return false;
  int pid = 0;
  while (std::fscanf(file, "%d", &pid) == 1) children.add(pid);
  std::fclose(file);
  return true;
}

void send(int pidfd, int signal) {
  ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
}

}  // namespace

Pids::~Pids() { std::free(pids_); }

void Pids::add(pid_t pid) {
  if (size_ == room_) {
    const int room = room_ == 0 ? 64 : 2 * room_;
    void* const more = std::realloc(pids_, static_cast<std::size_t>(room) * sizeof(pid_t));
    if (more == nullptr) return;  // the next look finds the rest
    pids_ = static_cast<pid_t*>(more);
    room_ = room;
  }
  pids_[size_++] = pid;
}

bool Pids::has(pid_t pid) const {
  for (int i = 0; i < size_; ++i) {
    if (pids_[i] == pid) return true;
  }
  return false;
}

void find_children(Pids& children) {
  children.clear();
  if (read_children_file(children)) return;
  Pids all;
  Pids parents;
  find_all(all, parents);
  for (int i = 0; i < all.size(); ++i) {
    if (parents[i] == ::getpid()) children.add(all[i]);
  }
}

void find_descendants(Pids& descendants) {
  find_children(descendants);
  Pids all;
  Pids parents;
  find_all(all, parents);
  // A child's number is mostly larger than its parent's, so that one or two rounds are enough.
  for (bool grew = true; grew;) {
    grew = false;
    for (int i = 0; i < all.size(); ++i) {
      if (!descendants.has(parents[i]) || descendants.has(all[i])) continue;
      descendants.add(all[i]);
      grew = true;
    }
  }
}

int terminate_descendants() {
  Pids below;
  find_descendants(below);
  Pids ancestors;  // who may be a parent of one of them
  ancestors.add(::getpid());
  for (int i = 0; i < below.size(); ++i) ancestors.add(below[i]);
  int count = 0;
  for (int i = 0; i < below.size(); ++i) {
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, below[i], 0));
    if (pidfd < 0) continue;
    // Whoever has the number now: is it still one of ours?
    bool is_zombie = false;
    const pid_t parent = parent_of(below[i], &is_zombie);
    if (!is_zombie && (parent == 0 ? false : ancestors.has(parent))) {
      send(pidfd, SIGTERM);
      send(pidfd, SIGCONT);
      ++count;
    }
    ::close(pidfd);
  }
  return count;
}

void kill_children() {
  Pids children;
  find_children(children);
  for (int i = 0; i < children.size(); ++i) ::kill(children[i], SIGKILL);
}

}  // namespace cofounder::reaper
