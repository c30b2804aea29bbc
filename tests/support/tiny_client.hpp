// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <string>

namespace cofounder::test {

struct TcpAnswer {
  int status = 0;  // 0: nobody answered
  std::string body;
};

// One HTTP request to 127.0.0.1, on a connection of its own, for what answers with Content-Length or
// to the end of the connection; `headers` are whole lines.  Waits at most 10 s for each piece.
inline TcpAnswer tcp_call(int port, const std::string& method, const std::string& path,
                          const std::string& body = {}, const std::string& headers = {}) {
  TcpAnswer answer;
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const timeval limit{10, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  std::string text = method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + headers +
                     "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  if (::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
      ::send(descriptor, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size())) {
    text.clear();
    char piece[16384];
    for (ssize_t got = 0; (got = ::recv(descriptor, piece, sizeof piece, 0)) > 0;) {
      text.append(piece, static_cast<std::size_t>(got));
    }
    const auto end = text.find("\r\n\r\n");
    if (end != std::string::npos && text.size() > 12) {
      answer.status = std::atoi(text.c_str() + 9);
      answer.body = text.substr(end + 4);
    }
  }
  ::close(descriptor);
  return answer;
}

}  // namespace cofounder::test
