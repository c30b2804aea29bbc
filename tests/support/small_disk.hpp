// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/mount.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>

namespace cofounder::test {

// A small disk, gone with its owner.
class SmallDisk {
 public:
  explicit SmallDisk(std::filesystem::path at, const char* size = "6m") : at_{std::move(at)} {
    std::filesystem::create_directory(at_);
    is_mounted_ = ::mount("tmpfs", at_.c_str(), "tmpfs", 0,
                          (std::string{"mode=0700,size="} + size).c_str()) == 0;
    if (!is_mounted_) why_ = std::strerror(errno);
  }
  ~SmallDisk() {
    if (is_mounted_) ::umount2(at_.c_str(), MNT_DETACH);
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool is_mounted() const { return is_mounted_; }
  const std::string& why() const { return why_; }
  const std::filesystem::path& path() const { return at_; }

  void fill() const {
    std::ofstream ballast{at_ / "ballast", std::ios::binary | std::ios::app};
    const std::string piece(4096, 'x');
    while (ballast.write(piece.data(), 4096).flush()) {
    }
  }
  void free_space() const { std::filesystem::remove(at_ / "ballast"); }

 private:
  std::filesystem::path at_;
  bool is_mounted_ = false;
  std::string why_;
};

}  // namespace cofounder::test
