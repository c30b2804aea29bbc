// SPDX-License-Identifier: Apache-2.0
#include "core/ctl/http_unix.hpp"
#include "tests/ctl/fake_daemon.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sys/mman.h>
#include <unistd.h>

namespace cofounder::ctl {
namespace {

using test::FakeDaemon;
using test::SeenRequest;
using testing::HasSubstr;

// The answer to a GET when the daemon says `bytes`.
Result<Answer> answer_to(std::string bytes) {
  FakeDaemon daemon{[&](const SeenRequest&) { return bytes; }};
  Request request;
  request.target = "/";
  return UnixHttp{daemon.socket()}.call(request);
}

std::string problem(std::string bytes) {
  const Result<Answer> answer = answer_to(std::move(bytes));
  return answer ? "no error" : answer.error().code + ": " + answer.error().message;
}

TEST(UnixHttp, ReadsABodyWithALength) {
  const auto answer =
      answer_to("HTTP/1.1 201 Created\r\nContent-Length: 5\r\nX-A:  b \r\n\r\nhellox");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 201);
  EXPECT_EQ(answer->body, "hello");
  EXPECT_EQ(answer->header("x-a"), "b");
  EXPECT_EQ(answer->header("x-b"), "");
}

TEST(UnixHttp, ReadsChunksAndWhatEndsWithTheConnection) {
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
                      "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nTrailer: x\r\n\r\n")
                .value()
                .body,
            "hello world");
  EXPECT_EQ(answer_to("HTTP/1.1 200 OK\r\n\r\nall of it").value().body, "all of it");
  EXPECT_EQ(answer_to("HTTP/1.1 204 No Content\r\n\r\n").value().body, "");
  EXPECT_EQ(answer_to("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx")
                .value()
                .body,
            "x");
}

TEST(UnixHttp, NonsenseIsABadAnswer) {
  const std::string head = "HTTP/1.1 200 OK\r\n";
  for (const std::string& bytes : {
           std::string{"SSH-2.0-OpenSSH_9.2p1\r\n"},
           std::string{"\x00\x01\x02\xff\xfe zz", 8},
           std::string{"HTTP/1.1 abc OK\r\n\r\n"},
           std::string{"HTTP/1.1\r\n\r\n"},
           std::string{"HTTP/1.1 200 OK"},
           head + "no colon\r\n\r\n",
           head + "Content-Length: ten\r\n\r\n",
           head + "Content-Length: -1\r\n\r\n",
           head + "Content-Length: 99999999999999999999999\r\n\r\n",
           head + "Content-Length: 10\r\n\r\nhello",
           head + "Transfer-Encoding: chunked\r\n\r\n",
           head + "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
           head + "Transfer-Encoding: chunked\r\n\r\n\r\n",
           head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
           head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhelloworld\r\n0\r\n\r\n",
           head + "Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
           head + "Transfer-Encoding: chunked\r\n\r\n" + std::string(5000, '1'),
           head + "X: " + std::string(100'000, 'x'),
       }) {
    EXPECT_THAT(problem(bytes), HasSubstr("bad_answer: ")) << bytes.substr(0, 80);
  }
}

TEST(UnixHttp, ABodyHasALimit) {
  const std::string body((64u << 20) + 1, 'x');
  EXPECT_THAT(problem(test::http_answer(200, body)), HasSubstr("larger than 67108864 bytes"));
  EXPECT_THAT(problem("HTTP/1.1 200 OK\r\n\r\n" + body), HasSubstr("larger than"));
}

TEST(UnixHttp, AClosedConnectionIsUnreachable) {
  EXPECT_EQ(problem(""), "unreachable: the daemon closed the connection");
}

TEST(UnixHttp, SilenceEnds) {
  FakeDaemon daemon{[](const SeenRequest&) { return std::nullopt; }};
  Request request;
  request.target = "/";
  request.silence_max = Milliseconds{20};
  const auto answer = UnixHttp{daemon.socket()}.call(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "no_answer");
}

TEST(UnixHttp, NobodyListening) {
  const auto missing = UnixHttp{"/nowhere/control.sock"}.call({});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, "unreachable");
  EXPECT_THAT(missing.error().message, HasSubstr("/nowhere/control.sock"));
  EXPECT_FALSE(missing.error().hint.empty());
  EXPECT_EQ(UnixHttp{std::string(200, 'x')}.call({}).error().code, "unreachable");
  EXPECT_EQ(UnixHttp{""}.call({}).error().code, "unreachable");
}

