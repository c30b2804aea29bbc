// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host/files.hpp"
#include "core/host/safe_open.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace cofounder::host {

class Instance;

// What stands behind a handle of cof.file/1.  A transfer that uses it keeps it, so that it stays
// open when the handle is released.
struct OpenFile {
  std::uint64_t call_id = 0;
  std::string name;        // the last part, for display
  std::uint64_t size = 0;  // when it was opened
  bool in_scratch = false;

  Descriptor input;        // for reading; constant

  std::mutex mutex;        // for the two below: a plugin's threads may share a handle
  std::unique_ptr<Files::Output> output;
  bool committed = false;

  bool is_output() const noexcept { return !input; }

  // The statuses of cof.file/1 write().
  std::int32_t append(Instance& instance, std::string_view piece);
  std::int32_t clear();

 private:
  friend class FileSink;
  std::int32_t append_locked(Instance& instance, std::string_view piece);
  std::int32_t clear_locked();
};

// Where the loop puts what goes into a file of a plugin: the file is only touched by the disk's
// worker.  After drop() nothing more is written, not even what waits, so that the plugin may go on
// with the file itself.
class FileSink : public std::enable_shared_from_this<FileSink> {
 public:
  FileSink(Instance& instance, std::shared_ptr<OpenFile> file)
      : instance_{instance}, file_{std::move(file)} {}

  // `done` comes on the loop with the status of cof.file/1 write(); not after drop().
  using Done = UniqueFunction<void(std::int32_t status)>;
  void clear(Done done);
  void append(std::string piece, Done done);
  void drop() noexcept { dropped_ = true; }

 private:
  template <class Work>
  void run(std::uint64_t bytes, Done done, Work work);

  Instance& instance_;
  const std::shared_ptr<OpenFile> file_;
  std::atomic<bool> dropped_{false};
};

}  // namespace cofounder::host
