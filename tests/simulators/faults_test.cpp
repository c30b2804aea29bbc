// SPDX-License-Identifier: Apache-2.0
// The faults of the simulators' server, seen from the other end of a socket.
#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/simulators/http_server.hpp"

namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

constexpr auto deadline_s = 10;  // of a read; a test that hangs fails

class FaultsTest : public testing::Test {
 protected:
  simulator::HttpServer server{0, [](const simulator::Request& request) {
                                 simulator::Response response;
                                 response.body = "right answer to " + request.path;
                                 return response;
                               }};

  struct Socket {
    explicit Socket(std::uint16_t port) : fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
      sockaddr_in address{};
      address.sin_family = AF_INET;
      address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      address.sin_port = htons(port);
      const timeval limit{deadline_s, 0};
      ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
      if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) throw errno;
    }
    ~Socket() { ::close(fd); }
    int fd;
  };

  struct Seen {
    std::string text;
    int error = 0;  // of the last read
    std::size_t reads = 0;
  };

  // What comes until the connection ends, or until there are so many bytes.
  static Seen read_all(const Socket& socket, std::size_t bytes_max = 1u << 20) {
    Seen seen;
    char piece[65536];
    while (seen.text.size() < bytes_max) {
      const ssize_t got = ::recv(socket.fd, piece, sizeof piece, 0);
      if (got <= 0) {
        seen.error = got < 0 ? errno : 0;
        break;
      }
      ++seen.reads;
      seen.text.append(piece, static_cast<std::size_t>(got));
    }
    return seen;
  }
  Seen ask(const std::string& method, const std::string& path, const std::string& body = {}) {
    const Socket socket{server.port()};
    send(socket, method, path, body);
    return read_all(socket);
  }
  static void send(const Socket& socket, const std::string& method, const std::string& path,
                   const std::string& body = {}) {
    const std::string text = method + " " + path +
                             " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: " +
                             std::to_string(body.size()) + "\r\n\r\n" + body;
    ASSERT_EQ(::send(socket.fd, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  void inject(const Json& fault) {
    const Seen seen = ask("POST", "/_faults", Json{{"faults", {fault}}}.dump());
    ASSERT_TRUE(seen.text.starts_with("HTTP/1.1 200 ")) << seen.text;
  }
  Json log() {
    const std::string text = ask("GET", "/_requests").text;
    return Json::parse(text.substr(text.find("\r\n\r\n") + 4));
  }
  void expect_right(const std::string& path = "/a") {
    const Seen seen = ask("GET", path);
    EXPECT_TRUE(seen.text.starts_with("HTTP/1.1 200 ")) << seen.text;
    EXPECT_TRUE(seen.text.ends_with("\r\n\r\nright answer to " + path)) << seen.text;
  }
};

TEST_F(FaultsTest, NoneMeansTheRightAnswer) { expect_right(); }

TEST_F(FaultsTest, StatusForSoManyRequestsOfAPath) {
  inject({{"kind", "status"},
          {"status", 429},
          {"headers", {{"X-FeatureRateLimit-Reset", "soon"}}},
          {"body", "<html>"},
          {"content_type", "text/html"},
          {"count", 2},
          {"path", "/b"}});
  expect_right("/a");
  for (int i = 0; i < 2; ++i) {
    const Seen seen = ask("GET", "/x/b");
    EXPECT_TRUE(seen.text.starts_with("HTTP/1.1 429 ")) << seen.text;
    EXPECT_NE(seen.text.find("\r\nX-FeatureRateLimit-Reset: soon\r\n"), std::string::npos);
    EXPECT_NE(seen.text.find("\r\nContent-Type: text/html\r\n"), std::string::npos);
    EXPECT_TRUE(seen.text.ends_with("\r\n\r\n<html>"));
  }
  expect_right("/x/b");
  const Json entries = log();
  ASSERT_EQ(entries.size(), 4u);
  EXPECT_EQ(entries[1].at("status"), 429);
  EXPECT_TRUE(entries[0].at("fault").is_null());
  EXPECT_FALSE(entries[1].at("fault").is_null());
}

TEST_F(FaultsTest, Reset) {
  inject({{"kind", "reset"}});
  const Seen seen = ask("GET", "/a");
  EXPECT_EQ(seen.text, "");
  EXPECT_EQ(seen.error, ECONNRESET);
  expect_right();
}

TEST_F(FaultsTest, TruncateSendsHalf) {
  inject({{"kind", "truncate"}});
  const Seen seen = ask("GET", "/a");
  const auto body = seen.text.find("\r\n\r\n") + 4;
  EXPECT_EQ(seen.error, 0);
  EXPECT_NE(seen.text.find("Content-Length: 18\r\n"), std::string::npos) << seen.text;
  EXPECT_EQ(seen.text.substr(body), "right ans");
  expect_right();
}

TEST_F(FaultsTest, SilenceUntilTheClientGoesAway) {
  inject({{"kind", "silence"}});
  {
    const Socket socket{server.port()};
    send(socket, "GET", "/a");
    const timeval limit{0, 200'000};
    ::setsockopt(socket.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    const Seen seen = read_all(socket);
    EXPECT_EQ(seen.text, "");
    EXPECT_TRUE(seen.error == EAGAIN || seen.error == EWOULDBLOCK);
    expect_right();  // others are served meanwhile
  }
  // Its connection ends with the client's.
  for (const auto end = std::chrono::steady_clock::now() + 10s;;) {
    const std::string text = ask("GET", "/_connections").text;
    if (Json::parse(text.substr(text.find("\r\n\r\n") + 4)).at("open") == 0) break;
    ASSERT_LT(std::chrono::steady_clock::now(), end) << text;
  }
}

TEST_F(FaultsTest, DripSendsByteByByte) {
  inject({{"kind", "drip"}, {"milliseconds", 5}});
  const auto start = std::chrono::steady_clock::now();
  const Seen seen = ask("GET", "/a");
  EXPECT_TRUE(seen.text.ends_with("\r\n\r\nright answer to /a"));
  EXPECT_GE(std::chrono::steady_clock::now() - start, 18 * 5ms);
  EXPECT_GT(seen.reads, 2u);
}

TEST_F(FaultsTest, HugeHasNoEnd) {
  inject({{"kind", "huge"}});
  const Socket socket{server.port()};
  send(socket, "GET", "/a");
  EXPECT_GE(read_all(socket, 32u << 20).text.size(), 32u << 20);
}

TEST_F(FaultsTest, LatencyAnswersRightlyButLate) {
  inject({{"kind", "latency"}, {"milliseconds", 150}});
  const auto start = std::chrono::steady_clock::now();
  expect_right();
  EXPECT_GE(std::chrono::steady_clock::now() - start, 150ms);
}

TEST_F(FaultsTest, ForEverAndReplaced) {
  inject({{"kind", "status"}, {"status", 503}, {"count", -1}});
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(ask("GET", "/a").text.starts_with("HTTP/1.1 503 "));
  EXPECT_TRUE(ask("POST", "/_faults", R"({"faults": []})").text.starts_with("HTTP/1.1 200 "));
  expect_right();
}

TEST_F(FaultsTest, UnknownFaultsAreRefusedAndChangeNothing) {
  inject({{"kind", "status"}, {"status", 503}, {"count", -1}});
  for (const char* body :
       {"", "{}", "[]", R"({"faults": [{"kind": "flood"}]})", R"({"faults": [{}]})"}) {
    EXPECT_TRUE(ask("POST", "/_faults", body).text.starts_with("HTTP/1.1 400 ")) << body;
  }
  EXPECT_TRUE(ask("GET", "/a").text.starts_with("HTTP/1.1 503 "));
}

TEST_F(FaultsTest, RequestsThatAreNoHttpAreRefused) {
  for (const char* text :
       {"GET /a HTTP/1.0\r\nHost: x\r\n\r\n", "GET /a\r\n\r\n", "GET a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a HTTP/1.1\r\n\r\n", "GET /a HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
        "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    SCOPED_TRACE(text);
    const Socket socket{server.port()};
    const std::string_view bytes{text};
    ASSERT_EQ(::send(socket.fd, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    EXPECT_TRUE(read_all(socket).text.starts_with("HTTP/1.1 400 "));
  }
}

}  // namespace
