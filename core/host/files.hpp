// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"
#include "core/base/ids.hpp"
#include "core/config/config.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cofounder {

class Descriptor;
class DiskWorker;

// The only code that opens files which a client or plugin named, and that makes and removes
// temporary ones.
//
// Layout below paths.scratch: uploads/ID (not bound yet) or uploads/ID@TASK, task/TASK/,
// attempt/TASK.N/, trash/ (what a thread of its own is removing, so that the loop never waits for a
// big tree).  All of it is disposable: open() removes what a dead daemon left, but uploads and the
// folders of tasks: those go with task_over() and expire_uploads().
// Functions marked [any] may be called from any thread; the rest on the loop.
class Files {
 public:
  explicit Files(const Config& config);
  ~Files();

  // Makes the folders (0700), takes the lock file.  Codes "scratch_locked" (another daemon has it),
  // "scratch_unusable".
  std::optional<Error> open();
  // After open(): tasks that have a folder or an upload.  Call task_over() for those that are over
  // or that the store does not know.
  std::vector<TaskId> tasks() const;

  // [any] Opens a client's path for reading: below one of files.read, by openat2 without links,
  // a regular file, at most files.file_bytes_max.  Codes "file_denied", "file_not_found",
  // "file_not_regular", "file_too_big", "file_unreadable".  Returns a descriptor; the caller closes.
  // The daemon's own state, scratch, credentials and secret files are denied wherever they are.
  Result<int> open_for_reading(std::string_view name) const;
  // [any] As that, for an upload ("upload:ID"): one that no task has is bound to this one.
  Result<int> open_upload(std::string_view id, TaskId task);
  // [any] As that, for NAME in a folder below.
  Result<int> open_in_folder(const std::filesystem::path& folder, std::string_view name) const;

  // A new file that appears under its name by commit(), whole, or not at all.  [any], one thread at
  // a time.
  class Output {
   public:
    ~Output();  // removes it when it was not committed
    // Codes "file_too_big", "disk_full", "file_unwritable".
    std::optional<Error> write(std::string_view piece);
    std::optional<Error> clear();  // empty again
    std::optional<Error> commit();
    std::uint64_t bytes() const noexcept;

   private:
    friend class Files;
    struct State;
    explicit Output(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
  };
  // [any] Below one of files.write.  Codes as for reading, "disk_full", "file_unwritable".
  Result<std::unique_ptr<Output>> create_file(std::string_view name) const;
  Result<std::unique_ptr<Output>> create_in_folder(const std::filesystem::path& folder,
                                                   std::string_view name) const;

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

  // [any] The folder, made on first use.  `owner`: whose share of scratch it counts against.  Codes
  // "disk_full", "scratch_unusable", both retryable.
  Result<std::filesystem::path> attempt_folder(TaskId task, int attempt, std::string_view owner);
  Result<std::filesystem::path> task_folder(TaskId task, std::string_view owner);
  // [any] Where all such folders of that owner are, made if need be; nothing of another one's is
  // below them.
  Result<std::vector<std::string>> plugin_folders(std::string_view owner) const;
  // [any] Bytes in the folders of a task, or of all tasks of an owner.
  std::uint64_t scratch_bytes(TaskId task, int attempt, std::string_view owner) const;
  std::uint64_t scratch_bytes_of(std::string_view owner) const;

  // [any] They cost nothing when there is nothing to remove.
  void attempt_over(TaskId task, int attempt) noexcept;
  void task_over(TaskId task) noexcept;
  void wait_until_removed() noexcept;  // for tests and the end
  // Removes uploads that are older than files.upload_kept and bound to no task.
  void expire_uploads(Time now) noexcept;

  // [any] Where the loop has its writing done.
  DiskWorker& disk() noexcept;

 private:
  struct State;
  Result<std::unique_ptr<Output>> make_output(Descriptor folder, std::string_view file_name,
                                              unsigned mode, bool durable) const;
  std::unique_ptr<State> state_;
};

}  // namespace cofounder
