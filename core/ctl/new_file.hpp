// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/descriptor.hpp"
#include "core/base/error.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace cofounder::ctl {

// A file that appears under its name when it is whole and on the disk, and not at all before; until
// then it grows beside it, for its owner alone.
class NewFile {
 public:
  // Code "file_exists" when there is one and `replace` is false; "cannot_write" else.
  static Result<NewFile> open(std::filesystem::path file, bool replace);
  ~NewFile();
  NewFile(NewFile&& other) noexcept
      : file_{std::move(other.file_)},
        replace_{other.replace_},
        part_{std::exchange(other.part_, {})},
        descriptor_{std::move(other.descriptor_)},
        bytes_{other.bytes_} {}
  NewFile& operator=(NewFile&&) = delete;

  // Codes "disk_full", "cannot_write".
  std::optional<Error> write(std::string_view bytes);
  std::optional<Error> finish();
  std::uint64_t bytes() const noexcept { return bytes_; }

 private:
  NewFile(std::filesystem::path file, bool replace) : file_{std::move(file)}, replace_{replace} {}
  Error failed(int number) const;

  std::filesystem::path file_;
  bool replace_;
  std::string part_;  // its name until it is whole; empty: it is
  Descriptor descriptor_;
  std::uint64_t bytes_ = 0;
};

}  // namespace cofounder::ctl
