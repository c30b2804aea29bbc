// SPDX-License-Identifier: Apache-2.0
#include "core/base/ids.hpp"
#include "core/host/files_state.hpp"

#include <cassert>
#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cofounder {
namespace fs = std::filesystem;
namespace {

Error outside(std::string_view name, const char* setting) {
  auto error = make_error("file_denied", shown(name) + " is not below an allowed folder");
  error.hint = std::string{"the operator lists allowed folders in files."} + setting;
  return error;
}

}  // namespace

Result<int> Files::open_for_reading(std::string_view name) const {
  if (auto error = check_path(name)) return *error;
  std::optional<Error> first;
  for (const auto& root : state_->read) {
    const std::string_view relative = below(name, root);
    if (relative.empty()) continue;
    auto file = open_file_below(root, relative, name, state_->file_bytes_max, state_->hidden);
    if (file) return file->release();
    if (!first) first = file.error();
  }
  return first ? *first : outside(name, "read");
}

Result<int> Files::open_in_folder(const fs::path& folder, std::string_view name) const {
  if (auto error = check_file_name(name)) return *error;
  auto file = open_file_below(folder, name, name, state_->file_bytes_max, {});
  if (!file) return file.error();
  return file->release();
}

struct Files::Output::State {
  Descriptor folder;
  std::string name;
  std::string part;
  Descriptor file;
  std::uint64_t bytes_max = 0;
  bool durable = false;
  std::uint64_t bytes = 0;
  bool committed = false;

  Error failed(int error) const { return disk_error(error, shown(name), "file_unwritable"); }
  std::optional<Error> sync_folder() const;
};

Files::Output::Output(std::unique_ptr<State> state) : state_{std::move(state)} {}

Files::Output::~Output() {
  if (!state_->committed) ::unlinkat(state_->folder.get(), state_->part.c_str(), 0);
}

std::uint64_t Files::Output::bytes() const noexcept { return state_->bytes; }

std::optional<Error> Files::Output::write(std::string_view piece) {
  State& output = *state_;
  if (piece.size() > output.bytes_max - output.bytes) {
    return make_error("file_too_big", shown(output.name) + " would have more than " +
                                          std::to_string(output.bytes_max) +
                                          " bytes (files.file_bytes_max)");
  }
  while (!piece.empty()) {
    const auto size = ::write(output.file.get(), piece.data(), piece.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return output.failed(errno);
    output.bytes += static_cast<std::uint64_t>(size);
    piece.remove_prefix(static_cast<std::size_t>(size));
  }
  return std::nullopt;
}

std::optional<Error> Files::Output::clear() {
  if (::ftruncate(state_->file.get(), 0) != 0 || ::lseek(state_->file.get(), 0, SEEK_SET) != 0) {
    return state_->failed(errno);
  }
  state_->bytes = 0;
  return std::nullopt;
}

// The new name has to survive a power cut as the content does.
std::optional<Error> Files::Output::State::sync_folder() const {
  const Descriptor readable{::openat(folder.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!readable || ::fsync(readable.get()) != 0) return failed(errno);
  return std::nullopt;
}

std::optional<Error> Files::Output::commit() {
  State& output = *state_;
  assert(!output.committed);
  if (output.durable && ::fsync(output.file.get()) != 0) return output.failed(errno);
  struct stat info {};
  if (::fstatat(output.folder.get(), output.name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
      !S_ISREG(info.st_mode)) {
    return make_error("file_not_regular", shown(output.name) + " is not a regular file");
  }
  if (::renameat(output.folder.get(), output.part.c_str(), output.folder.get(),
                 output.name.c_str()) != 0) {
    return output.failed(errno);
  }
  output.committed = true;
  return output.durable ? output.sync_folder() : std::nullopt;
}

Result<std::unique_ptr<Files::Output>> Files::make_output(Descriptor folder,
                                                          std::string_view file_name,
                                                          unsigned mode, bool durable) const {
  struct stat info {};
  const std::string name{file_name};
  if (::fstatat(folder.get(), name.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 &&
      !S_ISREG(info.st_mode)) {
    return make_error("file_not_regular", shown(name) + " is not a regular file");
  }
  std::string part = ".cofounderd-" + random_hex(8) + ".part";
  Descriptor file{::openat(folder.get(), part.c_str(),
                           O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)};
  if (!file) return disk_error(errno, shown(name), "file_unwritable");
  auto state = std::make_unique<Output::State>();
  state->folder = std::move(folder);
  state->name = name;
  state->part = std::move(part);
  state->file = std::move(file);
  state->bytes_max = state_->file_bytes_max;
  state->durable = durable;
  return std::unique_ptr<Output>{new Output{std::move(state)}};
}

Result<std::unique_ptr<Files::Output>> Files::create_file(std::string_view name) const {
  if (auto error = check_path(name)) return *error;
  const std::size_t slash = name.rfind('/');
  const std::string_view file_name = name.substr(slash + 1);
  if (auto error = check_file_name(file_name)) return *error;
  std::optional<Error> first;
  for (const auto& root : state_->write) {
    if (below(name, root).empty()) continue;
    const std::string_view parent = below(name.substr(0, slash), root);
    auto folder = open_folder_below(root, parent, name);
    if (folder && is_protected(folder->get(), file_name, state_->hidden)) {
      folder = make_error("file_denied", shown(name) + " belongs to the daemon");
    }
    if (folder) return make_output(std::move(*folder), file_name, 0666, true);
    if (!first) first = folder.error();
  }
  return first ? *first : outside(name, "write");
}

Result<std::unique_ptr<Files::Output>> Files::create_in_folder(const fs::path& folder,
                                                               std::string_view name) const {
  if (auto error = check_file_name(name)) return *error;
  auto opened = open_folder_below(folder, {}, name);
  if (!opened) return opened.error();
  return make_output(std::move(*opened), name, 0600, false);
}

}  // namespace cofounder
