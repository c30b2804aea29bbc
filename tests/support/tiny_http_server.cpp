// SPDX-License-Identifier: Apache-2.0
#include "tests/support/tiny_http_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

namespace cofounder::test {
namespace {

std::system_error failed(const char* what) {
  return std::system_error{errno, std::generic_category(), what};
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

TinyConnection::~TinyConnection() { ::close(descriptor_); }

bool TinyConnection::fill() {
  std::array<char, 65536> piece;
  const ssize_t got = ::recv(descriptor_, piece.data(), piece.size(), 0);
  if (got <= 0) return false;
  buffer_.append(piece.data(), static_cast<std::size_t>(got));
  return true;
}

std::optional<TinyRequest> TinyConnection::read_head() {
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (!fill()) return std::nullopt;
  }
  const std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  TinyRequest request;
  std::size_t at = head.find("\r\n");
  const std::string first = head.substr(0, at);
  request.method = first.substr(0, first.find(' '));
  request.target = first.substr(first.find(' ') + 1, first.rfind(' ') - first.find(' ') - 1);
  for (at += 2; at < head.size();) {
    const std::size_t line_end = head.find("\r\n", at);
    const std::string line = head.substr(at, line_end - at);
    const std::size_t colon = line.find(':');
    const std::size_t value = line.find_first_not_of(' ', colon + 1);
    request.headers[lower(line.substr(0, colon))] =
        value == std::string::npos ? "" : line.substr(value);
    at = line_end + 2;
  }
  return request;
}

bool TinyConnection::read_body(TinyRequest& request, std::uint64_t size, bool is_kept) {
  std::uint64_t left = size;
  while (left > 0) {
    if (buffer_.empty() && !fill()) return false;
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer_.size()));
    if (is_kept) request.body.append(buffer_, 0, take);
    request.body_bytes += take;
    buffer_.erase(0, take);
    left -= take;
  }
  return true;
}

std::optional<TinyRequest> TinyConnection::read(std::uint64_t body_max) {
  auto request = read_head();
  if (!request) return std::nullopt;
  if (const auto it = request->headers.find("content-length"); it != request->headers.end()) {
    const std::uint64_t size = std::stoull(it->second);
    if (!read_body(*request, size, size <= body_max)) return std::nullopt;
  }
  return request;
}

bool TinyConnection::send(std::string_view raw) {
  while (!raw.empty()) {
    const ssize_t sent = ::send(descriptor_, raw.data(), raw.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    raw.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool TinyConnection::answer(int status, std::string_view body, std::string_view header_lines) {
  std::string text = "HTTP/1.1 " + std::to_string(status) +
                     " Text\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  text.append(header_lines).append("\r\n").append(body);
  return send(text);
}

void TinyConnection::wait_closed() {
  while (fill()) {
  }
}

void TinyConnection::reset() {
  const linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void TinyConnection::shutdown() noexcept { ::shutdown(descriptor_, SHUT_RDWR); }

TinyHttpServer::TinyHttpServer(Serve serve, std::string_view address) : serve_{std::move(serve)} {
  const bool is_v6 = address.find(':') != std::string_view::npos;
  listener_ = ::socket(is_v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener_ < 0) throw failed("socket");
  const int on = 1;
  ::setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (is_v6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(storage);
    v6.sin6_family = AF_INET6;
    inet_pton(AF_INET6, std::string{address}.c_str(), &v6.sin6_addr);
    size = sizeof v6;
  } else {
    auto& v4 = reinterpret_cast<sockaddr_in&>(storage);
    v4.sin_family = AF_INET;
    inet_pton(AF_INET, std::string{address}.c_str(), &v4.sin_addr);
    size = sizeof v4;
  }
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&storage), size) != 0) throw failed("bind");
  if (::listen(listener_, 4096) != 0) throw failed("listen");
  ::getsockname(listener_, reinterpret_cast<sockaddr*>(&storage), &size);
  port_ = ntohs(is_v6 ? reinterpret_cast<sockaddr_in6&>(storage).sin6_port
                      : reinterpret_cast<sockaddr_in&>(storage).sin_port);
  acceptor_ = std::thread{[this] { accept_all(); }};
}

TinyHttpServer::~TinyHttpServer() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock{mutex_};
    stopped_ = true;
    for (TinyConnection* connection : open_) connection->shutdown();
  }
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock{mutex_};
    threads.swap(threads_);
  }
  for (std::thread& thread : threads) thread.join();
  ::close(listener_);
}

std::string TinyHttpServer::url(std::string_view path) const {
  return "http://127.0.0.1:" + std::to_string(port_) + std::string{path};
}

TinyHttpServer::Serve TinyHttpServer::each(
    std::function<void(TinyConnection&, const TinyRequest&)> answer) {
  return [answer = std::move(answer)](TinyConnection& connection) {
    while (const auto request = connection.read()) answer(connection, *request);
  };
}

void TinyHttpServer::accept_all() {
  for (;;) {
    const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) return;
    const int on = 1;
    ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    auto connection = std::make_unique<TinyConnection>(descriptor, accepted_++);
    const std::lock_guard lock{mutex_};
    if (stopped_) return;
    open_.push_back(connection.get());
    threads_.emplace_back([this, connection = std::move(connection)]() mutable {
      serve_(*connection);
      const std::lock_guard inner{mutex_};
      std::erase(open_, connection.get());
      connection.reset();
    });
  }
}

}  // namespace cofounder::test
