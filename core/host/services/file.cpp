// SPDX-License-Identifier: Apache-2.0
#include "core/host/services/open_file.hpp"

#include "core/host/disk_worker.hpp"
#include "core/host/services/scratch_folder.hpp"
#include "core/host/services/service.hpp"

#include <cofounder/services/file.h>
#include <cofounder/services/scratch.h>

#include <algorithm>
#include <cerrno>

#include <sys/stat.h>
#include <unistd.h>

namespace cofounder::host {

std::int32_t OpenFile::append(Instance& instance, std::string_view piece) {
  const std::lock_guard guard{mutex};
  return append_locked(instance, piece);
}

std::int32_t OpenFile::append_locked(Instance& instance, std::string_view piece) {
  if (output == nullptr || committed) return COF_EINVALID;
  if (in_scratch && !instance.services().scratch.take(instance, piece.size())) return COF_ELIMIT;
  const auto error = output->write(piece);
  if (!error) return COF_OK;
  return error->code == "file_too_big" ? COF_ETOOBIG : COF_EUNAVAILABLE;
}

std::int32_t OpenFile::clear() {
  const std::lock_guard guard{mutex};
  return clear_locked();
}

std::int32_t OpenFile::clear_locked() {
  if (output == nullptr || committed) return COF_EINVALID;
  return output->clear() ? COF_EUNAVAILABLE : COF_OK;
}

template <class Work>
void FileSink::run(std::uint64_t bytes, Done done, Work work) {
  instance_.world().files.disk().run(
      [self = shared_from_this(), done = std::move(done), work = std::move(work)]() mutable {
        std::int32_t status = COF_OK;
        {
          // Asked under the lock: who drops this and then uses the file itself comes after us.
          const std::lock_guard guard{self->file_->mutex};
          if (self->dropped_ || self->instance_.gone()) return;
          status = work(self->instance_, *self->file_);
        }
        self->instance_.post([self, status, done = std::move(done)]() mutable {
          if (!self->dropped_) done(status);
        });
      },
      bytes);
}

void FileSink::clear(Done done) {
  run(0, std::move(done), [](Instance&, OpenFile& file) { return file.clear_locked(); });
}

void FileSink::append(std::string piece, Done done) {
  const std::uint64_t bytes = piece.size();
  run(bytes, std::move(done), [piece = std::move(piece)](Instance& instance, OpenFile& file) {
    return file.append_locked(instance, piece);
  });
}

namespace {

constexpr std::size_t open_files_max = 1'024;  // of one plugin
constexpr std::string_view scratch_prefix = "scratch:";
constexpr std::string_view upload_prefix = "upload:";

std::int32_t status_of(const Error& error) {
  if (error.code == "file_denied") return COF_EDENIED;
  if (error.code == "file_not_found") return COF_ENOTFOUND;
  if (error.code == "file_not_regular") return COF_EINVALID;
  if (error.code == "file_too_big") return COF_ETOOBIG;
  if (error.code == "file_unreadable" && !error.retryable) return COF_EDENIED;
  if (error.code == "file_unreadable") return COF_ELIMIT;
  return COF_EUNAVAILABLE;  // a full or broken disk
}

bool has_string(json::View value, std::string_view text) {
  if (value.is_string()) return value.as_string() == text;
  if (!value.is_object() && !value.is_array()) return false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (has_string(value.at(i), text)) return true;
  }
  return false;
}

// Opens into `file`: a descriptor or an output.
std::int32_t take(Result<int> opened, OpenFile& file) {
  if (!opened) return status_of(opened.error());
  file.input = Descriptor{*opened};
  struct stat info {};
  if (::fstat(file.input.get(), &info) != 0) return COF_EUNAVAILABLE;
  file.size = static_cast<std::uint64_t>(info.st_size);
  return COF_OK;
}

std::int32_t take(Result<std::unique_ptr<Files::Output>> created, OpenFile& file) {
  if (!created) return status_of(created.error());
  file.output = std::move(*created);
  return COF_OK;
}

// "attempt/NAME" or "task/NAME".
std::int32_t open_in_scratch(Instance& instance, const Call& call, std::string_view rest,
                             std::int32_t mode, OpenFile& file) {
  const auto slash = rest.find('/');
  const std::string_view which = rest.substr(0, slash);
  if (slash == std::string_view::npos || (which != "attempt" && which != "task")) {
    return COF_EINVALID;
  }
  const std::string_view name = rest.substr(slash + 1);
  std::filesystem::path folder;
  const auto status = scratch_folder(
      instance, call.id, which == "task" ? COF_SCRATCH_TASK : COF_SCRATCH_ATTEMPT,
      mode == COF_FILE_WRITE, folder);
  if (status != COF_OK) return status;
  file.in_scratch = true;
  file.name = name;
  const Files& files = instance.world().files;
  return mode == COF_FILE_READ ? take(files.open_in_folder(folder, name), file)
                               : take(files.create_in_folder(folder, name), file);
}

std::int32_t open_named(Instance& instance, const std::shared_ptr<Call>& call,
                        std::string_view name, std::int32_t mode, OpenFile& file) {
  if (name.starts_with(scratch_prefix)) {
    return open_in_scratch(instance, *call, name.substr(scratch_prefix.size()), mode, file);
  }
  if (!instance.manifest().permissions.files) return COF_EDENIED;
  const auto side = instance.services().side_of(call);
  if (side == nullptr) return COF_EGONE;
  // Only what the client named: a plugin cannot be talked into another file.
  if (!side->args || !has_string(side->args->root(), name)) return COF_EDENIED;
  Files& files = instance.world().files;
  if (name.starts_with(upload_prefix)) {
    file.name = name;
    if (mode != COF_FILE_READ) return COF_EDENIED;
    if (call->kind != COF_CALL_OPERATION) return COF_ENOTFOUND;
    return take(files.open_upload(name, call->attempt.task), file);
  }
  file.name = name.substr(name.rfind('/') + 1);
  return mode == COF_FILE_READ ? take(files.open_for_reading(name), file)
                               : take(files.create_file(name), file);
}

int32_t open(const cof_host* host, uint64_t call_id, cof_str given, int32_t mode,
             uint64_t* handle) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view name;
    if (handle == nullptr) return COF_EINVALID;
    if (mode != COF_FILE_READ && mode != COF_FILE_WRITE) return COF_EUNSUPPORTED;
    if (const auto status = take_text(given, name); status != COF_OK) return status;
    const auto call = entered_call(instance, call_id);
    if (call == nullptr) return COF_EGONE;
    auto& files = instance.services().files;
    if (files.size() >= open_files_max) return COF_ELIMIT;
    auto file = std::make_shared<OpenFile>();
    file->call_id = call->id;
    if (const auto status = open_named(instance, call, name, mode, *file); status != COF_OK) {
      return status;
    }
    const std::uint64_t opened = next_handle();
    if (!files.add(opened, file, open_files_max)) return COF_ELIMIT;
    if (call->over) {  // it ended meanwhile, and close_files() did not see this one
      files.remove(opened);
      return COF_EGONE;
    }
    *handle = opened;
    return COF_OK;
  });
}

