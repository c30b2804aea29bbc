// SPDX-License-Identifier: Apache-2.0
#include "core/store/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace cofounder {

Result<int> lock_file(const std::filesystem::path& file) {
  const std::string name = file.string() + ".lock";
  const int descriptor = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (descriptor < 0) {
    Error error =
        make_error("store_unusable", name + " cannot be opened: " + std::strerror(errno) + ".");
    error.hint = "Check that the folder exists and can be written.";
    return error;
  }
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    std::array<char, 32> holder{};
    const ssize_t size = ::pread(descriptor, holder.data(), holder.size() - 1, 0);
    ::close(descriptor);
    Error error = make_error(
        "store_locked", file.string() + " is in use" +
                            (size > 0 ? " by process " + std::string{holder.data()} : "") + ".");
    error.hint = "Only one daemon can use a file: stop that one, or set another [store] file.";
    return error;
  }
  // For the message above only; that it may fail changes nothing.
  const std::string process = std::to_string(::getpid());
  if (::ftruncate(descriptor, 0) != 0 ||
      ::pwrite(descriptor, process.data(), process.size(), 0) < 0) {
    return descriptor;
  }
  return descriptor;
}

void unlock_file(int descriptor) noexcept {
  if (descriptor >= 0) ::close(descriptor);
}

}  // namespace cofounder
