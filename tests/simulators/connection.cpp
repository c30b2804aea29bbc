// SPDX-License-Identifier: Apache-2.0
#include "tests/simulators/connection.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace simulator {
namespace {

constexpr std::size_t head_bytes_max = 64u << 10;
constexpr std::size_t body_bytes_max = 2u << 30;

std::string lower(std::string_view text) {
  std::string out{text};
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

}  // namespace

bool parse_request_head(std::string_view head, Request& request) {
  const auto line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  const auto first = line.find(' ');
  const auto second = line.rfind(' ');
  if (first == std::string_view::npos || second <= first || line.substr(second + 1) != "HTTP/1.1") {
    return false;
  }
  request.method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  const auto mark = target.find('?');
  request.path = target.substr(0, mark);
  if (mark != std::string_view::npos) request.query = target.substr(mark + 1);
  if (request.path.empty() || request.path[0] != '/') return false;
  for (head.remove_prefix(line_end + 2); !head.empty();) {
    const auto end = head.find("\r\n");
    const std::string_view field = head.substr(0, end);
    head.remove_prefix(end + 2);
    const auto colon = field.find(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    std::string_view value = field.substr(colon + 1);
    while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
    while (!value.empty() && value.back() == ' ') value.remove_suffix(1);
    request.headers.emplace_back(lower(field.substr(0, colon)), value);
  }
  return !request.header("host").empty();
}

std::string response_head(const Response& response, std::size_t body_bytes, bool keep_alive) {
  std::string head = "HTTP/1.1 " + std::to_string(response.status) + " Simulated\r\n";
  if (response.stream) {
    head += "Transfer-Encoding: chunked\r\n";
  } else {
    head += "Content-Length: " + std::to_string(body_bytes) + "\r\n";
  }
  if (!response.content_type.empty()) head += "Content-Type: " + response.content_type + "\r\n";
  for (const auto& [name, value] : response.headers) head += name + ": " + value + "\r\n";
  if (!keep_alive) head += "Connection: close\r\n";
  return head + "\r\n";
}

Connection::Connection(int descriptor) : descriptor_{descriptor} {
  const int yes = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

Connection::~Connection() { ::close(descriptor_); }

bool Connection::fill() {
  char piece[65536];
  for (;;) {
    const ssize_t got = ::recv(descriptor_, piece, sizeof piece, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    buffer_.append(piece, static_cast<std::size_t>(got));
    return true;
  }
}

bool Connection::write_all(std::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(wrote));
  }
  return true;
}

bool Connection::refuse(const char* why) {
  Response response;
  response.status = 400;
  response.content_type = "text/plain";
  response.body = why;
  keep_alive_ = false;
  write_response(response);
  return false;
}

bool Connection::read_request(Request& request) {
  if (!keep_alive_) return false;
  std::size_t end = 0;
  while ((end = buffer_.find("\r\n\r\n")) == std::string::npos) {
    if (buffer_.size() > head_bytes_max) return refuse("the head is too long");
    if (!fill()) return false;
  }
  const std::string head = buffer_.substr(0, end + 2);
  buffer_.erase(0, end + 4);
  if (!parse_request_head(head, request)) return refuse("this is no HTTP/1.1 request");
  if (lower(request.header("connection")) == "close") keep_alive_ = false;
  return read_body(request);
}

bool Connection::read_body(Request& request) {
  if (lower(request.header("expect")) == "100-continue") {
    if (!write_all("HTTP/1.1 100 Continue\r\n\r\n")) return false;
  }
  if (lower(request.header("transfer-encoding")) == "chunked") return read_chunked(request);
  const std::string length_text{request.header("content-length")};
  if (length_text.empty()) return true;
  char* end = nullptr;
  const auto length = std::strtoull(length_text.c_str(), &end, 10);
  if (*end != '\0' || length > body_bytes_max) return refuse("bad Content-Length");
  while (buffer_.size() < length) {
    if (!fill()) return false;
  }
  request.body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return true;
}

bool Connection::read_chunked(Request& request) {
  for (;;) {
    std::size_t end = 0;
    while ((end = buffer_.find("\r\n")) == std::string::npos) {
      if (!fill()) return false;
    }
    char* rest = nullptr;
    const auto size = std::strtoull(buffer_.c_str(), &rest, 16);
    if (rest == buffer_.c_str() || request.body.size() + size > body_bytes_max) {
      return refuse("bad chunk");
    }
    buffer_.erase(0, end + 2);
    while (buffer_.size() < size + 2) {
      if (!fill()) return false;
    }
    request.body.append(buffer_, 0, size);
    if (buffer_.compare(size, 2, "\r\n") != 0) return refuse("bad chunk end");
    buffer_.erase(0, size + 2);
    if (size == 0) return true;
  }
}

bool Connection::write_response(const Response& response) {
  if (!response.stream) {
    const std::string head = response_head(response, response.body.size(), keep_alive_);
    return write_all(response.is_head ? head : head + response.body) && keep_alive_;
  }
  if (!write_all(response_head(response, 0, keep_alive_))) return false;
  return write_pieces(response) && write_all("0\r\n\r\n") && keep_alive_;
}

bool Connection::write_pieces(const Response& response) {
  char size[24];
  bool is_first = true;
  while (auto piece = response.stream()) {
    if (piece->empty()) {  // nothing yet
      ::poll(nullptr, 0, std::max(1, response.interval_ms));
      continue;
    }
    if (!std::exchange(is_first, false) && response.interval_ms > 0) {
      ::poll(nullptr, 0, response.interval_ms);
    }
    std::snprintf(size, sizeof size, "%zx\r\n", piece->size());
    if (!write_all(size + *piece + "\r\n")) return false;
  }
  return true;
}

bool Connection::write_broken(const Response& response) {
  if (!write_all(response_head(response, 0, keep_alive_))) return false;
  if (response.stream) write_pieces(response);
  return false;
}

bool Connection::write_half(const Response& response) {
  write_all(response_head(response, response.body.size(), keep_alive_) +
            response.body.substr(0, response.body.size() / 2));
  return false;
}

bool Connection::write_dripping(const Response& response, int milliseconds) {
  if (!write_all(response_head(response, response.body.size(), keep_alive_))) return false;
  for (const char c : response.body) {
    ::poll(nullptr, 0, milliseconds);
    if (!write_all({&c, 1})) return false;
  }
  return keep_alive_;
}

void Connection::reset() {
  const linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void Connection::wait_until_gone() {
  while (fill()) buffer_.clear();
}

}  // namespace simulator
