// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/clock.hpp"
#include "core/base/error.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// HTTP/1.1 over a Unix socket as cofounderctl needs it: blocking, one connection for each request.
namespace cofounder::ctl {

struct Request {
  std::string method = "GET";
  std::string target;  // path and query, percent-encoded: see encode()
  std::string body;    // sent when `method` is one that has a body
  std::string content_type = "application/json";
  std::string accept;
  std::string bearer;  // who asks: a session's token, of the characters that a token may have
  int file = -1;  // an open file that is sent instead of `body`
  std::uint64_t file_bytes = 0;
  Milliseconds silence_max{60'000};  // of the daemon
};

struct Answer {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  // names in lower case
  std::string body;

  bool is_success() const noexcept { return status >= 200 && status < 300; }
  std::string_view header(std::string_view lower_case_name) const noexcept;
};

// What a stream's reader wants.
struct StreamSink {
  std::function<bool(std::string_view piece)> piece;  // false: enough
  std::function<bool()> silence;  // called after each silence_max without a byte; false: enough
};

class UnixHttp {
 public:
  explicit UnixHttp(std::filesystem::path socket) : socket_{std::move(socket)} {}

  // Codes "unreachable" (nobody listens there), "denied" (by the socket's mode), "no_answer"
  // (silence_max is over), "bad_answer" (not HTTP, truncated, too large).
  Result<Answer> call(const Request& request) const;
  // The same, but the body of a success goes to `sink` as it comes, and Answer::body stays empty.
  Result<Answer> stream(const Request& request, const StreamSink& sink) const;

  const std::filesystem::path& socket() const noexcept { return socket_; }

 private:
  std::filesystem::path socket_;
};

// For one part of a path, or a value of a query.
std::string encode(std::string_view text);

}  // namespace cofounder::ctl
