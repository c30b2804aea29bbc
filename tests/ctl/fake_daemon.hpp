// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace cofounder::test {

struct SeenRequest {
  std::string method;
  std::string target;
  std::string head;  // all of it
  std::string body;
};

// Answers on a Unix socket in a folder of its own as a script says: bytes as they are, so that it
// can also talk nonsense.  Each connection has its own thread, and one request.
class FakeDaemon {
 public:
  // The bytes to send before the connection is closed; nothing: never answer.  Called from the
  // connections' threads, one at a time.
  using Script = std::function<std::optional<std::string>(const SeenRequest&)>;

  explicit FakeDaemon(Script script);
  ~FakeDaemon();
  FakeDaemon(const FakeDaemon&) = delete;
  FakeDaemon& operator=(const FakeDaemon&) = delete;

  // Answers before the request's body is read, and reads no body.
  void refuse_bodies(std::string answer);

  const std::filesystem::path& socket() const noexcept { return socket_; }
  std::vector<SeenRequest> seen() const;

 private:
  void accept_all();
  void serve(int descriptor);

  Script script_;
  std::filesystem::path folder_;
  std::filesystem::path socket_;
  int listener_ = -1;
  int stop_ = -1;             // eventfd
  mutable std::mutex mutex_;  // of what follows
  std::optional<std::string> refusal_;
  std::vector<SeenRequest> seen_;
  std::vector<int> open_;
  std::vector<std::thread> connections_;
  std::mutex script_mutex_;
  std::thread acceptor_;
};

// "HTTP/1.1 200 OK" with Content-Length.
std::string http_answer(int status, std::string_view body,
                        std::string_view content_type = "application/json");
std::string error_answer(int status, std::string_view code, std::string_view message,
                         std::string_view hint = {});

}  // namespace cofounder::test
