// SPDX-License-Identifier: Apache-2.0
#include "core/config/regular_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace cofounder::config {
namespace {

struct Descriptor {
  int number;
  explicit Descriptor(int n) noexcept : number{n} {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (number >= 0) ::close(number);
  }
};

Error unreadable(const std::filesystem::path& file, const std::string& why) {
  return make_error("unreadable", file.native() + ": cannot be read: " + why);
}

std::string reason(int number) { return std::generic_category().message(number); }

}  // namespace

Result<FileText> read_regular_file(const std::filesystem::path& file, std::size_t bytes_max) {
  // Without O_NONBLOCK, opening a FIFO that nobody writes to would never return.
  const Descriptor fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
  if (fd.number < 0) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return make_error("missing", file.native() + ": no such file");
    }
    return unreadable(file, reason(errno));
  }
  struct stat status{};
  if (::fstat(fd.number, &status) != 0) return unreadable(file, reason(errno));
  if (!S_ISREG(status.st_mode)) return unreadable(file, "it is not a regular file");

  FileText result;
  result.mode = status.st_mode;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(fd.number, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(file, reason(errno));
    if (got == 0) return result;
    result.text.append(buffer, static_cast<std::size_t>(got));
    if (result.text.size() > bytes_max) {
      return unreadable(file, "it is larger than " + std::to_string(bytes_max) + " bytes");
    }
  }
}

}  // namespace cofounder::config
