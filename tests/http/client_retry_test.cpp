// SPDX-License-Identifier: Apache-2.0
#include "tests/http/client_fixture.hpp"

#include <algorithm>
#include <atomic>

namespace cofounder::test {
namespace {

using http::Client;
using http::ClientRequest;

// What a server does to a request once it has read it.
struct Fault {
  const char* name;
  void (*serve)(TinyConnection&);
  const char* code;  // "": an answer
  bool is_tried_again_when_idempotent;
};

void say(TinyConnection& to, std::string_view text) { to.send(text); }

const Fault faults[] = {
    {"closes at once", [](TinyConnection&) {}, "connection_lost", true},
    {"reset", [](TinyConnection& to) { to.reset(); }, "connection_lost", true},
    {"half a head", [](TinyConnection& to) { say(to, "HTTP/1.1 200 OK\r\nContent-"); },
     "connection_lost", true},
    {"no body where one was promised",
     [](TinyConnection& to) { say(to, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"); },
     "connection_lost", true},
    {"garbage", [](TinyConnection& to) { say(to, "hello there\r\n\r\n"); }, "protocol_error",
     false},
    {"chunked garbage",
     [](TinyConnection& to) {
       say(to, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n");
     },
     "connection_lost", true},
    {"broken gzip",
     [](TinyConnection& to) {
       to.answer(200, "this is not gzip at all", "Content-Encoding: gzip\r\n");
     },
     "protocol_error", false},
    {"huge head",
     [](TinyConnection& to) {
       to.send("HTTP/1.1 200 OK\r\n");
       const std::string line = "X-Filler: " + std::string(1000, 'x') + "\r\n";
       for (int i = 0; i < 500 && to.send(line); ++i) {
       }
       to.wait_closed();
     },
     "response_too_big", false},
    {"huge header line",
     [](TinyConnection& to) {
       to.send("HTTP/1.1 200 OK\r\nX-Filler: " + std::string(300'000, 'x') + "\r\n\r\n");
       to.wait_closed();
     },
     "response_too_big", false},
    {"endless 100",
     [](TinyConnection& to) {
       while (to.send("HTTP/1.1 100 Continue\r\n\r\n")) {
       }
     },
     "response_too_big", false},
};

TEST_F(ClientTest, TriesAgainWhatIsSafeAndNothingElse) {
  for (const Fault& fault : faults) {
    for (const bool idempotent : {true, false}) {
      SCOPED_TRACE(std::string{fault.name} + (idempotent ? ", idempotent" : ""));
      std::atomic<int> requests{0};
      TinyHttpServer server{[&](TinyConnection& connection) {
        if (!connection.read()) return;
        ++requests;
        fault.serve(connection);
      }};
      auto request = post(server.url("/secret/path?key=secret"), "secret");
      request.headers = {{"Authorization", "Bearer secret"}};
      request.idempotent = idempotent;

      const auto answer = ask(std::move(request));

      ASSERT_TRUE(answer->error);
      EXPECT_EQ(answer->code(), fault.code);
      EXPECT_EQ(answer->error->message.find("secret"), std::string::npos);
      const bool is_repeated = idempotent && fault.is_tried_again_when_idempotent;
      EXPECT_EQ(requests, is_repeated ? 3 : 1);
      EXPECT_EQ(answer->error && answer->error->retryable, is_repeated);
    }
  }
}

TEST_F(ClientTest, TriesAgainWhateverWasNeverSent) {
  std::uint16_t port = 0;
  {
    TinyHttpServer gone{[](TinyConnection&) {}};
    port = gone.port();
  }
  const auto answer = ask(post("http://127.0.0.1:" + std::to_string(port) + "/", "x"));
  EXPECT_EQ(answer->code(), "connect_failed");
  EXPECT_TRUE(answer->error->retryable);
  EXPECT_EQ(client().counters()["test"].retries, 2u);
}

TEST_F(ClientTest, SucceedsOnALaterTryWithTheWholeBodyAgain) {
  for (const int status : {408, 425, 429, 500, 502, 503, 504, 529, 420}) {
    std::atomic<int> requests{0};
    std::atomic<int> whole{0};
    const std::string body(100'000, 'b');
    TinyHttpServer server{TinyHttpServer::each([&](TinyConnection& to, const TinyRequest& request) {
      if (request.body == body) ++whole;
      if (++requests < 3) {
        to.answer(status, "a body of no interest");
      } else {
        to.answer(200, "done");
      }
    })};
    auto request = post(server.url(), body);
    request.retry_statuses = {420};

    const auto answer = ask(std::move(request));

    EXPECT_EQ(answer->heads, 1) << "of the last try only";
    EXPECT_EQ(answer->body, "done");
    EXPECT_EQ(whole, 3) << status;
    EXPECT_EQ(server.connections(), 1) << "the connection is used again";
  }
}

TEST_F(ClientTest, GivesTheLastAnswerWhenTriesRunOut) {
  std::atomic<int> requests{0};
  TinyHttpServer server{TinyHttpServer::each([&](TinyConnection& to, const TinyRequest&) {
    to.answer(503, "try " + std::to_string(++requests));
  })};
  const auto answer = ask(get(server.url()));
  EXPECT_EQ(answer->code(), "");
  EXPECT_EQ(answer->head.status, 503);
  EXPECT_EQ(answer->body, "try 3");
}

TEST_F(ClientTest, NeverRepeatsOtherStatuses) {
  for (const int status : {400, 401, 402, 403, 404, 410, 413, 420, 422, 501}) {
    std::atomic<int> requests{0};
    TinyHttpServer server{TinyHttpServer::each([&](TinyConnection& to, const TinyRequest&) {
      ++requests;
      to.answer(status, "", "Retry-After: 1\r\n");
    })};
    const auto answer = ask(get(server.url()));
    EXPECT_EQ(answer->head.status, status);
    EXPECT_EQ(answer->head.retry_after, 1s);
    EXPECT_EQ(requests, 1);
  }
}

TEST_F(ClientTest, WaitsAsLongAsTheAnswerAsks) {
  std::atomic<int> requests{0};
  TinyHttpServer server{TinyHttpServer::each([&](TinyConnection& to, const TinyRequest&) {
    to.answer(++requests == 1 ? 429 : 200, "x", "Retry-After: 30\r\n");
  })};
  const auto answer = start(get(server.url()));
  ASSERT_TRUE(wait([&] { return client().counters()["test"].retries == 1; }));

  clock.advance(29'900ms);
  settle();
  EXPECT_EQ(requests, 1);
  clock.advance(1'200ms);  // the spread is at most one second
  ASSERT_TRUE(wait([&] { return answer->is_over(); }));
  EXPECT_EQ(requests, 2);
  EXPECT_EQ(answer->head.status, 200);
}

TEST_F(ClientTest, GivesTheAnswerWhenItAsksForALongerWaitThanAllowed) {
  std::atomic<int> requests{0};
  TinyHttpServer server{TinyHttpServer::each([&](TinyConnection& to, const TinyRequest&) {
    ++requests;
    to.answer(429, "slow down", "Retry-After: 61\r\n");
  })};
  const auto answer = ask(get(server.url()));
  EXPECT_EQ(answer->head.status, 429);
  EXPECT_EQ(answer->head.retry_after, 61s);
  EXPECT_EQ(answer->body, "slow down");
  EXPECT_EQ(requests, 1);

  auto patient = get(server.url());
  patient.retry_wait_max = 100s;
  ask(std::move(patient));
  EXPECT_EQ(requests, 4);
}

TEST_F(ClientTest, DoesNotTryAgainOnceABodyWasGiven) {
  std::atomic<int> requests{0};
  TinyHttpServer server{[&](TinyConnection& connection) {
    if (!connection.read()) return;
    ++requests;
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
  }};
  const auto answer = ask(get(server.url()));
  EXPECT_EQ(answer->body, "half");
  EXPECT_EQ(answer->code(), "connection_lost");
  EXPECT_EQ(requests, 1);
}

TEST_F(ClientTest, DoesNotDrainAnEndlessBodyBeforeTryingAgain) {
  std::atomic<int> requests{0};
  TinyHttpServer server{[&](TinyConnection& connection) {
    if (!connection.read()) return;
    if (++requests > 1) {
      connection.answer(200, "done");
      return;
    }
    connection.send("HTTP/1.1 500 Oops\r\nContent-Length: 1000000000000\r\n\r\n");
    while (connection.send(std::string(10'000, 'x'))) {
    }
  }};
  EXPECT_EQ(ask(post(server.url(), "x"))->body, "done");
  EXPECT_LT(client().counters()["test"].bytes_received, 1u << 20);
}

// libcurl sends again by itself what failed on a re-used connection.
TEST_F(ClientTest, DoesNotLetAStaleConnectionRepeatWhatMayBeDoneOnce) {
  for (const bool idempotent : {false, true}) {
    for (const std::size_t size : {0u, 1u, 50'000u}) {
      SCOPED_TRACE(std::to_string(size) + (idempotent ? " idempotent" : ""));
      std::atomic<int> seconds{0};
      TinyHttpServer server{[&](TinyConnection& connection) {
        while (const auto request = connection.read()) {
          if (request->target == "/second" && ++seconds == 1) return;  // processed, not answered
          connection.answer(200, "ok");
        }
      }};
      EXPECT_EQ(ask(get(server.url("/first")))->body, "ok");
      auto request = post(server.url("/second"), std::string(size, 'x'));
      request.idempotent = idempotent;

      const auto answer = ask(std::move(request));

      EXPECT_EQ(answer->code(), idempotent ? "" : "connection_lost");
      EXPECT_EQ(seconds, idempotent ? 2 : 1);
      destroy_client();
    }
  }
}

TEST_F(ClientTest, StopsRepeatingWhenAHostFailsAllTheTime) {
  std::atomic<int> requests{0};
  TinyHttpServer server{TinyHttpServer::each([&](TinyConnection& to, const TinyRequest&) {
    ++requests;
    to.answer(503, "", "Retry-After-Ms: 1\r\n");
  })};
  int over = 0;
  for (int i = 0; i < 600; ++i) {
    http::ResponseHandler handler;
    handler.on_end = [&](std::optional<Error>) { ++over; };
    client().start(get(server.url()), std::move(handler));
  }
  ASSERT_TRUE(wait_with_time([&] { return over == 600; }));
  EXPECT_GE(requests, 600 + 256);
  EXPECT_LT(requests, 600 + 256 + 400) << "an outage must not triple what is sent";
}

}  // namespace
}  // namespace cofounder::test
