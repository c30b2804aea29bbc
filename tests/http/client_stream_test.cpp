// SPDX-License-Identifier: Apache-2.0
#include "tests/http/client_fixture.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

namespace cofounder::test {
namespace {

constexpr std::uint64_t gibibyte = 1u << 30;

// A file without a name; sparse where nothing is written.
class TempFile {
 public:
  TempFile() {
    char path[] = "/tmp/cofounder-http-XXXXXX";
    descriptor = ::mkostemp(path, O_CLOEXEC);
    ::unlink(path);
  }
  ~TempFile() { ::close(descriptor); }
  int descriptor = -1;
};

TEST_F(ClientTest, SendsOneGibibyteFromAFileInLittleMemory) {
  TempFile file;
  ASSERT_EQ(::ftruncate(file.descriptor, static_cast<off_t>(gibibyte + 100)), 0);
  std::atomic<std::uint64_t> received{0};
  TinyHttpServer server{[&](TinyConnection& connection) {
    const auto request = connection.read(/*body_max=*/0);
    received = request->body_bytes;
    connection.answer(200, "thanks");
  }};
  ask(get("nonsense"));  // so that the client itself is in memory
  const long before = resident_kib();
  auto request = post(server.url(), "prefix");
  request.body.emplace_back(http::FileRange{file.descriptor, 50, gibibyte});
  request.body.emplace_back(std::string{"suffix"});
  request.tries_max = 1;

  const auto answer = start(std::move(request));
  long most = 0;
  ASSERT_TRUE(wait(
      [&] {
        most = std::max(most, resident_kib());
        return answer->is_over();
      },
      60s));

  EXPECT_EQ(answer->body, "thanks");
  EXPECT_EQ(received, gibibyte + 12);
  EXPECT_EQ(client().counters()["test"].bytes_sent / 1000, (gibibyte + 12) / 1000);
#ifdef __SANITIZE_ADDRESS__
  constexpr auto bound = 96 << 10;  // freed memory stays in quarantine
#else
  constexpr auto bound = 24 << 10;
#endif
  EXPECT_LT(most - before, bound) << "KiB";
}

TEST_F(ClientTest, SendsPartsOfFilesAndTextsInOrder) {
  TempFile file;
  std::string content;
  for (int i = 0; i < 50'000; ++i) content += std::to_string(i);
  ASSERT_EQ(::write(file.descriptor, content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  std::string body;
  TinyHttpServer server{TinyHttpServer::each([&](TinyConnection& to, const TinyRequest& got) {
    body = got.body;
    to.answer(200);
  })};
  auto request = post(server.url(), "a");
  request.body.emplace_back(http::FileRange{file.descriptor, 1000, 150'000});
  request.body.emplace_back(std::string{});
  request.body.emplace_back(std::string{"b"});
  request.body.emplace_back(http::FileRange{file.descriptor, 0, 0});
  request.body.emplace_back(http::FileRange{file.descriptor, 5, 3});

  EXPECT_EQ(ask(std::move(request))->code(), "");
  EXPECT_TRUE(body == "a" + content.substr(1000, 150'000) + "b" + content.substr(5, 3));
}

TEST_F(ClientTest, FailsWhenAFileIsShorterThanPromised) {
  TempFile file;
  ASSERT_EQ(::ftruncate(file.descriptor, 100'000), 0);
  TinyHttpServer server{[](TinyConnection& connection) { connection.read(); }};
  auto request = post(server.url(), "");
  request.idempotent = true;
  request.body.emplace_back(http::FileRange{file.descriptor, 0, 100'001});
  const auto answer = ask(std::move(request));
  EXPECT_EQ(answer->code(), "body_unreadable");
  EXPECT_FALSE(answer->error->retryable);
  EXPECT_EQ(client().counters()["test"].retries, 0u);
}

TEST_F(ClientTest, StopsReadingWhilePaused) {
  constexpr std::uint64_t size = 64 << 20;
  std::atomic<std::uint64_t> sent{0};
  TinyHttpServer server{[&](TinyConnection& connection) {
    connection.read();
    connection.send("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(size) + "\r\n\r\n");
    const std::string piece(1 << 16, 'x');
    while (sent < size && connection.send(piece)) sent += piece.size();
    connection.wait_closed();
  }};
  auto answer = std::make_shared<Answer>();
  answer->is_kept = false;
  answer->after_body = [] { return false; };
  auto request = get(server.url());
  request.response_bytes_max = size;
  const auto id = start(std::move(request), answer);
  ASSERT_TRUE(wait([&] { return answer->body_bytes > 0; }));
  const auto first = answer->body_bytes;
  EXPECT_LE(first, 64u << 10);

  settle();
  clock.advance(10min);  // paused time is not silence
  settle();
  EXPECT_EQ(answer->body_bytes, first);
  EXPECT_LT(sent, 32u << 20) << "the server has to wait";

  client().resume(id);
  EXPECT_EQ(answer->body_bytes, first) << "not from inside resume()";
  ASSERT_TRUE(wait([&] { return answer->body_bytes > first; }));
  settle();
  EXPECT_LE(answer->body_bytes, first + (64u << 10)) << "paused again";

  answer->after_body = nullptr;
  client().resume(id);
  ASSERT_TRUE(wait([&] { return answer->is_over(); }, 60s));
  EXPECT_EQ(answer->code(), "");
  EXPECT_EQ(answer->body_bytes, size);
}

TEST_F(ClientTest, PausesAndResumesAtEveryPiece) {
  TinyHttpServer server{TinyHttpServer::each(
      [](TinyConnection& to, const TinyRequest&) { to.answer(200, std::string(3'000'000, 'x')); })};
  auto answer = std::make_shared<Answer>();
  http::Client::Handle id = 0;
  answer->after_body = [&] {
    client().resume(id);
    return false;
  };
  id = start(get(server.url()), answer);
  ASSERT_TRUE(wait([&] { return answer->is_over(); }));
  EXPECT_EQ(answer->body.size(), 3'000'000u);
}

TEST_F(ClientTest, GivesPiecesAsTheyArrive) {
  std::atomic<int> allowed{0};
  TinyHttpServer server{[&](TinyConnection& connection) {
    connection.read();
    connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 3; ++i) {
      while (allowed <= i) std::this_thread::yield();
      connection.send("5\r\nevent\r\n");
    }
    connection.send("0\r\nHTTP/1.1: 500 trailer\r\nX-Trailer: x\r\n\r\n");
  }};
  const auto answer = start(get(server.url()));
  for (std::size_t i = 1; i <= 3; ++i) {
    settle();
    EXPECT_EQ(answer->body_bytes, 5 * (i - 1));
    ++allowed;
    ASSERT_TRUE(wait([&] { return answer->body_bytes == 5 * i; }));
  }
  ASSERT_TRUE(wait([&] { return answer->is_over(); }));
  EXPECT_EQ(answer->heads, 1);
  EXPECT_EQ(answer->head.status, 200);
  EXPECT_TRUE(answer->head.find("x-trailer").empty());
}

TEST_F(ClientTest, SkipsInterimAnswers) {
  TinyHttpServer server{TinyHttpServer::each([](TinyConnection& to, const TinyRequest&) {
    to.send("HTTP/1.1 100 Continue\r\nX-Interim: 1\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n");
    to.answer(200, "final", "X-Final: 1\r\n");
  })};
  const auto answer = ask(post(server.url(), "x"));
  EXPECT_EQ(answer->head.status, 200);
  EXPECT_EQ(answer->head.find("x-interim"), "");
  EXPECT_EQ(answer->head.find("x-final"), "1");
  EXPECT_EQ(answer->body, "final");
}

TEST_F(ClientTest, TakesAnEarlyAnswerToAnUpload) {
  TinyHttpServer server{[](TinyConnection& connection) {
    connection.answer(413, "too much", "Connection: close\r\n");
    connection.wait_closed();
  }};
  const auto answer = ask(post(server.url(), std::string(32 << 20, 'x')));
  EXPECT_EQ(answer->code(), "");
  EXPECT_EQ(answer->head.status, 413);
  EXPECT_EQ(answer->body, "too much");
}

}  // namespace
}  // namespace cofounder::test
