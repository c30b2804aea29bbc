// SPDX-License-Identifier: Apache-2.0
#include "tests/http/server_fixture.hpp"

#include <netinet/in.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

namespace cofounder::test {
namespace {

using http::Responder;
using http::ServerRequest;
using http::ServerResponse;

void echo_now(ServerRequest request, Responder responder) { responder.send(echo(request)); }

TEST_F(ServerTest, AnswersAndKeepsTheConnection) {
  serve(&echo_now);
  HttpPeer peer{path_};
  for (int i = 0; i < 3; ++i) {
    const auto response = peer.request("GET", "/a%20b?x=1%2B1&y=a+b&flag");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "GET /a b x=1+1 y=a b flag=");
    EXPECT_EQ(response.headers.at("content-type"), "text/plain");
    EXPECT_TRUE(response.headers.contains("date"));
  }
  EXPECT_EQ(on_loop([this] { return server_->connections(); }), 1);
}

TEST_F(ServerTest, PipelinedRequestsAreAnsweredInOrder) {
  std::vector<Responder> waiting;
  serve([&](ServerRequest request, Responder responder) {
    if (request.path != "/slow") return responder.send(echo(request));
    waiting.push_back(std::move(responder));
  });
  HttpPeer peer{path_};
  std::string text;
  for (int i = 0; i < 100; ++i) {
    text += "POST /" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    if (i == 50) text += "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n";
  }
  ASSERT_TRUE(peer.send(text));
  for (int i = 0; i <= 50; ++i)
    EXPECT_EQ(peer.response().body, "POST /" + std::to_string(i) + "\nabc");
  ASSERT_TRUE(becomes([&] { return waiting.size() == 1; }));
  on_loop([&] { waiting[0].send({.status = 204, .body = ""}); });
  EXPECT_EQ(peer.response(true).status, 204);
  for (int i = 51; i < 100; ++i)
    EXPECT_EQ(peer.response().body, "POST /" + std::to_string(i) + "\nabc");
}

TEST_F(ServerTest, ByteByByte) {
  serve(&echo_now);
  HttpPeer peer{path_};
  const std::string text =
      "\r\nPOST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3;note=1\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: 1\r\n\r\n";
  for (const char c : text) ASSERT_TRUE(peer.send({&c, 1}));
  EXPECT_EQ(peer.response().body, "POST /x\nabc0123456789abcdef");
  EXPECT_EQ(peer.request("GET", "/again").body, "GET /again");
}

TEST_F(ServerTest, HeadHasTheLengthButNoBody) {
  serve(&echo_now);
  HttpPeer peer{path_};
  const auto response = peer.request("HEAD", "/x");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.headers.at("content-length"), "7");
  EXPECT_EQ(peer.request("GET", "/y").body, "GET /y");
}

