// SPDX-License-Identifier: Apache-2.0
// Bad requests over the real socket: each gets a clear error, and the daemon goes on.
#include <grp.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// A connection to the control socket that sends what no decent client sends.
class Raw {
 public:
  explicit Raw(const fs::path& socket)
      : descriptor_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
    is_open_ = ::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Raw() { close(); }
  Raw(const Raw&) = delete;
  Raw& operator=(const Raw&) = delete;

  bool is_open() const { return is_open_; }
  // False: the daemon takes no more.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // All until the daemon closes, or `most`.
  std::string read(std::chrono::milliseconds most = 10s) {
    std::string text;
    const auto end = std::chrono::steady_clock::now() + most;
    for (;;) {
      const auto left = std::max(0ms, std::chrono::ceil<std::chrono::milliseconds>(
                                          end - std::chrono::steady_clock::now()));
      pollfd readable{descriptor_, POLLIN, 0};
      if (::poll(&readable, 1, static_cast<int>(left.count())) <= 0) return text;
      char piece[65536];
      const ssize_t size = ::recv(descriptor_, piece, sizeof piece, 0);
      if (size <= 0) return text;
      text.append(piece, static_cast<std::size_t>(size));
    }
  }
  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }

 private:
  int descriptor_;
  bool is_open_ = false;
};

class BadInput : public testing::Test {
 protected:
  BadInput() { daemon.configure("[control]\nbody_bytes_max = \"1MiB\"\n"); }
  void SetUp() override { ASSERT_TRUE(daemon.start()) << daemon.log(); }
  void TearDown() override {
    if (HasFatalFailure()) return;
    const std::string task = daemon.submit(R"({"op":"hello.greet","args":{"name":"after"}})");
    EXPECT_TRUE(daemon.wait_for_state(task, "succeeded")) << "it does not work any more";
    EXPECT_EQ(daemon.stop(), 0) << daemon.log();
  }
  // What came instead of a task; the message must have all of `words`.
  void expect_refused(const std::string& task, int status, const std::string& code,
                      const std::vector<std::string>& words = {}) {
    const auto answer = daemon.call("POST", "/v1/tasks", task);
    const std::string shown = task.substr(0, 200) + " -> " + answer.body;
    EXPECT_EQ(answer.status, status) << shown;
    EXPECT_EQ(error_code(answer), code) << shown;
    for (const std::string& word : words) {
      EXPECT_NE(answer.body.find(word), std::string::npos) << word << " is missing: " << shown;
    }
  }

  // The daemon says that it is too much (4xx), throws away what still comes for a moment, so that
  // the client sees that answer, and then closes, however much there still is.
  static bool ends(Raw& client, const std::string& piece) {
    std::string answer;
    const bool closed = wait_until(
        [&] {
          for (int i = 0; i < 8; ++i) {
            if (!client.send(piece)) return true;
            answer += client.read(0ms);
          }
          return false;
        },
        10s);
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 4")) << answer.substr(0, 200);
    return closed;
  }

  RealDaemon daemon{{"plugins/hello.so"}};
};

TEST_F(BadInput, TasksThatCannotBeAreRefusedAndSayWhy) {
  expect_refused(R"({"op":"hello.greeet","args":{"name":"x"}})", 422, "unknown_op",
                 {"hello.greeet"});
  expect_refused(R"({"op":"nobody.greet"})", 422, "unknown_op", {"nobody.greet"});
  expect_refused(R"({"op":"hello.greet","args":{}})", 422, "invalid_args", {"name"});
  expect_refused(R"({"op":"hello.greet","args":{"name":5}})", 422, "invalid_args",
                 {"name", "string"});
  expect_refused(R"({"op":"hello.greet","args":{"name":"x","nmae":"y"}})", 422, "invalid_args",
                 {"nmae"});
  expect_refused(R"({"op":"hello.greet","args":[]})", 422, "invalid_args");
  expect_refused(R"({"op":"hello.greet","args":{"name":"x"},"timeout":"soon"})", 422,
                 "invalid_task", {"timeout"});
  expect_refused(R"({"op":"hello.greet","args":{"name":"x"},"priority":1000})", 422, "invalid_task",
                 {"priority"});
  expect_refused(R"({"op":"hello.greet","args":{"name":"x"},"proirity":1})", 422, "invalid_task",
                 {"proirity"});
  expect_refused(R"([{"op":"hello.greet","args":{"name":"x"}},{"op":"hello.greet"}])", 422,
                 "invalid_args");
  expect_refused("{\"op\":", 400, "invalid_json");
  expect_refused("", 400, "invalid_json");
  expect_refused("\xff\xfe", 400, "invalid_json");
  expect_refused(std::string(5000, '['), 400, "invalid_json");
  EXPECT_EQ(daemon.list().size(), 0u) << "all or nothing";
  std::string many = "[";
  for (int i = 0; i < 1001; ++i)
    many += std::string{i == 0 ? "" : ","} + R"({"op":"hello.greet","args":{"name":"x"}})";
  expect_refused(many + "]", 413, "too_many_tasks");
}

