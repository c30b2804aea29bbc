// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/http/server.hpp"

#include <memory>
#include <optional>
#include <string_view>

namespace cofounder::http {

// Reads requests out of the bytes of one connection, one after the other.  Keeps no bytes of its
// own: what it did not use has to be offered again, with more behind it.
class RequestReader {
 public:
  explicit RequestReader(std::uint64_t header_bytes_max);
  ~RequestReader();

  enum class Step {
    need_more,  // offer more bytes
    head,       // the head is complete: request() holds all but the body
    body,       // piece() is the next part of the body; valid as long as the bytes that were fed
    done,       // the request is complete; restart() before the next
    failed      // failure() says why; the connection is of no use any more
  };
  // `used` is how many of `bytes` need not be offered again.
  Step feed(std::string_view bytes, std::size_t& used);
  void restart();

  bool has_begun() const noexcept;  // a byte of this request was seen
  ServerRequest& request() noexcept;
  std::string_view piece() const noexcept;
  std::optional<std::uint64_t> content_length() const noexcept;
  bool has_body() const noexcept;  // more than 0 bytes may follow
  bool keep_alive() const noexcept;
  bool is_http_1_0() const noexcept;
  bool expects_continue() const noexcept;
  const std::pair<int, Error>& failure() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// "%41+b" -> "A b" (plus only when `is_query`); nothing when a % is not followed by two hexadecimal
// digits or the text would hold a control character.
std::optional<std::string> percent_decode(std::string_view text, bool is_query);

}  // namespace cofounder::http
