// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>

#include "tests/simulators/http_server.hpp"

namespace simulator {

// The same requests and answers as HttpServer, from one thread: for thousands of streamed answers
// at a time.  Pieces that are due are found on a wheel of milliseconds.  It has no faults and no
// log.
class EventServer {
 public:
  // Listens on 127.0.0.1:`port` (0: any).  Throws std::system_error.
  EventServer(std::uint16_t port, HttpServer::Handler handler);
  ~EventServer();

  std::uint16_t port() const;
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace simulator
