// SPDX-License-Identifier: Apache-2.0
#include "core/host/files.hpp"

#include "core/host/files_state.hpp"

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cofounder {
namespace fs = std::filesystem;
namespace {

std::string real_path(const fs::path& path) {
  std::error_code error;
  const fs::path real = fs::weakly_canonical(path, error);
  return (error ? path : real).string();
}

Protected protected_paths(const Config& config) {
  Protected hidden{real_path(config.paths.state), real_path(config.paths.scratch)};
  if (const char* credentials = std::getenv("CREDENTIALS_DIRECTORY"); credentials != nullptr) {
    hidden.push_back(real_path(credentials));
  }
  if (!config.store.path.empty()) {
    const std::string store = real_path(config.store.path);
    for (const char* suffix : {"", "-wal", "-shm", "-journal", ".lock"}) {
      hidden.push_back(store + suffix);
    }
  }
  for (const auto& [id, plugin] : config.plugin) {
    for (const auto& [name, source] : plugin.secrets) {
      if (source.kind == SecretSource::Kind::file) hidden.push_back(real_path(source.name));
    }
  }
  std::erase(hidden, std::string{});
  return hidden;
}

std::uint64_t bytes_below(const fs::path& folder) {
  std::uint64_t bytes = 0;
  std::error_code error;
  fs::recursive_directory_iterator at{folder, fs::directory_options::skip_permission_denied, error};
  while (!error && at != fs::recursive_directory_iterator{}) {
    struct stat info {};
    if (::lstat(at->path().c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      bytes += static_cast<std::uint64_t>(info.st_size);
    }
    at.increment(error);  // an entry that vanished meanwhile ends the walk: it is an estimate
  }
  return bytes;
}

// The part of open() that takes what no second daemon may have.
std::optional<Error> make_and_lock(const fs::path& scratch, Descriptor& lock) {
  std::error_code error;
  fs::create_directories(scratch, error);
  for (const char* name : {"uploads", "task", "attempt", "trash"}) {
    if (!error) fs::create_directory(scratch / name, error);
    if (!error) fs::permissions(scratch / name, fs::perms::owner_all, error);
  }
  if (error) {
    return make_error("scratch_unusable", scratch.string() + ": " + error.message(), true);
  }
  const fs::path file = scratch / ".lock";
  lock = Descriptor{::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!lock) {
    return make_error("scratch_unusable", file.string() + ": " + std::strerror(errno), true);
  }
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    auto locked = make_error("scratch_locked", "another daemon uses " + scratch.string());
    locked.hint = "stop it, or give this one another paths.scratch";
    return locked;
  }
  return std::nullopt;
}

}  // namespace

Error disk_error(int error, const std::string& what, std::string_view code) {
  if (error == ENOSPC || error == EDQUOT) {
    return make_error("disk_full", what + ": " + std::strerror(error), true);
  }
  return make_error(std::string{code}, what + ": " + std::strerror(error), true);
}

Files::State::State(const Config& config)
    : scratch{config.paths.scratch},
      read{config.files.read},
      write{config.files.write},
      file_bytes_max{config.files.file_bytes_max},
      upload_bytes_max{config.files.upload_bytes_max},
      upload_kept{config.files.upload_kept},
      hidden{protected_paths(config)} {}

fs::path Files::State::folder_path(const FolderKey& key, std::string_view owner) const {
  const auto& [task, attempt] = key;
  if (attempt == 0) return scratch / "task" / owner / to_string(task);
  return scratch / "attempt" / owner / (to_string(task) + "." + std::to_string(attempt));
}

Files::Files(const Config& config) : state_{std::make_unique<State>(config)} {}

Files::~Files() = default;

DiskWorker& Files::disk() noexcept { return state_->disk; }

std::optional<Error> Files::open() {
  if (auto error = make_and_lock(state_->scratch, state_->lock)) return error;
  state_->cleaner = std::make_unique<Cleaner>(state_->scratch / "trash");
  // No attempt outlives its daemon, and the trash is what a dead one was removing.
  for (const char* name : {"attempt", "trash"}) {
    std::error_code error;
    for (fs::directory_iterator at{state_->scratch / name, error}, end; !error && at != end;
         at.increment(error)) {
      state_->cleaner->remove(at->path());
    }
  }
  const std::lock_guard guard{state_->mutex};
  state_->adopt_uploads();
  state_->adopt_task_folders();
  return std::nullopt;
}

void Files::State::adopt_task_folders() {
  std::error_code error;
  for (fs::directory_iterator plugin{scratch / "task", error}, end; !error && plugin != end;
       plugin.increment(error)) {
    std::error_code inner;
    fs::directory_iterator at{plugin->path(), inner};
    if (inner) cleaner->remove(plugin->path());
    for (; !inner && at != end; at.increment(inner)) {
      if (const auto task = parse_task_id(at->path().filename().string())) {
        folders.emplace(FolderKey{*task, 0}, plugin->path().filename().string());
      } else {
        cleaner->remove(at->path());
      }
    }
  }
}

std::vector<TaskId> Files::tasks() const {
  const std::lock_guard guard{state_->mutex};
  std::vector<TaskId> tasks;
  for (const auto& [key, owner] : state_->folders) tasks.push_back(key.first);
  for (const auto& [task, id] : state_->uploads_of) tasks.push_back(task);
  std::sort(tasks.begin(), tasks.end());
  tasks.erase(std::unique(tasks.begin(), tasks.end()), tasks.end());
  return tasks;
}

std::optional<Error> Files::State::make_parent(const char* kind, std::string_view owner) const {
  if (::mkdir((scratch / kind / owner).c_str(), 0700) == 0 || errno == EEXIST) return std::nullopt;
  return disk_error(errno, "a scratch folder cannot be made", "scratch_unusable");
}

Result<std::vector<std::string>> Files::plugin_folders(std::string_view owner) const {
  std::vector<std::string> folders;
  for (const char* kind : {"task", "attempt"}) {
    if (auto error = state_->make_parent(kind, owner)) return *error;
    folders.push_back((state_->scratch / kind / owner).string());
  }
  return folders;
}

// The folder is entered into the map before it is made, and looked up again after, so that a task
// that is over at the same moment on the loop leaves nothing behind.
Result<fs::path> Files::State::make_folder(const FolderKey& key, std::string_view owner) {
  if (auto error = make_parent(key.second == 0 ? "task" : "attempt", owner)) return *error;
  {
    const std::lock_guard guard{mutex};
    folders.insert_or_assign(key, std::string{owner});
  }
  fs::path path = folder_path(key, owner);
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    const int error = errno;
    const std::lock_guard guard{mutex};
    folders.erase(key);
    return disk_error(error, "a scratch folder cannot be made", "scratch_unusable");
  }
  const std::lock_guard guard{mutex};
  if (!folders.contains(key)) {
    cleaner->remove(path);
    return make_error("attempt_over", "the attempt is over");
  }
  return Result<fs::path>{boost::system::in_place_value, std::move(path)};
}

