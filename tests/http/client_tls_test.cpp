// SPDX-License-Identifier: Apache-2.0
// Against nginx, whose TLS and HTTP/2 are not ours.
#include "tests/http/client_fixture.hpp"
#include "tests/support/test_certificates.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t big_file_bytes = 20 << 20;

std::uint16_t free_port() {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ::bind(descriptor, reinterpret_cast<sockaddr*>(&address), size);
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(descriptor);
  return ntohs(address.sin_port);
}

bool listens(std::uint16_t port) {
  const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  const bool ok = ::connect(descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(descriptor);
  return ok;
}

// nginx in a folder of its own, with a port for each certificate.
class Nginx {
 public:
  static const char* path() {
    for (const char* candidate : {"/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"}) {
      if (::access(candidate, X_OK) == 0) return candidate;
    }
    return nullptr;
  }

  Nginx() {
    char name[] = "/tmp/cofounder-nginx-XXXXXX";
    directory = ::mkdtemp(name);
    const TestCertificates certificates{directory};
    certificates.make({.name = "good"});
    certificates.make({.name = "expired",
                       .valid_from = std::chrono::hours{-40},
                       .valid_until = std::chrono::hours{-1}});
    certificates.make({.name = "future", .valid_from = std::chrono::hours{1}});
    certificates.make({.name = "other", .host = "DNS:example.com"});
    certificates.make({.name = "selfsigned", .is_self_signed = true});
    std::ofstream{directory / "big"}.close();
    fs::resize_file(directory / "big", big_file_bytes);
    std::ofstream config{directory / "nginx.conf"};
    config << "daemon off; master_process off; pid nginx.pid; error_log error.log;\n"
              "events { worker_connections 1024; }\nhttp { access_log off;\n"
              "client_max_body_size 0; http2_max_concurrent_streams 128;\n";
    for (const char* kind : {"client_body", "proxy", "fastcgi", "uwsgi", "scgi"}) {
      config << kind << "_temp_path " << kind << ";\n";
    }
    for (const char* server : {"good", "expired", "future", "other", "selfsigned"}) {
      add_server(config, server, server, "ssl http2");
    }
    add_server(config, "http1", "good", "ssl");
    config << "server { listen 127.0.0.1:" << counter_port_
           << "; location / { return 200 $content_length; } }\n}\n";
    config.close();
    start();
  }
  ~Nginx() {
    ::kill(child_, SIGKILL);
    ::waitpid(child_, nullptr, 0);
    std::error_code ignored;
    fs::remove_all(directory, ignored);
  }
  Nginx(const Nginx&) = delete;
  Nginx& operator=(const Nginx&) = delete;

  std::string url(const std::string& server, const std::string& target = "/") const {
    return "https://127.0.0.1:" + std::to_string(ports_.at(server)) + target;
  }
  bool is_running() const {
    const auto until = std::chrono::steady_clock::now() + 10s;
    while (!listens(ports_.at("good"))) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }

  fs::path directory;

 private:
  void add_server(std::ofstream& config, const std::string& name, const std::string& certificate,
                  const std::string& options) {
    const std::uint16_t port = ports_[name] = free_port();
    config << "server { listen 127.0.0.1:" << port << " " << options << ";\n ssl_certificate "
           << (directory / certificate).string() << ".pem; ssl_certificate_key "
           << (directory / certificate).string() << ".key;\n root " << directory.string()
           << ";\n location = / { return 200 \"$server_protocol\"; }\n"
              " location = /again { return 503; }\n location = /big {}\n"
              " location = /count { proxy_pass http://127.0.0.1:"
           << counter_port_ << "; }\n}\n";
  }
  void start() {
    child_ = ::fork();
    if (child_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int null = ::open("/dev/null", O_RDWR);
    ::dup2(null, 2);
    ::execl(path(), "nginx", "-p", directory.c_str(), "-c", "nginx.conf", nullptr);
    ::_exit(127);
  }

  std::map<std::string, std::uint16_t> ports_;
  const std::uint16_t counter_port_ = free_port();  // answers with the length of the body
  pid_t child_ = -1;
};

class TlsTest : public ClientTest {
 protected:
  void SetUp() override {
    if (Nginx::path() == nullptr) GTEST_SKIP() << "nginx is not installed";
    nginx = std::make_unique<Nginx>();
    ASSERT_TRUE(nginx->is_running());
    options.ca_file = (nginx->directory / "ca.pem").string();
  }
  std::unique_ptr<Nginx> nginx;
};

TEST_F(TlsTest, CarriesManyRequestsOnOneHttp2Connection) {
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 300; ++i) answers.push_back(start(get(nginx->url("good"))));
  for (const auto& answer : answers) ASSERT_TRUE(wait([&] { return answer->is_over(); }));

  for (const auto& answer : answers) {
    EXPECT_EQ(answer->code(), "");
    EXPECT_EQ(answer->body, "HTTP/2.0");
  }
  EXPECT_EQ(client().open_connections(), 1);
  EXPECT_EQ(ask(get(nginx->url("good")))->body, "HTTP/2.0");
  EXPECT_GE(client().close(), 1);
}

TEST_F(TlsTest, SpeaksHttp1WhereThereIsNoHttp2) {
  EXPECT_EQ(ask(get(nginx->url("http1")))->body, "HTTP/1.1");
  EXPECT_EQ(ask(get(nginx->url("http1")))->body, "HTTP/1.1");
  EXPECT_EQ(client().open_connections(), 1);
}

TEST_F(TlsTest, RefusesServersThatAreNotWhoTheyShouldBe) {
  for (const char* server : {"expired", "future", "other", "selfsigned"}) {
    const auto answer = ask(get(nginx->url(server)));
    EXPECT_EQ(answer->code(), "tls_failed") << server;
    EXPECT_FALSE(answer->error->retryable) << server;
    EXPECT_EQ(answer->heads, 0);
  }
  EXPECT_EQ(client().counters()["test"].retries, 0u) << "TLS identity is never tried again";
  EXPECT_EQ(client().counters()["test"].bytes_received, 0u);
}

TEST_F(TlsTest, TrustsNobodyWithoutTheRightCaFile) {
  options.ca_file = (nginx->directory / "missing.pem").string();
  const auto missing = ask(get(nginx->url("good")));
  EXPECT_EQ(missing->code(), "tls_failed");
  EXPECT_FALSE(missing->error->retryable);
  destroy_client();

  options.ca_file.clear();  // the system's: it does not know our test CA
  const auto unknown = ask(get(nginx->url("good")));
  EXPECT_EQ(unknown->code(), "tls_failed");
  EXPECT_FALSE(unknown->error->retryable);
  EXPECT_EQ(client().counters()["test"].retries, 0u);
}

TEST_F(TlsTest, TriesAgainWhenAHandshakeBreaks) {
  TinyHttpServer server{[](TinyConnection& connection) { connection.send("this is not TLS\r\n"); }};
  const auto answer = ask(get("https://127.0.0.1:" + std::to_string(server.port()) + "/"));
  EXPECT_EQ(answer->code(), "tls_failed");
  EXPECT_TRUE(answer->error->retryable) << "nothing was sent";
  EXPECT_EQ(client().counters()["test"].retries, 2u);
}

TEST_F(TlsTest, StreamsBothWaysOverHttp2) {
  const int file = ::open((nginx->directory / "big").c_str(), O_RDONLY | O_CLOEXEC);
  // To something that reads it: where nginx answers 200 before the body has come, libcurl 7.88
  // waits for leave to send the rest until our limit for silence ends it.
  auto up = get(nginx->url("good", "/count"));
  up.method = "PUT";
  up.body.emplace_back(http::FileRange{file, 0, big_file_bytes});
  const auto sent = start(std::move(up));
  ASSERT_TRUE(wait([&] { return sent->is_over(); }));
  EXPECT_EQ(sent->code(), "");
  EXPECT_EQ(sent->body, std::to_string(big_file_bytes));

  auto down = get(nginx->url("good", "/big"));
  down.response_bytes_max = big_file_bytes;
  auto answer = std::make_shared<Answer>();
  answer->is_kept = false;
  http::Client::Handle id = 0;
  int pauses = 0;
  answer->after_body = [&] {
    if (answer->body_bytes / 1'000'000 <= static_cast<std::uint64_t>(pauses)) return true;
    ++pauses;
    client().resume(id);
    return false;
  };
  id = start(std::move(down), answer);
  ASSERT_TRUE(wait([&] { return answer->is_over(); }));
  EXPECT_EQ(answer->code(), "");
  EXPECT_EQ(answer->body_bytes, big_file_bytes);
  EXPECT_GE(pauses, 10);
  ::close(file);
}

TEST_F(TlsTest, CancelsOneStreamAndLeavesTheOthers) {
  auto request = get(nginx->url("good", "/big"));
  request.response_bytes_max = big_file_bytes;
  auto stopped = std::make_shared<Answer>();
  auto other = std::make_shared<Answer>();
  stopped->is_kept = other->is_kept = false;
  http::Client::Handle id = 0;
  stopped->after_body = [&] {
    client().cancel(id);
    return true;
  };
  start(request, other);
  id = start(request, stopped);
  ASSERT_TRUE(wait([&] { return stopped->is_over() && other->is_over(); }));
  EXPECT_EQ(stopped->code(), "cancelled");
  EXPECT_EQ(other->code(), "");
  EXPECT_EQ(other->body_bytes, big_file_bytes);
}

TEST_F(TlsTest, GivesTheAnswerWhenHttp2TriesRunOut) {
  const auto answer = ask(post(nginx->url("good", "/again"), "x"));
  EXPECT_EQ(answer->head.status, 503);
  EXPECT_EQ(client().counters()["test"].retries, 2u);
}

}  // namespace
}  // namespace cofounder::test
