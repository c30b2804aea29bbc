// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/loop.hpp"
#include "core/scheduler/store_upkeep.hpp"
#include "core/store/stores.hpp"

#include <atomic>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <thread>

namespace cofounder {

// Where a copy grows; what a daemon that died left of one is removed with the next start.
std::filesystem::path copy_file_of(const std::filesystem::path& file);

// Copies and checks, on a thread and connections of its own, made with the first use: neither
// commits nor reads wait for it.
//
// A copy holds one state of the file for as long as it is made; so long the log (FILE-wal) cannot
// be re-used and grows with what is written.
class SqliteUpkeep final : public StoreUpkeep {
 public:
  SqliteUpkeep(Loop& loop, const SqliteOptions& options);
  ~SqliteUpkeep() override;  // breaks off what runs; its handler is dropped

  void copy(Done<std::unique_ptr<StoreCopy>> done) override;
  void check(Done<std::vector<std::string>> done) override;

 private:
  class Copy;
  struct Made;  // a copy's file
  using Job = UniqueFunction<void()>;

  void run(Job job);
  void work();
  Result<std::shared_ptr<Made>> make_copy();
  Result<std::vector<std::string>> make_check();
  template <class T, class F>
  void answer(UniqueFunction<void(Result<T>)> done, F work);

  Loop& loop_;
  const std::filesystem::path file_;
  const char* const vfs_;
  std::weak_ptr<void> current_;  // the copy that there is
  std::shared_ptr<int> alive_ = std::make_shared<int>(0);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> waiting_;
  std::atomic<bool> stopping_ = false;
  std::thread thread_;
};

}  // namespace cofounder
