// SPDX-License-Identifier: Apache-2.0
#include "core/host/library.hpp"

#include "core/host/sha256.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <mutex>
#include <optional>
#include <set>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace cofounder::host {

namespace {

// On the stack: what each plugin's thread once took from the heap for it would stay with the process.
constexpr std::size_t piece_bytes = 32 * 1024;

Error failed(const char* code, const std::filesystem::path& path, const std::string& why) {
  return make_error(code, path.string() + ": " + why);
}
LibraryFile::Identity identity_of(const struct stat& status) noexcept {
  const auto ns = [](const timespec& time) { return time.tv_sec * 1'000'000'000 + time.tv_nsec; };
  return {status.st_size, ns(status.st_mtim), ns(status.st_ctim)};
}

Error failed_errno(const char* code, const std::filesystem::path& path) {
  return failed(code, path, std::strerror(errno));
}

// Calls `take` with each piece of the file; false when it cannot be read or `take` says so.
template <class Take>
bool each_piece(int descriptor, Take take) {
  std::array<char, piece_bytes> buffer;
  off_t offset = 0;
  for (;;) {
    const ssize_t got = ::pread(descriptor, buffer.data(), buffer.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return false;
    if (got == 0) return true;
    if (!take(std::string_view{buffer.data(), static_cast<std::size_t>(got)})) return false;
    offset += got;
  }
}

Result<std::string> hash_file(int descriptor, const std::filesystem::path& path) {
  Sha256 hash;
  const bool read = each_piece(descriptor, [&](std::string_view piece) {
    hash.update(piece);
    return true;
  });
  if (!read) return failed_errno("unreadable", path);
  return Result<std::string>{boost::system::in_place_value, hash.hex()};
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t wrote = ::write(descriptor, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

// Whether `copy` is there and has the content of that hash.
bool is_copy(const std::filesystem::path& copy, const std::string& sha256) {
  const int descriptor = ::open(copy.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (descriptor < 0) return false;
  struct stat status {};
  const bool ours = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) &&
                    status.st_uid == ::geteuid() && (status.st_mode & 0222U) == 0;
  const Result<std::string> hash = ours ? hash_file(descriptor, copy)
                                        : Result<std::string>{make_error("unreadable", "")};
  ::close(descriptor);
  return hash.has_value() && *hash == sha256;
}

std::mutex loaded_mutex;
std::set<std::filesystem::path>& loaded_copies() {
  static auto* const copies = new std::set<std::filesystem::path>;
  return *copies;
}

// The folder, ours alone.
std::optional<Error> make_folder(const std::filesystem::path& folder) {
  std::error_code code;
  std::filesystem::create_directories(folder.parent_path(), code);
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return failed_errno("plugin_not_copied", folder);
  }
  struct stat status {};
  if (::lstat(folder.c_str(), &status) != 0) return failed_errno("plugin_not_copied", folder);
  if (!S_ISDIR(status.st_mode) || status.st_uid != ::geteuid() || (status.st_mode & 0022U) != 0) {
    Error error = failed("plugin_not_copied", folder, "others may write there");
    error.hint = "remove it; the daemon makes it again";
    return error;
  }
  return std::nullopt;
}

Result<std::filesystem::path> copy_of(const LibraryFile& file, const std::string& sha256,
                                           const std::filesystem::path& folder) {
  if (auto error = make_folder(folder)) return *error;
  const std::filesystem::path copy = folder / (sha256 + ".so");
  using Copied = Result<std::filesystem::path>;
  if (is_copy(copy, sha256)) return Copied{boost::system::in_place_value, copy};
  std::string name = (folder / "new.XXXXXX").string();
  const int out = ::mkostemp(name.data(), O_CLOEXEC);
  if (out < 0) return failed_errno("plugin_not_copied", name);
  // Hashed again while it is copied: the file could be written in between.
  Sha256 hash;
  bool good = each_piece(file.descriptor(), [&](std::string_view piece) {
    hash.update(piece);
    return write_all(out, piece);
  });
  good = good && ::fchmod(out, 0500) == 0;
  good = ::close(out) == 0 && good;
  if (good && hash.hex() != sha256) {
    errno = ESTALE;
    good = false;
  }
  if (!good || ::rename(name.c_str(), copy.c_str()) != 0) {
    Error error = failed_errno("plugin_not_copied", copy);
    ::unlink(name.c_str());
    return error;
  }
  return Copied{boost::system::in_place_value, copy};
}

// Whether the file is still what was opened: neither written nor replaced since.
std::optional<Error> check_unchanged(const LibraryFile& file) {
  struct stat now {};
  struct stat named {};
  const LibraryFile::Identity was = file.identity();
  const bool same = ::fstat(file.descriptor(), &now) == 0 &&
                    ::lstat(file.path().c_str(), &named) == 0 && now.st_dev == named.st_dev &&
                    now.st_ino == named.st_ino && identity_of(now) == was;
  if (same) return std::nullopt;
  Error error = failed("plugin_file_changed", file.path(), "it was changed while it was loaded");
  error.retryable = true;
  error.hint = "start the plugin again when the file is complete";
  return error;
}

}  // namespace

Result<LibraryFile> LibraryFile::open(const std::filesystem::path& path) {
  const int descriptor =
      ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (descriptor < 0) {
    if (errno == ELOOP) return failed("unreadable", path, "it is a link; name the file itself");
    return failed_errno("unreadable", path);
  }
  LibraryFile file{path, descriptor};
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return failed_errno("unreadable", path);
  if (!S_ISREG(status.st_mode)) return failed("unreadable", path, "it is not a regular file");
  if ((status.st_uid != 0 && status.st_uid != ::geteuid()) || (status.st_mode & 0022U) != 0) {
    Error error = failed("plugin_file_unsafe", path,
                         "others than root and the daemon's user may write it (owner " +
                             std::to_string(status.st_uid) + ")");
    error.hint = "chown root and chmod go-w the file";
    return error;
  }
  file.identity_ = identity_of(status);
  return file;
}

LibraryFile::LibraryFile(LibraryFile&& other) noexcept
    : path_{std::move(other.path_)},
      descriptor_{std::exchange(other.descriptor_, -1)},
      identity_{other.identity_} {}
LibraryFile& LibraryFile::operator=(LibraryFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  identity_ = other.identity_;
  return *this;
}
LibraryFile::~LibraryFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<LibraryCopy> copy_library(const LibraryFile& file, const std::filesystem::path& folder) {
  const Result<std::string> sha256 = hash_file(file.descriptor(), file.path());
  if (sha256.has_error()) return sha256.error();
  const Result<std::filesystem::path> copy = copy_of(file, *sha256, folder);
  if (copy.has_error()) return copy.error();
  if (auto error = check_unchanged(file)) return *error;
  {
    const std::lock_guard lock{loaded_mutex};
    loaded_copies().insert(*copy);
  }
  return LibraryCopy{*copy, file.path(), *sha256};
}

Result<Library> load_library(const LibraryFile& file, const std::filesystem::path& folder,
                             const std::set<std::string>& codes) {
  const Result<LibraryCopy> copy = copy_library(file, folder);
  if (copy.has_error()) return copy.error();
  if (codes.size() >= codes_max && !codes.contains(copy->sha256)) {
    Error error = failed("too_many_generations", file.path(),
                         std::to_string(codes.size()) + " versions of it are in the daemon's memory");
    error.hint = "restart the daemon, or set isolation = \"process\" for this plugin";
    return error;
  }
  const Result<cof_plugin> api = open_library(copy->path.native(), copy->shown.native());
  if (api.has_error()) return api.error();
  return Library{*api, copy->sha256};
}

void remove_old_copies(const std::filesystem::path& folder) noexcept {
  std::error_code code;
  const std::lock_guard lock{loaded_mutex};
  for (std::filesystem::directory_iterator it{folder, code}, end; !code && it != end;
       it.increment(code)) {
    if (!loaded_copies().contains(it->path())) {
      std::error_code ignored;
      std::filesystem::remove(it->path(), ignored);
    }
  }
}

}  // namespace cofounder::host