TEST_F(ServerTest, ExpectContinue) {
  serve(&echo_now);
  HttpPeer peer{path_};
  peer.send("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(peer.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  peer.send("body");
  EXPECT_EQ(peer.response().body, "PUT /x\nbody");
}

TEST_F(ServerTest, ConnectionCloseAndHttp10) {
  serve(&echo_now);
  {
    HttpPeer peer{path_};
    const auto response = peer.request("GET", "/", {}, "Connection: close\r\n");
    EXPECT_EQ(response.headers.at("connection"), "close");
    EXPECT_EQ(peer.receive(), std::nullopt);
  }
  HttpPeer peer{path_};
  peer.send("GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(peer.response().body, "GET /old");
  EXPECT_EQ(peer.receive(), std::nullopt);
}

TEST_F(ServerTest, HalfClosedClientGetsItsAnswers) {
  std::vector<Responder> waiting;
  serve([&](ServerRequest, Responder responder) { waiting.push_back(std::move(responder)); });
  HttpPeer peer{path_};
  peer.send("GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n");
  peer.end_sending();
  ASSERT_TRUE(becomes([&] { return waiting.size() == 1; }));
  on_loop([&] { waiting[0].send({.body = "one"}); });
  EXPECT_EQ(peer.response().body, "one");
  ASSERT_TRUE(becomes([&] { return waiting.size() == 2; }));
  on_loop([&] { waiting[1].send({.body = "two"}); });
  EXPECT_EQ(peer.response().body, "two");
  EXPECT_EQ(peer.receive(), std::nullopt);
}

TEST_F(ServerTest, TellsWhenTheClientIsGone) {
  std::optional<Responder> waiting;
  bool gone = false;
  serve([&](ServerRequest, Responder responder) {
    responder.on_gone([&] { gone = true; });
    waiting.emplace(std::move(responder));
  });
  HttpPeer peer{path_};
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(becomes([&] { return waiting.has_value(); }));
  EXPECT_FALSE(on_loop([&] { return waiting->is_gone(); }));
  peer.close();
  EXPECT_TRUE(becomes([&] { return gone; }));
  on_loop([&] {
    EXPECT_TRUE(waiting->is_gone());
    waiting->send({});  // nobody is there: nothing happens
    waiting.reset();
  });
  EXPECT_EQ(on_loop([this] { return server_->connections(); }), 0);
}

TEST_F(ServerTest, HalfClosedClientThatGoesAwayIsNoticed) {
  std::optional<Responder> waiting;
  bool gone = false;
  serve([&](ServerRequest, Responder responder) {
    responder.on_gone([&] { gone = true; });
    waiting.emplace(std::move(responder));
  });
  HttpPeer peer{path_};
  peer.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  peer.end_sending();
  ASSERT_TRUE(becomes([&] { return waiting.has_value(); }));
  peer.close();
  EXPECT_TRUE(becomes([&] { return gone; }));
}

TEST_F(ServerTest, UnansweredRequestIs500) {
  serve([](ServerRequest, Responder) {});
  HttpPeer peer{path_};
  const auto response = peer.request("GET", "/");
  EXPECT_EQ(response.status, 500);
  EXPECT_NE(response.body.find("\"internal_error\""), std::string::npos);
}

TEST_F(ServerTest, StreamIsChunkedAndTheConnectionLivesOn) {
  serve([&](ServerRequest request, Responder responder) {
    if (request.path != "/stream") return responder.send(echo(request));
    responder.begin_stream({.content_type = "text/event-stream", .headers = {{"X-A", "b"}}});
    EXPECT_TRUE(responder.write("first"));
    EXPECT_TRUE(responder.write(std::string(20, 'x')));
    responder.end_stream();
  });
  HttpPeer peer{path_};
  const auto response = peer.request("GET", "/stream");
  EXPECT_EQ(response.headers.at("transfer-encoding"), "chunked");
  EXPECT_EQ(response.headers.at("x-a"), "b");
  EXPECT_EQ(response.body, "first" + std::string(20, 'x'));
  EXPECT_EQ(peer.request("GET", "/next").body, "GET /next");
  HttpPeer old{path_};
  old.send("GET /stream HTTP/1.0\r\n\r\n");
  const std::string text = old.receive_all();
  EXPECT_TRUE(text.ends_with("\r\n\r\nfirst" + std::string(20, 'x'))) << text;
  const auto head = peer.request("HEAD", "/stream");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(peer.request("GET", "/next").body, "GET /next");
}

TEST_F(ServerTest, AnswerHeadersCannotBreakOut) {
  serve([&](ServerRequest, Responder responder) {
    responder.send(
        {.body = "b",
         .headers = {{"X-Bad", "a\r\nX-Injected: 1"}, {"Content-Length", "99"}, {"X-Good", "1"}}});
  });
  HttpPeer peer{path_};
  const auto response = peer.request("GET", "/");
  EXPECT_FALSE(response.headers.contains("x-injected"));
  EXPECT_FALSE(response.headers.contains("x-bad"));
  EXPECT_EQ(response.headers.at("x-good"), "1");
  EXPECT_EQ(response.body, "b");
}

TEST_F(ServerTest, StopAnswersWhatIsInFlight) {
  std::optional<Responder> waiting;
  serve([&](ServerRequest request, Responder responder) {
    if (request.path == "/now") return responder.send({});
    waiting.emplace(std::move(responder));
  });
  HttpPeer idle{path_};
  idle.request("GET", "/now");
  HttpPeer fresh{path_};
  HttpPeer busy{path_};
  busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(becomes([&] { return waiting.has_value() && server_->connections() == 3; }));
  std::promise<void> stopped;
  on_loop([&] { server_->stop(Milliseconds{20'000}, [&] { stopped.set_value(); }); });
  EXPECT_EQ(idle.receive(), std::nullopt);
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_THROW(HttpPeer{path_}, std::runtime_error);
  on_loop([&] { waiting->send({.body = "late"}); });
  const auto response = busy.response();
  EXPECT_EQ(response.body, "late");
  EXPECT_EQ(response.headers.at("connection"), "close");
  busy.close();
  // Accepted before the stop, asks after it.
  EXPECT_EQ(fresh.request("GET", "/now").status, 200);
  fresh.close();
  stopped.get_future().get();
}

TEST_F(ServerTest, StopGraceEnds) {
  std::optional<Responder> waiting;
  bool gone = false;
  serve([&](ServerRequest, Responder responder) {
    responder.on_gone([&] { gone = true; });
    waiting.emplace(std::move(responder));
  });
  HttpPeer busy{path_};
  busy.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(becomes([&] { return waiting.has_value(); }));
  std::promise<void> stopped;
  on_loop([&] { server_->stop(Milliseconds{20}, [&] { stopped.set_value(); }); });
  stopped.get_future().get();
  EXPECT_TRUE(on_loop([&] { return gone; }));
  EXPECT_EQ(busy.receive(), std::nullopt);
}

TEST_F(ServerTest, KnowsTheLocalPeer) {
  std::promise<http::Peer> seen;
  serve([&](ServerRequest request, Responder responder) {
    seen.set_value(request.peer);
    responder.send({});
  });
  HttpPeer peer{path_};
  peer.request("GET", "/");
  const auto who = seen.get_future().get();
  EXPECT_TRUE(who.is_local);
  EXPECT_EQ(who.uid, ::getuid());
  EXPECT_NE(std::find(who.groups.begin(), who.groups.end(), ::getgid()), who.groups.end());
}

TEST_F(ServerTest, SocketFileModeAndStaleFile) {
  serve(&echo_now);
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  on_loop([&] {
    http::Server second{loop_, {}, {nullptr, &echo_now}};
    EXPECT_THROW(second.listen_unix(path_, 0600, static_cast<gid_t>(-1)), std::system_error);
    EXPECT_THROW(second.listen_unix(folder_, 0600, static_cast<gid_t>(-1)), std::system_error);
    EXPECT_THROW(second.listen_unix(std::string(120, 'x'), 0600, static_cast<gid_t>(-1)),
                 std::system_error);
  });
  // A socket file that nobody listens on any more.
  const auto stale = folder_ / "stale.sock";
  const int old = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, stale.c_str());
  ASSERT_EQ(::bind(old, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  ::close(old);
  on_loop([&] { server_->listen_unix(stale, 0660, ::getgid()); });
  HttpPeer peer{stale};
  EXPECT_EQ(peer.request("GET", "/").status, 200);
}

TEST_F(ServerTest, TcpListener) {
  std::promise<http::Peer> seen;
  serve([&](ServerRequest request, Responder responder) {
    seen.set_value(request.peer);
    responder.send(echo(request));
  });
  const auto port = on_loop([&] { return server_->listen_tcp("127.0.0.1:0"); });
  const int client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string_view text =
      "GET http://example.org/proxied HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
  ASSERT_EQ(::send(client, text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  std::string answer(4096, '\0');
  answer.resize(static_cast<std::size_t>(::recv(client, answer.data(), answer.size(), 0)));
  EXPECT_TRUE(answer.ends_with("GET /proxied")) << answer;
  const auto who = seen.get_future().get();
  EXPECT_FALSE(who.is_local);
  EXPECT_EQ(who.address, "127.0.0.1");
  ::close(client);
  on_loop([&] {
    EXPECT_THROW(server_->listen_tcp("127.0.0.1"), std::system_error);
    EXPECT_THROW(server_->listen_tcp("nowhere:80"), std::system_error);
    EXPECT_THROW(server_->listen_tcp("127.0.0.1:99999"), std::system_error);
  });
}

TEST_F(ServerTest, ListensOnAnAdoptedDescriptor) {
  serve(&echo_now);
  const auto other = folder_ / "activated.sock";
  const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, other.c_str());
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  on_loop([&] { EXPECT_THROW(server_->listen_descriptor(listener), std::system_error); });
  ASSERT_EQ(::listen(listener, 5), 0);
  on_loop([&] { server_->listen_descriptor(listener); });
  HttpPeer peer{other};
  EXPECT_EQ(peer.request("GET", "/").status, 200);
}

}  // namespace
}  // namespace cofounder::test
