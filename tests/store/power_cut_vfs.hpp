// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

struct sqlite3_vfs;

namespace cofounder::test {

// A SQLite VFS over the system's own that remembers what was written since each file's last sync:
// it knows what a disk may hold after a power cut.  It also makes disks fail.
class PowerCutVfs {
 public:
  explicit PowerCutVfs(std::string name);
  ~PowerCutVfs();
  PowerCutVfs(const PowerCutVfs&) = delete;
  PowerCutVfs& operator=(const PowerCutVfs&) = delete;
  const char* name() const noexcept { return name_.c_str(); }

  // Contents by file name (without folder).
  using Image = std::map<std::string, std::string>;
  // Everything that was synced, and of the rest a random subset of its 512-byte sectors.
  Image image(std::mt19937& random);

  enum class Fault { none, io_error, no_space, sync_error, read_error };
  // From now on; `after` more operations still succeed.
  void fail(Fault fault, int after = 0);
  void heal() { fail(Fault::none); }
  std::uint64_t faults() const noexcept { return faults_; }  // how many were made

  // Called before each write, truncation and sync, on the thread that makes it.
  void observe(std::function<void()> observer) { observer_ = std::move(observer); }
  std::uint64_t syncs() const noexcept { return syncs_; }

  // For the C functions of the VFS.
  struct Change {
    std::int64_t offset = 0;
    std::string bytes;
    bool is_truncation = false;
  };
  struct File {
    std::string durable;
    std::vector<Change> pending;
  };
  void wrote(const std::string& file, Change change);
  void synced(const std::string& file);
  void deleted(const std::string& file);
  void before_change();
  enum class Kind { read, write, sync };
  int fault_of(Kind kind);  // SQLITE_OK or the error to give

 private:
  std::string name_;
  std::unique_ptr<sqlite3_vfs> vfs_;
  std::mutex mutex_;
  std::map<std::string, File> files_;
  std::function<void()> observer_;
  Fault fault_ = Fault::none;
  int fault_after_ = 0;
  std::atomic<std::uint64_t> faults_{0};
  std::atomic<std::uint64_t> syncs_{0};
};

}  // namespace cofounder::test
