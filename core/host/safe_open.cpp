// SPDX-License-Identifier: Apache-2.0
#include "core/host/safe_open.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace cofounder {
namespace {

constexpr std::size_t path_bytes_max = 4095;

int open_below(int directory, const std::string& relative, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_BENEATH;
  // EAGAIN: a rename elsewhere made the kernel unsure; it asks to try again.
  for (int tries = 0; tries < 16; ++tries) {
    const long result = ::syscall(SYS_openat2, directory, relative.c_str(), &how, sizeof(how));
    if (result >= 0) return static_cast<int>(result);
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return -1;
}

Error open_error(int error, std::string_view name) {
  switch (error) {
    case EXDEV:
    case ELOOP:
      return make_error("file_denied", shown(name) + " leads through a link or out of the allowed folder");
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
      return make_error("file_not_found", shown(name) + " does not exist");
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return make_error("file_unreadable", shown(name) + ": " + std::strerror(error), true);
    default:
      return make_error("file_unreadable", shown(name) + ": " + std::strerror(error));
  }
}

// Files of these are not files of a disk: /proc/self/environ, for instance, holds secrets.
bool is_pseudo(int descriptor) {
  struct statfs info {};
  if (::fstatfs(descriptor, &info) != 0) return true;
  constexpr std::array<std::uint32_t, 7> pseudo = {
      PROC_SUPER_MAGIC, SYSFS_MAGIC,   CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
      DEBUGFS_MAGIC,    TRACEFS_MAGIC, SECURITYFS_MAGIC};
  return std::find(pseudo.begin(), pseudo.end(), static_cast<std::uint32_t>(info.f_type)) !=
         pseudo.end();
}

std::string link_of(int descriptor) { return "/proc/self/fd/" + std::to_string(descriptor); }

}  // namespace

std::string shown(std::string_view name) {
  std::string text = "\"";
  for (const char c : name.substr(0, 200)) {
    text += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  if (name.size() > 200) text += "...";
  return text += '"';
}

std::string_view below(std::string_view name, const std::filesystem::path& root) {
  std::string_view folder = root.native();
  while (folder.size() > 1 && folder.ends_with('/')) folder.remove_suffix(1);
  if (folder == "/") folder = {};
  if (root.empty() || !name.starts_with(folder)) return {};
  name.remove_prefix(folder.size());
  if (!name.starts_with('/')) return {};
  while (name.starts_with('/')) name.remove_prefix(1);
  return name;
}

std::optional<Error> check_path(std::string_view name) {
  if (name.empty() || name.front() != '/') {
    return make_error("file_denied", shown(name) + " is not an absolute path");
  }
  if (name.size() > path_bytes_max) return make_error("file_denied", "the path is too long");
  if (name.find('\0') != std::string_view::npos) {
    return make_error("file_denied", "the path contains a NUL");
  }
  for (std::size_t at = 0; at < name.size();) {
    const std::size_t end = std::min(name.find('/', at), name.size());
    if (name.substr(at, end - at) == "..") {
      return make_error("file_denied", shown(name) + " contains \"..\"");
    }
    at = end + 1;
  }
  return std::nullopt;
}

std::optional<Error> check_file_name(std::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.size() > 255 ||
      name.find('/') != std::string_view::npos || name.find('\0') != std::string_view::npos) {
    return make_error("file_denied", shown(name) + " is not the name of a file");
  }
  return std::nullopt;
}

Result<Descriptor> open_folder_below(const std::filesystem::path& root, std::string_view relative,
                                     std::string_view name) {
  Descriptor folder{::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!folder) return open_error(errno, name);
  if (relative.empty()) return folder;
  Descriptor inner{open_below(folder.get(), std::string{relative}, O_PATH | O_DIRECTORY)};
  if (!inner) return open_error(errno, name);
  return inner;
}

bool is_protected(int descriptor, std::string_view file_name, const Protected& hidden) {
  std::array<char, path_bytes_max + 1> real{};
  const auto size = ::readlink(link_of(descriptor).c_str(), real.data(), real.size());
  if (size < 0 || static_cast<std::size_t>(size) == real.size()) return true;
  std::string path{real.data(), static_cast<std::size_t>(size)};
  if (!file_name.empty()) path += (path == "/" ? "" : "/") + std::string{file_name};
  return std::any_of(hidden.begin(), hidden.end(), [&](const std::string& one) {
    return path == one || !below(path, one).empty();
  });
}

Result<Descriptor> open_file_below(const std::filesystem::path& root, std::string_view relative,
                                   std::string_view name, std::uint64_t bytes_max,
                                   const Protected& hidden) {
  const Descriptor folder{::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
  if (!folder) return open_error(errno, name);
  // First only a name for the file (O_PATH does not open it), and when it is a regular one, that
  // same file by its descriptor.
  const Descriptor found{open_below(folder.get(), std::string{relative}, O_PATH)};
  if (!found) return open_error(errno, name);
  struct stat info {};
  if (::fstat(found.get(), &info) != 0) return open_error(errno, name);
  if (!S_ISREG(info.st_mode)) {
    return make_error("file_not_regular", shown(name) + " is not a regular file");
  }
  if (is_pseudo(found.get())) {
    return make_error("file_not_regular", shown(name) + " is not a file of a disk");
  }
  if (is_protected(found.get(), {}, hidden)) {
    return make_error("file_denied", shown(name) + " belongs to the daemon");
  }
  if (static_cast<std::uint64_t>(info.st_size) > bytes_max) {
    return make_error("file_too_big", shown(name) + " has more than " + std::to_string(bytes_max) +
                                          " bytes (files.file_bytes_max)");
  }
  Descriptor file{
      ::open(link_of(found.get()).c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)};
  if (!file) return open_error(errno, name);
  return file;
}

}  // namespace cofounder
