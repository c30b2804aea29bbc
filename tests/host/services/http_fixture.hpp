// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/host/services/service_fixture.hpp"
#include "tests/simulators/http_server.hpp"

#include <atomic>

namespace cofounder::host::test {

class HttpServiceTest : public ServiceTest {
 protected:
  HttpServiceTest() { manifest.permissions.http = {"127.0.0.1", "api.example.org", "*.cdn.example"}; }

  // What the server at the other end does, by path.
  simulator::Response answer(const simulator::Request& request) {
    simulator::Response response;
    response.content_type = "text/plain";
    if (request.path == "/echo") {
      response.body = request.method + " " + request.body;
    } else if (request.path == "/big") {
      response.body = std::string(3'000'000, 'b');
    } else if (request.path == "/fail") {
      response.status = 400;
      response.body = std::string(100'000, 'f');
    } else if (request.path == "/lines") {
      response.body = "one\ntwo\r\n\nthree";
    } else if (request.path == "/events") {
      response.body = "id: 7\nevent: token\ndata: a\ndata: b\n\ndata: c\n\ndata: lost";
    } else if (request.path == "/wait") {
      response.headers = {{"Retry-After", "120"}};
      response.status = 429;
    } else if (request.path == "/stream") {
      response.stream = [this, left = 100]() mutable -> std::optional<std::string> {
        if (left-- == 0) return std::nullopt;
        sent += 65'536;
        return std::string(65'536, 's');
      };
    } else if (request.path == "/empty") {
      response.body = "";
    } else if (request.path == "/silence") {
      response.stream = [this]() -> std::optional<std::string> {
        std::unique_lock lock{plugin.mutex};
        plugin.changed.wait(lock, [this] { return released; });
        return std::nullopt;
      };
    }
    return response;
  }
  void TearDown() override {
    {
      const std::lock_guard lock{plugin.mutex};
      released = true;
    }
    plugin.changed.notify_all();
    ServiceTest::TearDown();
  }

  cof_http_request request(std::string_view path) {
    url = "http://127.0.0.1:" + std::to_string(server.port()) + std::string{path};
    cof_http_request request{};
    request.struct_size = sizeof request;
    request.method = text("GET");
    request.url = text(url);
    request.tries_max = 1;
    return request;
  }
  std::int32_t start(const cof_http_request& wanted, std::uint64_t tag, std::uint64_t call = 0) {
    return http->start(host, call, &wanted, tag, &handle);
  }
  std::vector<Got> run(const cof_http_request& wanted, std::uint64_t tag) {
    EXPECT_EQ(start(wanted, tag), COF_OK);
    last(tag);
    return replies(tag);
  }

  bool released = false;
  std::atomic<std::size_t> sent{0};
  std::uint64_t handle = 0;
  std::string url;
  const cof_http_service* http = table<cof_http_service>(COF_HTTP_IID);
  simulator::HttpServer server{0, [this](const simulator::Request& r) { return answer(r); }};
};

}  // namespace cofounder::host::test
