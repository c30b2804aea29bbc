// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "host.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace cofounder::sdk::inline v1 {

// A file that a client named, opened by the host; got from Context::open() and create().  Closed
// when it is dropped, at the latest with its call; what was written and not committed vanishes.
class File {
 public:
  File(const detail::HostTables& tables, std::uint64_t handle) noexcept
      : tables_{&tables}, handle_{handle} {}
  File(File&& other) noexcept : tables_{other.tables_}, handle_{std::exchange(other.handle_, 0)} {}
  File& operator=(File&& other) noexcept {
    std::swap(tables_, other.tables_);
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~File() {
    if (handle_ != 0) tables_->file->release(tables_->host, handle_);
  }

  std::uint64_t handle() const noexcept { return handle_; }

  // Bytes, when it was opened.
  Result<std::uint64_t> size() const {
    return number(tables_->ask(tables_->file, &cof_file_service::size,
                               std::int64_t{COF_EUNSUPPORTED}, handle_),
                  "read the size of a file");
  }

  // At most `size` bytes from `offset` into `buffer`: how many, 0 at the end.  May wait for the
  // disk.
  Result<std::uint64_t> read(std::uint64_t offset, void* buffer, std::uint64_t size) const {
    return number(tables_->ask(tables_->file, &cof_file_service::read,
                               std::int64_t{COF_EUNSUPPORTED}, handle_, offset, buffer, size),
                  "read a file");
  }

  // The whole content; COF_ETOOBIG beyond `bytes_max`.
  Result<std::string> read_all(std::uint64_t bytes_max = 8u << 20) const {
    std::string content;
    for (;;) {
      char piece[16384];
      auto count = read(content.size(), piece, sizeof piece);
      if (!count) return count.failure();
      if (*count == 0) return content;
      if (*count > bytes_max - content.size()) {
        return Failure{COF_ETOOBIG, "file_too_big", "The file is larger than the plugin reads."};
      }
      content.append(piece, *count);
    }
  }

  Result<void> write(std::string_view piece) {
    return checked((*tables_)(tables_->file, &cof_file_service::write, handle_, to_bytes(piece)),
                   "write a file");
  }
  // Puts a written file in place, replacing an older one.
  Result<void> commit() {
    return checked((*tables_)(tables_->file, &cof_file_service::commit, handle_), "commit a file");
  }

  // The last part of the name that the client gave, for display.
  std::string name() const {
    StringSink sink;
    if ((*tables_)(tables_->file, &cof_file_service::name, handle_, sink.get()) < 0) return {};
    return sink.take();
  }

 private:
  static Result<std::uint64_t> number(std::int64_t value, std::string_view what) {
    if (value >= 0) return static_cast<std::uint64_t>(value);
    return checked(static_cast<std::int32_t>(value), what).failure();
  }

  const detail::HostTables* tables_;
  std::uint64_t handle_;
};

}  // namespace cofounder::sdk::inline v1
