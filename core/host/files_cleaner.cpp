// SPDX-License-Identifier: Apache-2.0
#include "core/base/log.hpp"
#include "core/host/files_state.hpp"

#include <system_error>

#include <sys/stat.h>

namespace cofounder {
namespace fs = std::filesystem;
namespace {

// A plugin may have taken its own rights from a folder.
void allow_removal(const fs::path& folder) {
  ::chmod(folder.c_str(), 0700);
  std::error_code error;
  for (fs::directory_iterator at{folder, error}, end; !error && at != end; at.increment(error)) {
    std::error_code ignored;
    if (at->symlink_status(ignored).type() == fs::file_type::directory) allow_removal(at->path());
  }
}

void remove_tree(const fs::path& folder) {
  std::error_code error;
  // Who still holds the folder's old descriptor may add files while it is removed.
  for (int tries = 0; tries < 3; ++tries) {
    fs::remove_all(folder, error);
    if (!error) return;
    allow_removal(folder);
  }
  log::warning("cannot remove " + folder.string() + ": " + error.message() +
               ", leaving it for the next start");
}

}  // namespace

Cleaner::Cleaner(fs::path trash) : trash_{std::move(trash)}, thread_{[this] { run(); }} {}

Cleaner::~Cleaner() {
  {
    const std::lock_guard guard{mutex_};
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Cleaner::remove(const fs::path& folder) noexcept {
  const std::lock_guard guard{mutex_};
  // Distinct from what lies there: a number that is free in this life, and a name of its own.
  fs::path moved = trash_ / (folder.filename().string() + "-" + std::to_string(++moved_));
  std::error_code error;
  if (folder.parent_path() == trash_) {
    moved = folder;
  } else {
    fs::rename(folder, moved, error);
    if (error == std::errc::no_such_file_or_directory) return;
  }
  waiting_.push_back(error ? folder : moved);
  changed_.notify_all();
}

void Cleaner::wait() noexcept {
  std::unique_lock guard{mutex_};
  changed_.wait(guard, [this] { return waiting_.empty() && !busy_; });
}

void Cleaner::run() {
  std::unique_lock guard{mutex_};
  for (;;) {
    changed_.wait(guard, [this] { return ending_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    const fs::path folder = std::move(waiting_.front());
    waiting_.pop_front();
    busy_ = true;
    guard.unlock();
    remove_tree(folder);
    guard.lock();
    busy_ = false;
    changed_.notify_all();
  }
}

}  // namespace cofounder