int64_t size(const cof_host* host, uint64_t handle) noexcept {
  return serve(host, [&](Instance& instance) -> std::int64_t {
    const auto file = instance.services().files.find(handle);
    if (file == nullptr) return COF_EGONE;
    return static_cast<std::int64_t>(file->size);
  });
}

int64_t read(const cof_host* host, uint64_t handle, uint64_t offset, void* buffer,
             uint64_t bytes) noexcept {
  return serve(host, [&](Instance& instance) -> std::int64_t {
    const auto file = instance.services().files.find(handle);
    if (file == nullptr) return COF_EGONE;
    if (file->is_output() || (buffer == nullptr && bytes > 0) || offset > INT64_MAX) {
      return COF_EINVALID;
    }
    bytes = std::min<std::uint64_t>(bytes, COF_BYTES_BYTES_MAX);
    for (;;) {
      const auto count =
          ::pread(file->input.get(), buffer, bytes, static_cast<::off_t>(offset));
      if (count >= 0) return count;
      if (errno != EINTR) return COF_EUNAVAILABLE;
    }
  });
}

int32_t write(const cof_host* host, uint64_t handle, cof_bytes given) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    std::string_view piece;
    if (const auto status = take_bytes(given, piece); status != COF_OK) return status;
    const auto file = instance.services().files.find(handle);
    return file == nullptr ? COF_EGONE : file->append(instance, piece);
  });
}

int32_t commit(const cof_host* host, uint64_t handle) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    const auto file = instance.services().files.find(handle);
    if (file == nullptr) return COF_EGONE;
    const std::lock_guard guard{file->mutex};
    if (file->output == nullptr || file->committed) return COF_EINVALID;
    if (const auto error = file->output->commit()) {
      return error->code == "file_not_regular" ? COF_EINVALID : COF_EUNAVAILABLE;
    }
    file->committed = true;
    return COF_OK;
  });
}

int32_t name(const cof_host* host, uint64_t handle, const cof_sink* out) noexcept {
  return serve(host, [&](Instance& instance) -> std::int32_t {
    const auto file = instance.services().files.find(handle);
    return file == nullptr ? COF_EGONE : give(out, file->name);
  });
}

void release(const cof_host* host, uint64_t handle) noexcept {
  serve(host, [&](Instance& instance) -> std::int32_t {
    instance.services().files.remove(handle);
    return COF_OK;
  });
}

}  // namespace

void close_files(Instance& instance, const Call& call) noexcept {
  const auto left = instance.services().files.remove_if(
      [&](const OpenFile& file) { return call.id == 0 || file.call_id == call.id; });
  for (std::size_t i = 0; i < left.size(); ++i) {
    instance.services().count_left_open(LeftOpen::file);
  }
}

const void* file_table() noexcept {
  static const cof_file_service table{
      sizeof(cof_file_service), 0, open, size, read, write, commit, name, release};
  return &table;
}

}  // namespace cofounder::host
