// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace cofounder::ctl {

// A connected Unix stream socket with a buffer for what was read.
class Connection {
 public:
  explicit Connection(int descriptor) noexcept : descriptor_{descriptor} {}
  Connection(Connection&& other) noexcept
      : descriptor_{std::exchange(other.descriptor_, -1)}, buffer_{std::move(other.buffer_)} {}
  Connection& operator=(Connection&&) = delete;
  ~Connection();

  static Result<Connection> open(const std::filesystem::path& socket);

  // False: the other side takes no more, so that its answer is all there is to read.
  Result<bool> send(std::string_view bytes, Milliseconds silence_max);

  // Adds what comes next to the buffer.  False: the other side closed.  Code "no_answer".
  Result<bool> fill(Milliseconds silence_max);
  std::string& buffer() noexcept { return buffer_; }

 private:
  int descriptor_;
  std::string buffer_;
};

Error bad_answer(std::string_view why);

}  // namespace cofounder::ctl
