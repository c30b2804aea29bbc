// SPDX-License-Identifier: Apache-2.0
#include "tests/http/server_fixture.hpp"

namespace cofounder::test {
namespace {

using http::BodySink;
using http::Responder;
using http::ServerHandler;
using http::ServerRequest;
using http::ServerResponse;

void echo_now(ServerRequest request, Responder responder) { responder.send(echo(request)); }

TEST_F(ServerTest, HeaderFloodIs431) {
  serve(&echo_now);
  HttpPeer peer{path_};
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n");
  const std::string line = "X-Flood: " + std::string(1000, 'y') + "\r\n";
  for (int i = 0; i < 100 && peer.send(line); ++i) {
  }
  const auto response = peer.response();
  EXPECT_EQ(response.status, 431);
  EXPECT_NE(response.body.find("\"header_too_big\""), std::string::npos);
  HttpPeer long_line{path_};
  long_line.send("GET /" + std::string(60'000, 'a') + " HTTP/1.1\r\n\r\n");
  EXPECT_EQ(long_line.response().status, 431);
  HttpPeer fits{path_};
  EXPECT_EQ(fits.request("GET", "/" + std::string(30'000, 'a')).status, 200);
}

TEST_F(ServerTest, MalformedRequestsAre400) {
  serve(&echo_now);
  for (const std::string text :
       {"GARBAGE\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", "GET /?a=%f HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET x HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1\r\nHost x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"}) {
    HttpPeer peer{path_};
    peer.send(text);
    EXPECT_EQ(peer.response().status, 400) << text;
    EXPECT_EQ(peer.receive(), std::nullopt);
  }
  HttpPeer future{path_};
  future.send("GET / HTTP/2.0\r\nHost: x\r\n\r\n");
  EXPECT_EQ(future.response().status, 505);
}

TEST_F(ServerTest, HundredMegabyteBodyIs413) {
  serve(&echo_now, {.body_bytes_max = 1u << 20});
  HttpPeer peer{path_};
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n");
  const std::string block(1u << 20, 'b');
  for (int i = 0; i < 100 && peer.send(block); ++i) {  // all of it; nobody has to break the pipe
  }
  const auto response = peer.response();
  EXPECT_EQ(response.status, 413);
  EXPECT_NE(response.body.find("\"body_too_big\""), std::string::npos);
}

TEST_F(ServerTest, ChunkedBodyOverTheLimitIs413) {
  serve(&echo_now, {.body_bytes_max = 1000});
  HttpPeer peer{path_};
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 3; ++i) peer.send("190\r\n" + std::string(400, 'c') + "\r\n");
  EXPECT_EQ(peer.response().status, 413);
}

TEST_F(ServerTest, PlanRefusesBeforeTheBody) {
  serve(ServerHandler{[](const ServerRequest& head) {
                        ServerHandler::Plan plan;
                        if (head.path == "/no") {
                          plan.refusal = {403, make_error("denied", "no")};
                        }
                        plan.body_bytes_max = 10;
                        return plan;
                      },
                      &echo_now});
  HttpPeer peer{path_};
  peer.send("POST /no HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n");
  EXPECT_EQ(peer.response().status, 403);  // without 100 Continue before it
  HttpPeer small{path_};
  EXPECT_EQ(small.request("POST", "/yes", "0123456789").status, 200);
  EXPECT_EQ(small.request("POST", "/yes", "0123456789x").status, 413);
}

TEST_F(ServerTest, BodySinkTakesALargeBody) {
  std::uint64_t got = 0;
  int dropped = 0;
  struct Guard {
    int* counter;
    explicit Guard(int* c) : counter{c} {}
    Guard(Guard&& other) noexcept : counter{std::exchange(other.counter, nullptr)} {}
    ~Guard() {
      if (counter != nullptr) ++*counter;
    }
  };
  serve(ServerHandler{[&](const ServerRequest& head) {
                        ServerHandler::Plan plan;
                        const bool fails = head.path == "/full";
                        plan.sink = BodySink{100u << 20,
                                             [&got, fails, guard = Guard{&dropped}](
                                                 std::string_view piece) -> std::optional<Error> {
                                               got += piece.size();
                                               if (fails && got > 1000)
                                                 return make_error("disk_full", "full", true);
                                               return std::nullopt;
                                             }};
                        return plan;
                      },
                      [&](ServerRequest request, Responder responder) {
                        EXPECT_TRUE(request.body.empty());
                        responder.send({.body = std::to_string(got)});
                      }});
  HttpPeer peer{path_};
  EXPECT_EQ(peer.request("POST", "/x", std::string(50u << 20, 'x')).body,
            std::to_string(50u << 20));
  got = 0;
  EXPECT_EQ(peer.request("POST", "/full", std::string(1u << 20, 'x')).status, 507);
  HttpPeer vanishing{path_};
  vanishing.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc");
  ASSERT_TRUE(becomes([&] { return server_->connections() >= 1 && got >= 3; }));
  vanishing.close();
  EXPECT_TRUE(becomes([&] { return dropped == 3; }));
}

TEST_F(ServerTest, SlowHeadersTimeOut) {
  serve(&echo_now, {.header_timeout = Milliseconds{50}});
  HttpPeer peer{path_};
  peer.send("GET / HTTP/1.1\r\nHo");
  EXPECT_EQ(peer.response().status, 408);
  EXPECT_EQ(peer.receive(), std::nullopt);
}

TEST_F(ServerTest, SilentBodyTimesOut) {
  serve(&echo_now, {.body_timeout = Milliseconds{50}});
  HttpPeer peer{path_};
  peer.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  EXPECT_EQ(peer.response().status, 408);
}

TEST_F(ServerTest, IdleConnectionsAreClosed) {
  serve(&echo_now, {.idle_timeout = Milliseconds{50}});
  HttpPeer peer{path_};
  EXPECT_EQ(peer.request("GET", "/").status, 200);
  EXPECT_EQ(peer.receive(), std::nullopt);
  HttpPeer silent{path_};
  EXPECT_EQ(silent.receive(), std::nullopt);
}

TEST_F(ServerTest, ClientThatStopsReadingIsClosed) {
  bool gone = false;
  serve(
      [&](ServerRequest, Responder responder) {
        responder.on_gone([&] { gone = true; });
        responder.send({.body = std::string(8u << 20, 'z')});
      },
      {.body_timeout = Milliseconds{50}});
  HttpPeer peer{path_};
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(becomes([&] { return gone; }));
  EXPECT_EQ(on_loop([this] { return server_->connections(); }), 0);
}

TEST_F(ServerTest, LargeAnswerArrivesWhole) {
  serve([&](ServerRequest, Responder responder) {
    std::string body(8u << 20, 'z');
    body += "end";
    responder.send({.body = std::move(body)});
  });
  HttpPeer peer{path_};
  for (int i = 0; i < 2; ++i) {
    const auto body = peer.request("GET", "/").body;
    EXPECT_EQ(body.size(), (8u << 20) + 3);
    EXPECT_TRUE(body.ends_with("zend"));
  }
}

TEST_F(ServerTest, SlowReaderOfAStreamIsHeldBackAndDrains) {
  std::optional<Responder> stream;
  int drained = 0;
  serve([&](ServerRequest, Responder responder) {
    responder.begin_stream({});
    responder.on_drain([&] { ++drained; });
    stream.emplace(std::move(responder));
  });
  HttpPeer peer{path_};
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(becomes([&] { return stream.has_value(); }));
  const std::string piece(64u << 10, 's');
  std::size_t written = 0;
  ASSERT_TRUE(becomes([&] {
    written += piece.size();
    return !stream->write(piece);
  }));
  EXPECT_EQ(on_loop([&] { return drained; }), 0);
  peer.receive_until("\r\n\r\n");
  std::size_t got = 0;
  while (got < written) got += peer.chunk()->size();
  EXPECT_TRUE(becomes([&] { return drained == 1; }));
  on_loop([&] { stream->end_stream(); });
  EXPECT_EQ(peer.chunk(), std::nullopt);
}

TEST_F(ServerTest, StreamThatNobodyReadsIsCutAtOneMegabyte) {
  std::optional<Responder> stream;
  bool gone = false;
  serve([&](ServerRequest, Responder responder) {
    responder.on_gone([&] { gone = true; });
    responder.begin_stream({});
    stream.emplace(std::move(responder));
  });
  HttpPeer peer{path_};
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(becomes([&] { return stream.has_value(); }));
  const std::string piece(64u << 10, 's');
  std::size_t written = 0;
  ASSERT_TRUE(becomes([&] {
    stream->write(piece);
    written += piece.size();
    return stream->is_gone();
  }));
  EXPECT_LT(written, 3u << 20);
  EXPECT_TRUE(becomes([&] { return gone; }));
}

TEST_F(ServerTest, TooManyConnections) {
  serve(&echo_now, {.connections_max = 2});
  HttpPeer first{path_};
  HttpPeer second{path_};
  EXPECT_EQ(first.request("GET", "/").status, 200);
  EXPECT_EQ(second.request("GET", "/").status, 200);
  HttpPeer third{path_};
  const auto response = third.response();
  EXPECT_EQ(response.status, 503);
  EXPECT_NE(response.body.find("\"too_many_connections\""), std::string::npos);
  second.close();
  ASSERT_TRUE(becomes([this] { return server_->connections() == 1; }));
  HttpPeer fourth{path_};
  EXPECT_EQ(fourth.request("GET", "/").status, 200);
}

TEST_F(ServerTest, ClientThatSendsAheadForeverIsHeldBack) {
  std::optional<Responder> waiting;
  serve([&](ServerRequest request, Responder responder) {
    if (request.path == "/") return responder.send(echo(request));
    waiting.emplace(std::move(responder));
  });
  HttpPeer peer{path_};
  peer.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(becomes([&] { return waiting.has_value(); }));
  int sent = 0;
  std::thread sender{[&] {
    for (; sent < 20'000 && peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"); ++sent) {
    }
  }};
  on_loop([&] { waiting->send({.body = "slow"}); });
  EXPECT_EQ(peer.response().body, "slow");
  for (int i = 0; i < 20'000; ++i) ASSERT_EQ(peer.response().body, "GET /");
  sender.join();
}

}  // namespace
}  // namespace cofounder::test
