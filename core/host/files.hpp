// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/base/ids.hpp"
#include "core/config/config.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace cofounder {

// The only code that opens files which a client or plugin named, and that makes and removes
// temporary ones.
//
// Layout below paths.scratch: uploads/ID, task/TASK/, attempt/TASK.N/.  All of it is disposable:
// open() removes what a dead daemon left (but task/ of tasks that are alive, and young uploads).
// Functions marked [any] may be called from any thread; the rest on the loop.
class Files {
 public:
  explicit Files(const Config& config);
  ~Files();

  // Makes the folders (0700), takes the lock file ("scratch_locked" when another daemon has it).
  std::optional<Error> open();

  // [any] Opens a client's path for reading: below one of files.read, by openat2 without links,
  // a regular file, at most files.file_bytes_max.  Codes "file_denied", "file_not_found",
  // "file_not_regular", "file_too_big", "file_unreadable".  Returns a descriptor; the caller closes.
  Result<int> open_for_reading(std::string_view name) const;

  // A client's upload, while it comes in.
  class Upload {
   public:
    ~Upload();  // removes it when it was not finished
    std::optional<Error> write(std::string_view piece);  // "file_too_big", "disk_full"
    struct Done {
      std::string id;  // "upload:..."
      std::uint64_t bytes = 0;
      std::string sha256;
    };
    Result<Done> finish();

   private:
    friend class Files;
    struct State;
    explicit Upload(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
  };
  Result<std::unique_ptr<Upload>> begin_upload();
  // The upload belongs to this task from now on and is removed when it is over.  Unknown ids are
  // ignored here: the operation will say so.
  void bind_upload(std::string_view id, TaskId task);

  // [any] The folder, made on first use.
  Result<std::filesystem::path> attempt_folder(TaskId task, int attempt);
  Result<std::filesystem::path> task_folder(TaskId task);
  // [any] Bytes in the folders of a task.
  std::uint64_t scratch_bytes(TaskId task, int attempt) const;

  void attempt_over(TaskId task, int attempt) noexcept;
  void task_over(TaskId task) noexcept;
  // Removes uploads that are older than files.upload_kept and bound to no task.
  void expire_uploads(Time now) noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
