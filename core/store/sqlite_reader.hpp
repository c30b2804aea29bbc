// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/loop.hpp"
#include "core/store/sqlite_operation.hpp"
#include "core/store/sqlite_reads.hpp"
#include "core/store/stores.hpp"

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace cofounder {

using SqliteRead = std::unique_ptr<SqliteOperation<SqliteReads>>;

// The thread that reads, on a connection of its own: a long scan holds up no commit.  It opens the
// file with the first read, and again after an error.
class SqliteReader {
 public:
  // Answers are dropped once `alive` is gone.
  SqliteReader(Loop& loop, const SqliteOptions& options, std::weak_ptr<void> alive);
  ~SqliteReader();

  void read(SqliteRead operation);  // from any thread
  // Does what was asked for before and ends.  From one thread.
  void stop();

 private:
  void run();
  void answer(std::vector<SqliteRead> operations);
  void open_in_place();

  Loop& loop_;
  const SqliteOptions& options_;
  std::weak_ptr<void> alive_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<SqliteRead> waiting_;
  bool stopping_ = false;
  std::unique_ptr<SqliteReads> reads_;
  std::uint64_t device_ = 0;  // of the file that reads_ has open
  std::uint64_t inode_ = 0;
  std::thread thread_;
};

}  // namespace cofounder
