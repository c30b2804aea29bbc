// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/base/loop.hpp"
#include "core/http/server.hpp"
#include "tests/support/http_peer.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>

namespace cofounder::test {

// A server on a loop with a thread of its own; the test's thread is the client.
class ServerTest : public ::testing::Test {
 protected:
  // Runs `action` on the loop and waits for it.
  template <class Action>
  auto on_loop(Action action) {
    std::packaged_task<decltype(action())()> task{std::move(action)};
    auto result = task.get_future();
    loop_.post([&task] { task(); });
    return result.get();
  }

  ServerTest() {
    std::string name = (std::filesystem::temp_directory_path() / "cof-http-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    path_ = folder_ / "control.sock";
  }
  ~ServerTest() override {
    end_server();
    std::filesystem::remove_all(folder_);
  }

  void end_server() {
    if (!thread_.joinable()) return;
    on_loop([this] { server_.reset(); });
    loop_.stop();
    thread_.join();
  }

  void serve(http::ServerHandler handler, http::Server::Options options = {}) {
    server_ = std::make_unique<http::Server>(loop_, options, std::move(handler));
    server_->listen_unix(path_, 0600, static_cast<gid_t>(-1));
    thread_ = std::thread{[this] { loop_.run(); }};
  }
  void serve(UniqueFunction<void(http::ServerRequest, http::Responder)> handle,
             http::Server::Options options = {}) {
    serve(http::ServerHandler{nullptr, std::move(handle)}, options);
  }

  // Looks at a state of the loop until it is so, at most 20 s.
  template <class Condition>
  bool becomes(Condition condition) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
    while (!on_loop(condition)) {
      if (std::chrono::steady_clock::now() > until) return false;
      std::this_thread::yield();
    }
    return true;
  }

  std::filesystem::path folder_;
  std::filesystem::path path_;
  Loop loop_;
  std::unique_ptr<http::Server> server_;
  std::thread thread_;
};

// Answers with what it was asked.
inline http::ServerResponse echo(const http::ServerRequest& request) {
  http::ServerResponse response;
  response.content_type = "text/plain";
  response.body = request.method + " " + request.path;
  for (const auto& [name, value] : request.query) response.body += " " + name + "=" + value;
  if (!request.body.empty()) response.body += "\n" + request.body;
  return response;
}

}  // namespace cofounder::test
