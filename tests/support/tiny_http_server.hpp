// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace cofounder::test {

struct TinyRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // empty when it was only counted
  std::uint64_t body_bytes = 0;
};

// One connection of the server, on a thread of its own.
class TinyConnection {
 public:
  TinyConnection(int descriptor, int its_number)
      : number{its_number}, descriptor_{descriptor} {}
  ~TinyConnection();
  TinyConnection(const TinyConnection&) = delete;
  TinyConnection& operator=(const TinyConnection&) = delete;

  // The next request; nothing when the client closed or the server stops.  A body longer than
  // `body_max` is counted and thrown away.
  std::optional<TinyRequest> read(std::uint64_t body_max = 1u << 20);
  // As it is.  False: the client is gone.
  bool send(std::string_view raw);
  bool answer(int status, std::string_view body = {}, std::string_view header_lines = {});
  // Waits until the client closes or the server stops.
  void wait_closed();
  void reset();  // RST at the end instead of FIN
  void shutdown() noexcept;

  const int number;  // from 0, in the order of accept()

 private:
  bool fill();
  std::optional<TinyRequest> read_head();
  bool read_body(TinyRequest& request, std::uint64_t size, bool is_kept);
  int descriptor_;
  std::string buffer_;
};

// An HTTP server on loopback that does what a test says with each connection, byte by byte.
class TinyHttpServer {
 public:
  using Serve = std::function<void(TinyConnection&)>;

  explicit TinyHttpServer(Serve serve, std::string_view address = "127.0.0.1");
  ~TinyHttpServer();

  std::uint16_t port() const noexcept { return port_; }
  std::string url(std::string_view path = "/") const;
  int connections() const noexcept { return accepted_; }

  // A serve() that answers each request of each connection by `answer`.
  static Serve each(std::function<void(TinyConnection&, const TinyRequest&)> answer);

 private:
  void accept_all();

  Serve serve_;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> accepted_{0};
  std::mutex mutex_;
  std::vector<TinyConnection*> open_;  // guarded by mutex_
  bool stopped_ = false;               // guarded by mutex_
  std::vector<std::thread> threads_;   // guarded by mutex_
  std::thread acceptor_;
};

}  // namespace cofounder::test
