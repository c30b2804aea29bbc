// SPDX-License-Identifier: Apache-2.0
// Streamed answers of the simulators' servers: how they end, and that one thread serves many.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/simulators/event_server.hpp"
#include "tests/simulators/http_server.hpp"

namespace {

using Steady = std::chrono::steady_clock;

constexpr int pieces = 4;

simulator::Response counting(int interval_ms) {
  simulator::Response response;
  response.interval_ms = interval_ms;
  response.stream = [next = 0]() mutable -> std::optional<std::string> {
    if (next == pieces) return std::nullopt;
    return "piece " + std::to_string(next++) + ";";
  };
  return response;
}

int connect_to(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  return fd;
}

void send_text(int fd, const std::string& text) {
  EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

std::string post(const std::string& path, const std::string& body) {
  return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Until `end` came, or the other side closed.
std::string read_until(int fd, const std::string& end) {
  std::string text;
  char piece[4096];
  while (text.find(end) == std::string::npos) {
    const ssize_t got = ::recv(fd, piece, sizeof piece, 0);
    if (got <= 0) return text + "<closed>";
    text.append(piece, static_cast<std::size_t>(got));
  }
  return text;
}

TEST(Streams, EndAsAFaultSays) {
  simulator::HttpServer server{0, [](const simulator::Request&) { return counting(0); }};
  const auto with = [&](const std::string& fault) {
    const int fd = connect_to(server.port());
    send_text(fd, post("/_faults", R"({"faults":[)" + fault + "]}"));
    read_until(fd, "{}");
    send_text(fd, post("/", ""));
    const std::string text = read_until(fd, "0\r\n\r\n");
    ::close(fd);
    return text;
  };
  const auto whole = with("");
  EXPECT_NE(whole.find("piece 3;"), std::string::npos);
  const auto cut = with(R"({"kind":"stream_end","pieces":2,"body":"last"})");
  EXPECT_NE(cut.find("piece 1;\r\n4\r\nlast\r\n0\r\n\r\n"), std::string::npos) << cut;
  const auto broken = with(R"({"kind":"stream_break","pieces":2})");
  EXPECT_TRUE(broken.ends_with("piece 1;\r\n<closed>")) << broken;
  EXPECT_NE(with(R"({"kind":"content_type","content_type":"text/odd"})").find("Content-Type: text/odd"), std::string::npos);
}

TEST(Streams, OneThreadServesManyInTime) {
  constexpr int clients = 200;
  constexpr int interval_ms = 50;
  simulator::EventServer server{0, [](const simulator::Request& request) {
                                  if (request.path == "/whole") {
                                    simulator::Response response;
                                    response.body = request.body;
                                    return response;
                                  }
                                  return counting(interval_ms);
                                }};
  std::vector<int> sockets;
  for (int i = 0; i < clients; ++i) sockets.push_back(connect_to(server.port()));
  const auto begin = Steady::now();
  for (const int fd : sockets) send_text(fd, post("/", "abc"));
  for (const int fd : sockets) {
    const std::string text = read_until(fd, "0\r\n\r\n");
    EXPECT_NE(text.find("piece 0;"), std::string::npos);
    EXPECT_NE(text.find("piece 3;"), std::string::npos) << text;
  }
  EXPECT_GE(Steady::now() - begin, std::chrono::milliseconds{(pieces - 1) * interval_ms});
  // The connections are used again; a request may come in two halves.
  const std::string request = post("/whole", "hello there");
  for (const int fd : sockets) {
    send_text(fd, request.substr(0, 20));
    send_text(fd, request.substr(20));
    EXPECT_TRUE(read_until(fd, "there").ends_with("hello there"));
    ::close(fd);
  }
}

}  // namespace
