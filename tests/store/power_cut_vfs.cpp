// SPDX-License-Identifier: Apache-2.0
#include "tests/store/power_cut_vfs.hpp"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <stdexcept>
#include <utility>

namespace cofounder::test {
namespace {

constexpr std::size_t sector = 512;

// What SQLite holds of an open file; the system's own follows it in memory.
struct ShimFile {
  sqlite3_file base;
  PowerCutVfs* vfs;
  std::string* name;  // nullptr: a temporary file, of no interest
};

ShimFile* shim(sqlite3_file* file) { return reinterpret_cast<ShimFile*>(file); }
sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<sqlite3_file*>(shim(file) + 1); }
sqlite3_vfs* system_vfs() { return sqlite3_vfs_find(nullptr); }

std::string base_name(const char* path) {
  const std::string text{path};
  return text.substr(text.rfind('/') + 1);
}

void apply(std::string& content, const PowerCutVfs::Change& change) {
  const auto offset = static_cast<std::size_t>(change.offset);
  if (change.is_truncation) {
    content.resize(offset);
    return;
  }
  content.resize(std::max(content.size(), offset + change.bytes.size()));
  change.bytes.copy(content.data() + offset, change.bytes.size());
}

int close(sqlite3_file* file) {
  const int code = real(file)->pMethods->xClose(real(file));
  delete shim(file)->name;
  return code;
}
int read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
  if (shim(file)->name != nullptr) {
    const int fault = shim(file)->vfs->fault_of(PowerCutVfs::Kind::read);
    if (fault != SQLITE_OK) return fault;
  }
  return real(file)->pMethods->xRead(real(file), data, size, offset);
}
int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  ShimFile* self = shim(file);
  if (self->name != nullptr) {
    self->vfs->before_change();
    const int fault = self->vfs->fault_of(PowerCutVfs::Kind::write);
    if (fault != SQLITE_OK) return fault;
    self->vfs->wrote(*self->name,
                     {offset, {static_cast<const char*>(data), static_cast<std::size_t>(size)}});
  }
  return real(file)->pMethods->xWrite(real(file), data, size, offset);
}
int truncate(sqlite3_file* file, sqlite3_int64 size) {
  ShimFile* self = shim(file);
  if (self->name != nullptr) {
    self->vfs->before_change();
    self->vfs->wrote(*self->name, {size, {}, true});
  }
  return real(file)->pMethods->xTruncate(real(file), size);
}
int sync(sqlite3_file* file, int) {
  ShimFile* self = shim(file);
  if (self->name == nullptr) return SQLITE_OK;
  self->vfs->before_change();
  const int fault = self->vfs->fault_of(PowerCutVfs::Kind::sync);
  if (fault != SQLITE_OK) return fault;
  // The disk below is real; only what we remember has to be durable, so the sync is left out.
  self->vfs->synced(*self->name);
  return SQLITE_OK;
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}
int lock(sqlite3_file* file, int level) { return real(file)->pMethods->xLock(real(file), level); }
int unlock(sqlite3_file* file, int level) {
  return real(file)->pMethods->xUnlock(real(file), level);
}
int check_lock(sqlite3_file* file, int* result) {
  return real(file)->pMethods->xCheckReservedLock(real(file), result);
}
int control(sqlite3_file* file, int op, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), op, argument);
}
int sector_size(sqlite3_file*) { return sector; }
// No promises beyond those of any disk.
int characteristics(sqlite3_file*) { return 0; }
int shm_map(sqlite3_file* file, int page, int size, int extend, void volatile** memory) {
  return real(file)->pMethods->xShmMap(real(file), page, size, extend, memory);
}
int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
void shm_barrier(sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); }
int shm_unmap(sqlite3_file* file, int remove) {
  return real(file)->pMethods->xShmUnmap(real(file), remove);
}

const sqlite3_io_methods methods{
    2,         close,      read,    write,       truncate,        sync,    file_size, lock,
    unlock,    check_lock, control, sector_size, characteristics, shm_map, shm_lock,  shm_barrier,
    shm_unmap, nullptr,    nullptr};

