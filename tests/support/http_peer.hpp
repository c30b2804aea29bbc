// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace cofounder::test {

struct RawResponse {
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
};

// A blocking HTTP client on a raw Unix socket, which can also misbehave.  Everything it waits for
// has a deadline of 20 s; then it throws.
class HttpPeer {
 public:
  explicit HttpPeer(const std::filesystem::path& path, int receive_buffer = 0)
      : socket_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    if (receive_buffer > 0) {
      ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    }
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    if (::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      ::close(socket_);
      throw std::runtime_error{"connect"};
    }
  }
  ~HttpPeer() { close(); }
  HttpPeer(const HttpPeer&) = delete;
  HttpPeer& operator=(const HttpPeer&) = delete;

  void close() {
    if (socket_ >= 0) ::close(std::exchange(socket_, -1));
  }
  void end_sending() { ::shutdown(socket_, SHUT_WR); }

  // false: the other side does not want more.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  // Some bytes; nothing at the end.
  std::optional<std::string> receive() {
    pollfd poll{socket_, POLLIN, 0};
    if (::poll(&poll, 1, 20'000) != 1) throw std::runtime_error{"nothing came"};
    std::string bytes(64 << 10, '\0');
    const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (got <= 0) return std::nullopt;
    bytes.resize(static_cast<std::size_t>(got));
    return bytes;
  }
  std::string receive_all() {
    std::string all = std::exchange(ahead_, {});
    while (const auto bytes = receive()) all += *bytes;
    return all;
  }
  // Reads until what was received and not yet taken contains `text`; takes all up to its end.
  std::string receive_until(std::string_view text) {
    std::size_t at = 0;
    while ((at = ahead_.find(text)) == std::string::npos) more();
    return take(at + text.size());
  }

  RawResponse response(bool is_head = false) {
    RawResponse response;
    std::string head = receive_until("\r\n\r\n");
    response.status = std::atoi(head.c_str() + 9);
    std::size_t line = head.find("\r\n") + 2;
    while (line + 2 < head.size()) {
      const std::size_t end = head.find("\r\n", line);
      const std::size_t colon = head.find(": ", line);
      if (colon == std::string::npos || colon > end) break;
      std::string name = head.substr(line, colon - line);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      response.headers[name] = head.substr(colon + 2, end - colon - 2);
      line = end + 2;
    }
    if (is_head) return response;
    if (response.headers.contains("content-length")) {
      const auto size = std::stoul(response.headers["content-length"]);
      while (ahead_.size() < size) more();
      response.body = take(size);
    } else if (response.headers.contains("transfer-encoding")) {
      while (auto piece = chunk()) response.body += *piece;
    }
    return response;
  }
  // The next piece of a chunked body; nothing at its end.
  std::optional<std::string> chunk() {
    const auto size = std::stoul(receive_until("\r\n"), nullptr, 16);
    while (ahead_.size() < size + 2) more();
    std::string piece = take(size);
    take(2);
    if (size == 0) return std::nullopt;
    return piece;
  }

  RawResponse request(std::string_view method, std::string_view target, std::string_view body = {},
                      std::string_view headers = {}) {
    std::string text{method};
    text.append(" ").append(target).append(" HTTP/1.1\r\nHost: x\r\n").append(headers);
    if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
    text.append("\r\n").append(body);
    send(text);
    return response(method == "HEAD");
  }

 private:
  void more() {
    auto bytes = receive();
    if (!bytes) throw std::runtime_error{"the connection ended; so far: " + ahead_.substr(0, 500)};
    ahead_ += *bytes;
  }
  std::string take(std::size_t size) {
    std::string taken = ahead_.substr(0, size);
    ahead_.erase(0, size);
    return taken;
  }

  int socket_;
  std::string ahead_;
};

}  // namespace cofounder::test
