// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/disk_worker.hpp"
#include "core/host/files.hpp"
#include "core/host/safe_open.hpp"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

// The inside of Files, for files*.cpp only.
namespace cofounder {

// Removes whole folders on a thread of its own.
class Cleaner {
 public:
  explicit Cleaner(std::filesystem::path trash);
  ~Cleaner();  // when everything is removed

  // Moves it out of the way at once (or leaves it where it is, when that fails) and removes it soon.
  void remove(const std::filesystem::path& folder) noexcept;
  void wait() noexcept;

 private:
  void run();

  const std::filesystem::path trash_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::filesystem::path> waiting_;
  std::uint64_t moved_ = 0;
  bool busy_ = false;
  bool ending_ = false;
  std::thread thread_;
};

struct Files::State {
  struct UploadInfo {
    TaskId task = 0;  // 0: bound to none
    Time at{};
  };
  // A task's folder has attempt 0.
  using FolderKey = std::pair<TaskId, int>;

  explicit State(const Config& config);

  // Below task/PLUGIN or attempt/PLUGIN: those are all that the plugin's own process can reach.
  std::filesystem::path folder_path(const FolderKey& key, std::string_view owner) const;
  std::optional<Error> make_parent(const char* kind, std::string_view owner) const;
  std::filesystem::path upload_path(const std::string& id, TaskId task) const;
  Result<std::filesystem::path> make_folder(const FolderKey& key, std::string_view owner);
  bool bind(std::map<std::string, UploadInfo>::iterator upload, TaskId task);  // under mutex
  void remove_upload(std::map<std::string, UploadInfo>::iterator upload) noexcept;  // under mutex
  void adopt_uploads();
  void adopt_task_folders();

  const std::filesystem::path scratch;
  const std::vector<std::filesystem::path> read;
  const std::vector<std::filesystem::path> write;
  const std::uint64_t file_bytes_max;
  const std::uint64_t upload_bytes_max;
  const Milliseconds upload_kept;
  Protected hidden;
  Descriptor lock;

  mutable std::mutex mutex;  // plugins' workers open files while the loop removes folders
  std::map<FolderKey, std::string> folders;      // -> owner
  std::map<std::string, UploadInfo> uploads;     // by id without "upload:"
  std::multimap<TaskId, std::string> uploads_of;
  std::unique_ptr<Cleaner> cleaner;
  DiskWorker disk;
};

constexpr std::string_view upload_prefix = "upload:";

// What a failed write() or mkdir() means.
Error disk_error(int error, const std::string& what, std::string_view code);

}  // namespace cofounder
