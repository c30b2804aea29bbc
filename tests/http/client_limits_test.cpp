// SPDX-License-Identifier: Apache-2.0
#include "tests/http/client_fixture.hpp"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <atomic>
#include <vector>

namespace cofounder::test {
namespace {

using http::Client;
using http::ClientRequest;

constexpr const char* ok_head = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";

std::string gzip(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

TEST_F(ClientTest, EndsATryAtItsTotalLimitWhateverArrives) {
  std::atomic<int> pieces{0};
  TinyHttpServer server{[&](TinyConnection& connection) {
    while (connection.read()) {
      connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
      for (int i = 0; i < 5; ++i, ++pieces) connection.send("x");
      connection.wait_closed();
    }
  }};
  auto request = get(server.url());
  request.total_timeout = 10s;
  const auto answer = start(std::move(request));
  ASSERT_TRUE(wait([&] { return answer->body.size() == 5; }));

  clock.advance(9'999ms);
  settle();
  EXPECT_FALSE(answer->is_over());
  clock.advance(1ms);
  ASSERT_TRUE(wait([&] { return answer->is_over(); }));
  EXPECT_EQ(answer->code(), "timed_out");
  EXPECT_NE(answer->error->message.find("10s"), std::string::npos) << answer->error->message;
}

TEST_F(ClientTest, EndsATryAfterSilenceButNotWhileBytesDrip) {
  std::atomic<int> asked{0};
  TinyHttpServer server{[&](TinyConnection& connection) {
    connection.read();
    connection.send(ok_head);
    for (int sent = 0; sent < 5;) {
      if (asked > sent) {
        connection.send("x");
        ++sent;
      }
      std::this_thread::yield();
    }
    connection.wait_closed();
  }};
  auto request = get(server.url());
  request.idle_timeout = 10s;
  const auto answer = start(std::move(request));
  for (std::size_t i = 1; i <= 5; ++i) {
    ++asked;
    ASSERT_TRUE(wait([&] { return answer->body.size() == i; }));
    clock.advance(9s);
    settle();
    ASSERT_FALSE(answer->is_over()) << "a byte each nine seconds is no silence";
  }
  clock.advance(1s);
  ASSERT_TRUE(wait([&] { return answer->is_over(); }));
  EXPECT_EQ(answer->code(), "timed_out");
  EXPECT_FALSE(answer->error->retryable && answer->body.empty());
}

TEST_F(ClientTest, TakesAServerThatNeverReadsForSilent) {
  std::atomic<bool> stop{false};
  TinyHttpServer server{[&](TinyConnection&) {
    while (!stop) std::this_thread::yield();
  }};
  auto request = post(server.url(), std::string(64 << 20, 'x'));
  request.tries_max = 1;
  const auto answer = start(std::move(request));
  ASSERT_TRUE(wait([&] { return server.connections() == 1; }));
  settle();
  clock.advance(60s);
  ASSERT_TRUE(wait([&] { return answer->is_over(); }));
  EXPECT_EQ(answer->code(), "timed_out");
  EXPECT_FALSE(answer->error->retryable) << "a POST that may have been processed";
  stop = true;
}

TEST_F(ClientTest, TriesAgainAfterATimeOutWhenThatIsSafe) {
  std::atomic<int> requests{0};
  TinyHttpServer server{[&](TinyConnection& connection) {
    connection.read();
    if (++requests == 3) connection.answer(200, "at last");
    connection.wait_closed();
  }};
  auto request = get(server.url());
  request.idle_timeout = 2s;
  const auto answer = start(std::move(request));
  for (int i = 1; i < 3; ++i) {
    ASSERT_TRUE(wait([&] { return requests == i; }));
    settle();
    while (client().counters()["test"].retries < static_cast<std::uint64_t>(i)) {
      clock.advance(100ms);
      settle();
    }
    clock.advance(1s);  // the longest wait before the third try
  }
  ASSERT_TRUE(wait([&] { return answer->is_over(); }));
  EXPECT_EQ(answer->body, "at last");
}

TEST_F(ClientTest, EndsWhatCannotConnectInTime) {
  // A listener whose queue is full does not answer: the connection is never made.
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(::listen(listener, 0), 0);
  ASSERT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), 0);
  std::vector<int> fillers;
  for (int i = 0; i < 4; ++i) {
    fillers.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    ::connect(fillers.back(), reinterpret_cast<sockaddr*>(&address), size);
  }
  auto request = post("http://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/", "x");
  request.connect_timeout = 3s;
  request.tries_max = 1;
  const auto answer = start(std::move(request));
  settle();
  clock.advance(2'999ms);
  settle();
  EXPECT_FALSE(answer->is_over());
  clock.advance(1ms);
  ASSERT_TRUE(wait([&] { return answer->is_over(); }));
  EXPECT_EQ(answer->code(), "timed_out");
  EXPECT_TRUE(answer->error->retryable) << "it was never sent";
  for (const int filler : fillers) ::close(filler);
  ::close(listener);
}

TEST_F(ClientTest, LimitsTheAnswerAfterUnpacking) {
  const std::string body(1'000'000, 'z');
  const std::string packed = gzip(body);
  ASSERT_LT(packed.size(), 10'000u);
  TinyHttpServer server{TinyHttpServer::each([&](TinyConnection& to, const TinyRequest&) {
    to.answer(200, packed, "Content-Encoding: gzip\r\n");
  })};
  auto fits = get(server.url());
  fits.response_bytes_max = body.size();
  EXPECT_EQ(ask(std::move(fits))->body, body);

  auto too_big = get(server.url());
  too_big.response_bytes_max = body.size() - 1;
  const auto answer = ask(std::move(too_big));
  EXPECT_EQ(answer->code(), "response_too_big");
  EXPECT_FALSE(answer->error->retryable);
  EXPECT_LT(answer->body.size(), body.size());
}

TEST_F(ClientTest, CancelsInEveryPhaseAndEndsOnce) {
  std::atomic<int> requests{0};
  TinyHttpServer server{[&](TinyConnection& connection) {
    while (const auto request = connection.read()) {
      ++requests;
      if (request->target == "/503") {
        connection.answer(503, "");
      } else {
        connection.send(ok_head);
        connection.send("x");
        connection.wait_closed();
      }
    }
  }};
  options.connections_per_host_max = 2;
  const auto cancel = [&](Client::Handle id, const std::shared_ptr<Answer>& answer) {
    client().cancel(id);
    client().cancel(id);
    EXPECT_EQ(answer->ends, 0) << "not from inside cancel()";
    ASSERT_TRUE(wait([&] { return answer->is_over(); }));
    settle();
    EXPECT_EQ(answer->ends, 1);
    EXPECT_EQ(answer->code(), "cancelled");
    client().cancel(id);
  };

  auto fresh = std::make_shared<Answer>();
  cancel(start(get(server.url()), fresh), fresh);

  auto running = std::make_shared<Answer>();
  const auto running_id = start(get(server.url()), running);
  auto paused = std::make_shared<Answer>();
  paused->after_body = [] { return false; };
  const auto paused_id = start(get(server.url()), paused);
  auto waiting = std::make_shared<Answer>();
  const auto waiting_id = start(get(server.url()), waiting);
  ASSERT_TRUE(wait([&] { return running->body == "x" && paused->body == "x"; }));
  cancel(waiting_id, waiting);
  EXPECT_EQ(waiting->heads, 0);
  cancel(running_id, running);
  cancel(paused_id, paused);

  auto sleeping = std::make_shared<Answer>();
  const auto sleeping_id = start(get(server.url("/503")), sleeping);
  ASSERT_TRUE(wait([&] { return client().counters()["test"].retries == 1; }));
  cancel(sleeping_id, sleeping);
  EXPECT_EQ(client().counters()["test"].active, 0);
  EXPECT_EQ(clock.timers(), 0u);
}

TEST_F(ClientTest, MayBeCancelledFromItsOwnCallbacks) {
  TinyHttpServer server{TinyHttpServer::each(
      [](TinyConnection& to, const TinyRequest&) { to.answer(200, std::string(100'000, 'x')); })};
  for (const bool at_head : {true, false}) {
    int ends = 0;
    int bodies = 0;
    std::string code;
    Client::Handle id = 0;
    http::ResponseHandler handler;
    handler.on_head = [&](const http::ResponseHead&) {
      if (at_head) client().cancel(id);
    };
    handler.on_body = [&](std::string_view) {
      ++bodies;
      client().cancel(id);
      return true;
    };
    handler.on_end = [&](std::optional<Error> error) {
      ++ends;
      code = error ? error->code : "";
    };
    id = client().start(get(server.url()), std::move(handler));
    ASSERT_TRUE(wait([&] { return ends > 0; }));
    settle();
    EXPECT_EQ(ends, 1);
    EXPECT_EQ(bodies, at_head ? 0 : 1);
    EXPECT_EQ(code, "cancelled");
  }
}

TEST_F(ClientTest, MayBeClosedAndAskedFromInsideACallback) {
  TinyHttpServer server{TinyHttpServer::each(
      [](TinyConnection& to, const TinyRequest&) { to.answer(200, std::string(100'000, 'x')); })};
  const auto other = start(get(server.url()));
  auto second = std::make_shared<Answer>();
  auto first = std::make_shared<Answer>();
  first->after_body = [&] {
    if (second->ends == 0 && client().counters()["test"].started == 2) {
      start(get(server.url()), second);
      EXPECT_GE(client().close(), 1);
    }
    return true;
  };
  start(get(server.url()), first);
  ASSERT_TRUE(wait([&] { return first->is_over() && second->is_over() && other->is_over(); }));
  settle();
  EXPECT_EQ(first->code(), "cancelled");
  EXPECT_EQ(second->code(), "cancelled");
  EXPECT_EQ(client().open_connections(), 0);
  EXPECT_EQ(ask(get(server.url()))->code(), "cancelled");
}

TEST_F(ClientTest, CallsNobodyOnceItIsDestroyed) {
  TinyHttpServer server{[](TinyConnection& connection) {
    while (connection.read()) {
      connection.send(ok_head);
      connection.send("x");
      connection.wait_closed();
    }
  }};
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 20; ++i) answers.push_back(start(get(server.url())));
  answers.push_back(start(get("nonsense")));
  ASSERT_TRUE(wait([&] { return answers.front()->body == "x"; }));
  answers.push_back(start(get("nonsense")));
  answers.push_back(start(get(server.url())));
  const int before = answers[20]->ends;

  destroy_client();
  settle();

  for (std::size_t i = 0; i < 20; ++i) EXPECT_EQ(answers[i]->ends, 0);
  EXPECT_EQ(answers[20]->ends, before);
  EXPECT_EQ(answers[21]->ends, 0);
  EXPECT_EQ(answers[22]->ends, 0);
  EXPECT_EQ(clock.timers(), 0u);
}

TEST_F(ClientTest, MayBeDestroyedByOnEnd) {
  TinyHttpServer server{
      TinyHttpServer::each([](TinyConnection& to, const TinyRequest&) { to.answer(200, "x"); })};
  int ends = 0;
  for (int i = 0; i < 3; ++i) {
    http::ResponseHandler handler;
    handler.on_end = [&](std::optional<Error>) {
      ++ends;
      destroy_client();
    };
    client().start(get(server.url()), std::move(handler));
  }
  ASSERT_TRUE(wait([&] { return ends == 1; }));
  settle();
  EXPECT_EQ(ends, 1);
}

}  // namespace
}  // namespace cofounder::test