TEST(UnixHttp, SendsMethodTargetAndBody) {
  FakeDaemon daemon{[](const SeenRequest&) { return test::http_answer(200, "{}"); }};
  Request request;
  request.method = "POST";
  request.target = "/v1/tasks?wait=" + encode("1s & more");
  request.body = "{\"a\":1}";
  ASSERT_TRUE(UnixHttp{daemon.socket()}.call(request));
  const auto seen = daemon.seen();
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].method, "POST");
  EXPECT_EQ(seen[0].target, "/v1/tasks?wait=1s%20%26%20more");
  EXPECT_EQ(seen[0].body, request.body);
  EXPECT_THAT(seen[0].head, HasSubstr("\r\nContent-Type: application/json\r\n"));
}

class SomeFile {
 public:
  explicit SomeFile(std::size_t bytes) : descriptor_{::memfd_create("file", MFD_CLOEXEC)} {
    const std::string piece(bytes, 'f');
    EXPECT_EQ(::write(descriptor_, piece.data(), bytes), static_cast<ssize_t>(bytes));
    ::lseek(descriptor_, 0, SEEK_SET);
  }
  ~SomeFile() { ::close(descriptor_); }
  SomeFile(const SomeFile&) = delete;
  SomeFile& operator=(const SomeFile&) = delete;

  Request upload(std::uint64_t bytes) const {
    Request request;
    request.method = "POST";
    request.target = "/v1/files";
    request.file = descriptor_;
    request.file_bytes = bytes;
    return request;
  }

 private:
  int descriptor_;
};

TEST(UnixHttp, SendsFiles) {
  FakeDaemon daemon{[](const SeenRequest&) { return test::http_answer(201, "{}"); }};
  const SomeFile file{3u << 20};
  ASSERT_TRUE(UnixHttp{daemon.socket()}.call(file.upload(3u << 20)));
  EXPECT_EQ(daemon.seen().at(0).body.size(), 3u << 20);
}

TEST(UnixHttp, ARefusedFileStillGetsItsAnswer) {
  FakeDaemon daemon{[](const SeenRequest&) { return std::nullopt; }};
  daemon.refuse_bodies(test::error_answer(413, "too_large", "that is too much"));
  const SomeFile file{3u << 20};
  const auto answer = UnixHttp{daemon.socket()}.call(file.upload(3u << 20));
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 413);
}

TEST(UnixHttp, AFileThatShrinksIsAnError) {
  FakeDaemon daemon{[](const SeenRequest&) { return test::http_answer(201, "{}"); }};
  const SomeFile file{10};
  const auto answer = UnixHttp{daemon.socket()}.call(file.upload(20));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, "file_changed");
}

TEST(UnixHttp, StreamsUntilTheReaderHasEnough) {
  FakeDaemon daemon{[](const SeenRequest&) {
    return "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n9\r\n";
  }};
  std::string got;
  StreamSink sink;
  sink.piece = [&](std::string_view piece) {
    got += piece;
    return got.size() < 6;
  };
  sink.silence = [] { return true; };
  const auto answer = UnixHttp{daemon.socket()}.stream({}, sink);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(got, "abcdef");
  EXPECT_EQ(answer->body, "");
}

TEST(UnixHttp, TheBodyOfAnErrorIsNotStreamed) {
  FakeDaemon daemon{[](const SeenRequest&) { return test::http_answer(403, "no"); }};
  StreamSink sink;
  sink.piece = [](std::string_view) {
    ADD_FAILURE();
    return false;
  };
  sink.silence = [] { return false; };
  const auto answer = UnixHttp{daemon.socket()}.stream({}, sink);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 403);
  EXPECT_EQ(answer->body, "no");
}

}  // namespace
}  // namespace cofounder::ctl