int open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* flags_out) {
  auto* self = new (file) ShimFile{};
  self->vfs = static_cast<PowerCutVfs*>(vfs->pAppData);
  const int code = system_vfs()->xOpen(system_vfs(), path, real(file), flags, flags_out);
  if (code != SQLITE_OK) return code;
  self->base.pMethods = &methods;
  if (path != nullptr) self->name = new std::string{base_name(path)};
  return SQLITE_OK;
}
int remove(sqlite3_vfs* vfs, const char* path, int sync_folder) {
  static_cast<PowerCutVfs*>(vfs->pAppData)->deleted(base_name(path));
  return system_vfs()->xDelete(system_vfs(), path, sync_folder);
}

}  // namespace

PowerCutVfs::PowerCutVfs(std::string name)
    : name_{std::move(name)}, vfs_{std::make_unique<sqlite3_vfs>(*system_vfs())} {
  vfs_->zName = name_.c_str();
  vfs_->pNext = nullptr;
  vfs_->pAppData = this;
  vfs_->szOsFile = static_cast<int>(sizeof(ShimFile)) + system_vfs()->szOsFile;
  vfs_->xOpen = open;
  vfs_->xDelete = remove;
  if (sqlite3_vfs_register(vfs_.get(), 0) != SQLITE_OK) throw std::runtime_error{"vfs"};
}

PowerCutVfs::~PowerCutVfs() { sqlite3_vfs_unregister(vfs_.get()); }

void PowerCutVfs::before_change() {
  if (observer_) observer_();
}

void PowerCutVfs::wrote(const std::string& file, Change change) {
  const std::lock_guard guard{mutex_};
  files_[file].pending.push_back(std::move(change));
}

void PowerCutVfs::synced(const std::string& file) {
  const std::lock_guard guard{mutex_};
  File& state = files_[file];
  for (const Change& change : state.pending) apply(state.durable, change);
  state.pending.clear();
  ++syncs_;
}

void PowerCutVfs::deleted(const std::string& file) {
  const std::lock_guard guard{mutex_};
  files_.erase(file);
}

PowerCutVfs::Image PowerCutVfs::image(std::mt19937& random) {
  const std::lock_guard guard{mutex_};
  Image image;
  std::uniform_real_distribution<> uniform;
  // From "nothing more was written" to "nearly all was".
  const double survives = uniform(random);
  for (const auto& [name, file] : files_) {
    std::string& content = image[name] = file.durable;
    for (const Change& change : file.pending) {
      if (change.is_truncation) {
        if (uniform(random) < survives) apply(content, change);
        continue;
      }
      for (std::size_t at = 0; at < change.bytes.size(); at += sector) {
        if (uniform(random) >= survives) continue;
        apply(content,
              {change.offset + static_cast<std::int64_t>(at), change.bytes.substr(at, sector)});
      }
    }
  }
  return image;
}

void PowerCutVfs::fail(Fault fault, int after) {
  const std::lock_guard guard{mutex_};
  fault_ = fault;
  fault_after_ = after;
}

int PowerCutVfs::fault_of(Kind kind) {
  const std::lock_guard guard{mutex_};
  int code = SQLITE_OK;
  if (fault_ == Fault::io_error && kind == Kind::write) code = SQLITE_IOERR_WRITE;
  if (fault_ == Fault::io_error && kind == Kind::sync) code = SQLITE_IOERR_FSYNC;
  if (fault_ == Fault::sync_error && kind == Kind::sync) code = SQLITE_IOERR_FSYNC;
  if (fault_ == Fault::no_space && kind == Kind::write) code = SQLITE_FULL;
  if (fault_ == Fault::read_error && kind == Kind::read) code = SQLITE_IOERR_READ;
  if (code == SQLITE_OK) return code;
  if (fault_after_ > 0) {
    --fault_after_;
    return SQLITE_OK;
  }
  ++faults_;
  return code;
}

}  // namespace cofounder::test