Result<fs::path> Files::attempt_folder(TaskId task, int attempt, std::string_view owner) {
  assert(attempt > 0);
  return state_->make_folder({task, attempt}, owner);
}

Result<fs::path> Files::task_folder(TaskId task, std::string_view owner) {
  return state_->make_folder({task, 0}, owner);
}

std::uint64_t Files::scratch_bytes(TaskId task, int attempt, std::string_view owner) const {
  return bytes_below(state_->folder_path({task, 0}, owner)) +
         (attempt == 0 ? 0 : bytes_below(state_->folder_path({task, attempt}, owner)));
}

std::uint64_t Files::scratch_bytes_of(std::string_view owner) const {
  std::vector<State::FolderKey> keys;
  {
    const std::lock_guard guard{state_->mutex};
    for (const auto& [key, of] : state_->folders) {
      if (of == owner) keys.push_back(key);
    }
  }
  std::uint64_t bytes = 0;
  for (const auto& key : keys) bytes += bytes_below(state_->folder_path(key, owner));
  return bytes;
}

void Files::attempt_over(TaskId task, int attempt) noexcept {
  const std::lock_guard guard{state_->mutex};
  const auto folder = state_->folders.find({task, attempt});
  if (folder == state_->folders.end()) return;
  state_->cleaner->remove(state_->folder_path(folder->first, folder->second));
  state_->folders.erase(folder);
}

void Files::task_over(TaskId task) noexcept {
  const std::lock_guard guard{state_->mutex};
  auto folder = state_->folders.lower_bound({task, 0});
  while (folder != state_->folders.end() && folder->first.first == task) {
    state_->cleaner->remove(state_->folder_path(folder->first, folder->second));
    folder = state_->folders.erase(folder);
  }
  const auto [first, last] = state_->uploads_of.equal_range(task);
  std::vector<std::string> ids;
  for (auto at = first; at != last; ++at) ids.push_back(at->second);
  for (const auto& id : ids) state_->remove_upload(state_->uploads.find(id));
}

void Files::wait_until_removed() noexcept {
  if (state_->cleaner) state_->cleaner->wait();
}

}  // namespace cofounder