TEST_F(BadInput, PathsAndMethodsThatAreNotThere) {
  EXPECT_EQ(daemon.get("/v1/nothing").status, 404);
  EXPECT_EQ(daemon.get("/v1/tasks/no-id").status, 404);
  EXPECT_EQ(daemon.get("/v1/tasks?limit=1001").status, 400);
  EXPECT_EQ(daemon.get("/v1/tasks?colour=red").status, 400);
  EXPECT_EQ(daemon.get("/v1/../v1/%00").status / 100, 4);
  EXPECT_EQ(daemon.call("DELETE", "/v1/tasks").status, 405);
}

TEST_F(BadInput, ABodyOfAHundredMegabytesIsRefusedBeforeItIsRead) {
  const auto before = daemon.rss_kib();
  Raw client{daemon.socket()};
  ASSERT_TRUE(
      client.send("POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n"));
  const std::string piece(1 << 20, ' ');
  for (int i = 0; i < 95 && client.send(piece); ++i) {
  }
  Raw chunked{daemon.socket()};
  ASSERT_TRUE(
      chunked.send("POST /v1/tasks HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
  EXPECT_TRUE(ends(chunked, "100000\r\n" + piece + "\r\n"));
  EXPECT_LT(daemon.rss_kib(), before + 20'000);
  // A client that looks gets the reason.
  ctl::Request request;
  request.method = "POST";
  request.target = "/v1/tasks";
  request.body = std::string(100'000'000, ' ');
  const auto answer = daemon.http().call(request);
  ASSERT_TRUE(answer) << answer.error().message;
  EXPECT_EQ(answer->status, 413);
  EXPECT_EQ(error_code(*answer), "body_too_big") << answer->body;
}

TEST_F(BadInput, HeadersWithoutEndAndThingsThatAreNotHttp) {
  {
    Raw flood{daemon.socket()};
    ASSERT_TRUE(flood.send("GET /v1/status HTTP/1.1\r\nHost: x\r\n"));
    EXPECT_TRUE(ends(flood, "X-Header: " + std::string(100, 'h') + "\r\n"));
  }
  {
    Raw longest{daemon.socket()};
    longest.send("GET /" + std::string(1'000'000, 'a') + " HTTP/1.1\r\nHost: x\r\n\r\n");
    const std::string answer = longest.read();
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 4")) << answer.substr(0, 200);
  }
  for (const char* text : {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello tls",
                           "GET /v1/status\r\n\r\n", "GET /v1/status HTTP/9.9\r\n\r\n",
                           "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                           "POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
                           "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"}) {
    Raw client{daemon.socket()};
    client.send(text);
    const std::string answer = client.read();
    EXPECT_TRUE(answer.empty() || answer.starts_with("HTTP/1.1 4") ||
                answer.starts_with("HTTP/1.1 505"))
        << text << " -> " << answer.substr(0, 200);
  }
}

TEST_F(BadInput, ClientsThatVanishOrDoNotReadLeaveNothingBehind) {
  const int before = daemon.descriptors();
  for (int i = 0; i < 50; ++i) {
    Raw half{daemon.socket()};
    half.send("POST /v1/tasks HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{\"op\":");
    Raw waiting{daemon.socket()};
    waiting.send("GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n");
    Raw silent{daemon.socket()};
  }
  {
    // Asks for much and reads nothing.
    std::vector<std::unique_ptr<Raw>> deaf;
    for (int i = 0; i < 10; ++i) {
      deaf.push_back(std::make_unique<Raw>(daemon.socket()));
      for (int k = 0; k < 5; ++k)
        deaf.back()->send("GET /v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    EXPECT_EQ(daemon.get("/v1/status").status, 200);
  }
  if (before < 0) return;  // only root sees them
  EXPECT_TRUE(wait_until([&] { return daemon.descriptors() <= before + 1; }))
      << before << " before, " << daemon.descriptors() << " after";
}

TEST_F(BadInput, SchedulesThatCannotBe) {
  const auto put = [&](const std::string& times) {
    return daemon.call("PUT", "/v1/schedules/s",
                       R"({"op":"hello.greet","args":{"name":"x"},)" + times + "}");
  };
  const auto never = put(R"("cron":"0 0 30 2 *")");
  EXPECT_EQ(never.status, 422) << never.body;
  EXPECT_EQ(error_code(never), "never_due") << never.body;
  for (const char* times :
       {R"("cron":"* * *")", R"("cron":"61 * * * *")", R"("calendar":"Blursday")",
        R"("every":"0s")", R"("cron":"@daily","every":"1h")",
        R"("cron":"@daily","timezone":"Mars/Base")"}) {
    const auto answer = put(times);
    EXPECT_EQ(answer.status, 422) << times << " -> " << answer.body;
    EXPECT_FALSE(error_code(answer).empty());
  }
  EXPECT_EQ(daemon.get("/v1/schedules/s").status, 404);
}

// ---- who may not ----------------------------------------------------------------------------

// The status that user gets, as a child that became him; -1: he cannot connect.
int status_as(uid_t uid, gid_t gid, const RealDaemon& daemon, const std::string& request) {
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setgroups(0, nullptr) != 0 || ::setgid(gid) != 0 || ::setuid(uid) != 0) ::_exit(120);
    Raw client{daemon.socket()};
    if (!client.is_open()) ::_exit(121);
    client.send(request + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    const std::string answer = client.read(5s);
    ::_exit(answer.size() < 12 ? 122 : std::stoi(answer.substr(9, 3)) % 120);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WEXITSTATUS(status) == 121 ? -1 : WEXITSTATUS(status);
}

TEST(Access, AStrangerIsRefusedAndAReaderMayOnlyRead) {
  if (::getuid() != 0) GTEST_SKIP() << "only root can become another user";
  const passwd* nobody = ::getpwnam("nobody");
  if (nobody == nullptr) GTEST_SKIP() << "there is no user \"nobody\"";
  const uid_t uid = nobody->pw_uid;
  const gid_t gid = nobody->pw_gid;
  RealDaemon daemon{{"plugins/hello.so"}};
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_EQ(status_as(uid, gid, daemon, "GET /v1/status"), -1) << "the socket is its owner's";
  EXPECT_EQ(daemon.stop(), 0);

  daemon.configure("[control]\nmode = \"0666\"\ngroup = \"" +
                   std::string{::getgrgid(gid)->gr_name} + "\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_EQ(status_as(uid, gid, daemon, "GET /v1/status"), 403 % 120);
  EXPECT_EQ(status_as(uid, gid, daemon, "GET /v1/config"), 403 % 120);
  EXPECT_EQ(status_as(0, 0, daemon, "GET /v1/status"), 200 % 120);
  daemon.configure("[control]\nmode = \"0666\"\ngroup = \"" +
                   std::string{::getgrgid(gid)->gr_name} +
                   "\"\n[control.access]\nread = [\"nobody\"]\n");
  EXPECT_EQ(daemon.call("POST", "/v1/config/reload").status, 200);
  EXPECT_EQ(status_as(uid, gid, daemon, "GET /v1/status"), 200 % 120);
  EXPECT_EQ(status_as(uid, gid, daemon, "POST /v1/tasks"), 403 % 120);
  EXPECT_EQ(status_as(uid, gid, daemon, "POST /v1/drain"), 403 % 120);
  EXPECT_EQ(status_as(uid, gid, daemon, "GET /v1/config"), 403 % 120);
}

// ---- files that a task may not have ---------------------------------------------------------

TEST(FilesOfTasks, OnlyRegularFilesBelowTheAllowedFolders) {
  RealDaemon daemon{{"plugins/cloudinary.so"}};
  write_file(daemon.folder() / "secret", "abcd");
  fs::permissions(daemon.folder() / "secret", fs::perms{0600});
  daemon.configure(
      "[plugin.cloudinary]\ncloud_name = \"demo\"\napi_key = \"1234\"\n"
      "api_secret = { file = \"" +
      (daemon.folder() / "secret").string() +
      "\" }\n"
      "base_url = \"http://127.0.0.1:1\"\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const fs::path files = daemon.folder() / "files";
  write_file(daemon.folder() / "outside.png", "outside");
  fs::create_symlink(daemon.folder() / "outside.png", files / "link.png");
  fs::create_directory_symlink(daemon.folder(), files / "up");
  fs::create_directory(files / "folder");
  ASSERT_EQ(::mkfifo((files / "fifo").c_str(), 0600), 0);
  const std::pair<fs::path, const char*> cases[] = {
      {daemon.folder() / "outside.png", "file_denied"},
      {files / "../outside.png", "file_denied"},
      {files / "link.png", "file_denied"},
      {files / "up/outside.png", "file_denied"},
      {"/dev/zero", "file_denied"},
      {daemon.folder() / "secret", "file_denied"},
      {daemon.database(), "file_denied"},
      {files / "fifo", "file_invalid"},
      {files / "folder", "file_invalid"},
      {files / "missing.png", "file_not_found"}};
  for (const auto& [path, code] : cases) {
    const std::string id = daemon.submit(
        R"({"op":"cloudinary.upload","timeout":"5s","args":{"file":")" + path.string() + "\"}}");
    ASSERT_FALSE(id.empty()) << path;
    ASSERT_TRUE(daemon.wait_for_state(id, "failed")) << path << daemon.get("/v1/tasks/" + id).body;
    const json::Document task = daemon.show(id);
    EXPECT_EQ(task.root().find("error").string_or("code", ""), code) << path << task.root().text();
    if (path.filename() == "fifo") {
      const std::string message = task.root().find("error").string_or("message", "");
      EXPECT_NE(message.find("no regular file"), std::string::npos) << message;
    }
    EXPECT_EQ(task.root().find("attempts").size(), 1u) << "trying again does not help";
  }
  EXPECT_EQ(daemon.stop(), 0);
}

}  // namespace
}  // namespace cofounder::test
