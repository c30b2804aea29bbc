// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "tests/simulators/http_server.hpp"

namespace simulator {

// One client's connection: blocking, one request after the other.  The functions that write are
// false when the connection is done with.
class Connection {
 public:
  explicit Connection(int descriptor);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // false: the client went away, or what came was no HTTP (it was answered with 400).
  bool read_request(Request& request);

  bool write_response(const Response& response);
  bool write_half(const Response& response);  // then it is closed: always false
  bool write_broken(const Response& response);  // a streamed one without its end: always false
  bool write_dripping(const Response& response, int milliseconds);
  void reset();
  void wait_until_gone();

 private:
  bool fill();
  bool write_all(std::string_view text);
  bool read_body(Request& request);
  bool read_chunked(Request& request);
  bool refuse(const char* why);
  bool write_pieces(const Response& response);

  int descriptor_;
  std::string buffer_;
  bool keep_alive_ = true;
};

}  // namespace simulator
