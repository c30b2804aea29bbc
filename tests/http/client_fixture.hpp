// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/loop.hpp"
#include "core/http/client.hpp"
#include "tests/support/fake_clock.hpp"
#include "tests/support/tiny_http_server.hpp"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace cofounder::test {

using namespace std::chrono_literals;

// What came of one request.
struct Answer {
  http::ResponseHead head;
  std::string body;
  std::optional<Error> error;
  int heads = 0;
  int ends = 0;
  bool is_kept = true;  // else the body is only counted
  std::uint64_t body_bytes = 0;
  std::function<bool()> after_body;

  std::string code() const { return error ? error->code : ""; }
  bool is_over() const { return ends > 0; }
};

// A loop with a client on it.  Time limits and waits follow `clock`, which stands still until a
// test moves it; sockets are real.
class ClientTest : public ::testing::Test {
 protected:
  ClientTest() { options.clock = &clock; }

  http::Client& client() {
    if (!client_) client_ = std::make_unique<http::Client>(loop, options);
    return *client_;
  }
  void destroy_client() { client_.reset(); }

  // Runs the loop until `done`; false: not within real `limit`.
  bool wait(const std::function<bool()>& done, std::chrono::seconds limit = 20s) {
    const auto until = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > until) return false;
      loop.context().restart();
      loop.context().run_one_for(50ms);
    }
    return true;
  }

  // As wait(), with the fake clock running fast, so that waits before tries pass.
  bool wait_with_time(const std::function<bool()>& done) {
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > until) return false;
      loop.context().restart();
      if (loop.context().run_one_for(2ms) == 0) clock.advance(500ms);
    }
    return true;
  }

  // Runs what is ready now, so that what should not come had its chance.
  void settle() {
    for (int quiet = 0; quiet < 3;) quiet = loop.poll() ? 0 : quiet + 1;
  }

  http::Client::Handle start(http::ClientRequest request, const std::shared_ptr<Answer>& answer) {
    http::ResponseHandler handler;
    handler.on_head = [answer](const http::ResponseHead& head) {
      EXPECT_EQ(answer->ends, 0);
      EXPECT_EQ(answer->body_bytes, 0u);
      answer->head = head;
      ++answer->heads;
    };
    handler.on_body = [answer](std::string_view bytes) {
      EXPECT_EQ(answer->heads, 1);
      EXPECT_EQ(answer->ends, 0);
      answer->body_bytes += bytes.size();
      if (answer->is_kept) answer->body.append(bytes);
      return answer->after_body ? answer->after_body() : true;
    };
    handler.on_end = [answer](std::optional<Error> error) {
      ++answer->ends;
      answer->error = std::move(error);
    };
    return client().start(std::move(request), std::move(handler));
  }
  std::shared_ptr<Answer> start(http::ClientRequest request) {
    auto answer = std::make_shared<Answer>();
    start(std::move(request), answer);
    return answer;
  }

  // The answer to `request`, waited for.
  std::shared_ptr<Answer> ask(http::ClientRequest request) {
    auto answer = start(std::move(request));
    EXPECT_TRUE(wait_with_time([&] { return answer->is_over(); }));
    settle();
    EXPECT_EQ(answer->ends, 1);
    return answer;
  }
  static http::ClientRequest get(std::string url) {
    http::ClientRequest request;
    request.url = std::move(url);
    request.owner = "test";
    return request;
  }
  static http::ClientRequest post(std::string url, std::string body) {
    http::ClientRequest request = get(std::move(url));
    request.method = "POST";
    request.body.emplace_back(std::move(body));
    return request;
  }

  Loop loop;
  FakeClock clock;
  http::Client::Options options;

 private:
  std::unique_ptr<http::Client> client_;
};

// In KiB.
inline long resident_kib(const char* field = "VmRSS:") {
  std::FILE* const file = std::fopen("/proc/self/status", "r");
  char line[256];
  long value = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::string_view{line}.starts_with(field)) {
      value = std::atol(line + std::string_view{field}.size());
    }
  }
  std::fclose(file);
  return value;
}

}  // namespace cofounder::test
