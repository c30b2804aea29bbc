// SPDX-License-Identifier: Apache-2.0
#include "core/store/sqlite_reader.hpp"

#include <sqlite3.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <utility>

namespace cofounder {

SqliteReader::SqliteReader(Loop& loop, const SqliteOptions& options, std::weak_ptr<void> alive)
    : loop_{loop}, options_{options}, alive_{std::move(alive)} {
  thread_ = std::thread{[this] { run(); }};
}

SqliteReader::~SqliteReader() { stop(); }

void SqliteReader::read(SqliteRead operation) {
  {
    const std::lock_guard lock{mutex_};
    waiting_.push_back(std::move(operation));
  }
  changed_.notify_one();
}

void SqliteReader::stop() {
  {
    const std::lock_guard lock{mutex_};
    stopping_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void SqliteReader::run() {
  for (;;) {
    std::vector<SqliteRead> operations;
    {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) break;
      operations.swap(waiting_);
    }
    answer(std::move(operations));
  }
  reads_.reset();
}

// A file that was moved away can still be read, but nobody writes to it: what it says gets old.
void SqliteReader::open_in_place() {
  struct stat info{};
  const bool is_there = ::stat(options_.file.c_str(), &info) == 0;
  if (!is_there || (reads_ && (info.st_dev != device_ || info.st_ino != inode_))) {
    throw SqliteError{SQLITE_IOERR, "the file was moved, removed or replaced"};
  }
  if (reads_) return;
  reads_ = std::make_unique<SqliteReads>(options_.file, options_.vfs, options_.node);
  device_ = info.st_dev;
  inode_ = info.st_ino;
}

void SqliteReader::answer(std::vector<SqliteRead> operations) {
  for (SqliteRead& operation : operations) {
    std::optional<Error> failed;
    try {
      open_in_place();
      operation->apply(*reads_);
    } catch (const SqliteError& error) {
      reads_.reset();
      failed = make_error("store_unavailable",
                          std::string{"The store cannot be read: "} + error.what() + ".", true);
    }
    loop_.post([alive = alive_, operation = std::move(operation), failed] {
      if (alive.expired()) return;
      if (failed) {
        operation->fail(*failed);
      } else {
        operation->deliver();
      }
    });
  }
}

}  // namespace cofounder
