// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/new_file.hpp"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace cofounder::ctl {
namespace {

Error is_there(const std::filesystem::path& file) {
  Error error = make_error("file_exists", file.string() + " is there already, and is left as it is");
  error.hint = "name another file, or replace this one with --replace";
  return error;
}

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."};
}

}  // namespace

Result<NewFile> NewFile::open(std::filesystem::path file, bool replace) {
  std::error_code error;
  const auto there = std::filesystem::symlink_status(file, error);
  if (std::filesystem::exists(there) && !replace) return is_there(file);
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there)) {
    return make_error("cannot_write", file.string() + " is no regular file");
  }
  NewFile made{std::move(file), replace};
  std::string part = made.file_.string() + ".XXXXXX";
  made.descriptor_.reset(::mkostemp(part.data(), O_CLOEXEC));
  if (!made.descriptor_) return made.failed(errno);
  made.part_ = std::move(part);
  return made;
}

NewFile::~NewFile() {
  if (!part_.empty()) ::unlink(part_.c_str());
}

Error NewFile::failed(int number) const {
  Error error = make_error(number == ENOSPC || number == EDQUOT ? "disk_full" : "cannot_write",
                           file_.string() + " cannot be written: " +
                               std::generic_category().message(number));
  if (number == ENOSPC) error.hint = "there is no file now; make room, or write to another disk";
  return error;
}

std::optional<Error> NewFile::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_.get(), bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return failed(errno);
    bytes.remove_prefix(static_cast<std::size_t>(written));
    bytes_ += static_cast<std::uint64_t>(written);
  }
  return std::nullopt;
}

std::optional<Error> NewFile::finish() {
  if (::fsync(descriptor_.get()) != 0) return failed(errno);
  // Somebody may have made one meanwhile; file systems that cannot tell are believed.
  int moved = ::renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, file_.c_str(),
                          replace_ ? 0 : RENAME_NOREPLACE);
  if (moved != 0 && errno == EEXIST) return is_there(file_);
  if (moved != 0 && errno == EINVAL) moved = ::rename(part_.c_str(), file_.c_str());
  if (moved != 0) return failed(errno);
  part_.clear();
  const Descriptor folder{::open(folder_of(file_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (folder && ::fsync(folder.get()) != 0 && errno != EINVAL) return failed(errno);
  return std::nullopt;
}

}  // namespace cofounder::ctl
