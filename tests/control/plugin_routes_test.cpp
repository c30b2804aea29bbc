// SPDX-License-Identifier: Apache-2.0
#include "tests/control/control_fixture.hpp"

namespace cofounder::test {
namespace {

class PluginRoutesTest : public ControlTest {
 protected:
  void start() {
    ControlTest::start();
    on_loop([] {
      auto& fake = fake_plugins();
      auto& hello = fake.plugins["hello"];
      fake.add_route(hello, "page", "GET", "/hello/{name}", "public");
      fake.add_route(hello, "act", "POST", "/hello/{name}", "operate");
    });
  }
  FakePlugins::Route* route(std::uint64_t id) {
    const bool is_there = becomes([&] { return fake_plugins().routes.contains(id); });
    return is_there ? &fake_plugins().routes[id] : nullptr;
  }
};

TEST_F(ControlTest, PluginsAreShownAndCommanded) {
  start();
  const auto list = ask("GET", "/v1/plugins");
  EXPECT_EQ(member(list, "/plugins/1/id"), "hello");
  EXPECT_EQ(member(list, "/plugins/1/operations/0/op"), "hello.greet");
  EXPECT_EQ(member(ask("GET", "/v1/plugins/hello"), "/isolation"), "in-process");
  EXPECT_NE(ask("GET", "/v1/plugins/hello").body.find("\"pid\":null"), std::string::npos);
  EXPECT_EQ(code(ask("GET", "/v1/plugins/none")), "unknown_plugin");
  EXPECT_EQ(ask("POST", "/v1/plugins/none/start").status, 404);
  EXPECT_EQ(member(ask("POST", "/v1/plugins/hello/stop"), "/state"), "stopped");
  EXPECT_EQ(member(ask("POST", "/v1/plugins/hello/start"), "/state"), "ready");
  EXPECT_EQ(member(ask("POST", "/v1/plugins/hello/restart"), "/state"), "ready");
  EXPECT_EQ(on_loop([] { return fake_plugins().commands; }),
            (std::vector<std::string>{"stop hello", "start hello", "stop hello", "start hello"}));
  on_loop([] { fake_plugins().plugins["hello"].start_error = make_error("start_failed", "no"); });
  const auto failed = ask("POST", "/v1/plugins/hello/reload");
  EXPECT_EQ(failed.status, 500);
  EXPECT_EQ(code(failed), "start_failed");
  EXPECT_EQ(member(failed, "/error/plugin"), "hello");
}

TEST_F(ControlTest, WhatAPluginUsesIsShown) {
  start();
  on_loop([] {
    PluginInfo& info = fake_plugins().plugins["hello"].info;
    info.calls = 3;
    info.failures = 1;
    info.latency_p50_ms = 20;
    info.latency_p99_ms = 7'000;
    for (const double seconds : {0.02, 0.02, 7.0}) info.durations.observe(seconds);
    info.cpu_seconds = 1.5;
    info.memory_bytes = 4'096;
    info.restarts = 2;
  });
  // The list says as much as the plugin alone.
  for (const std::string at : {"/v1/plugins", "/v1/plugins/hello"}) {
    const auto shown = ask("GET", at);
    const std::string in = at == "/v1/plugins" ? "/plugins/1" : "";
    EXPECT_EQ(member(shown, in + "/calls/total"), "3");
    EXPECT_EQ(member(shown, in + "/calls/failed"), "1");
    EXPECT_EQ(member(shown, in + "/calls/latency_p50_ms"), "20");
    EXPECT_EQ(member(shown, in + "/calls/latency_p99_ms"), "7000");
    const std::string histogram = in + "/latency_histogram/";
    EXPECT_EQ(member(shown, histogram + "count"), "3");
    EXPECT_EQ(member(shown, histogram + "sum"), "7.04");
    EXPECT_EQ(member(shown, histogram + "buckets/1/calls"), "0") << "up to 10 ms";
    EXPECT_EQ(member(shown, histogram + "buckets/2/calls"), "2") << "up to 25 ms";
    EXPECT_EQ(member(shown, histogram + "buckets/13/calls"), "3");
    EXPECT_EQ(member(shown, histogram + "buckets/13/seconds_max"), "null");
    EXPECT_EQ(member(shown, in + "/cpu_seconds"), "1.5");
    EXPECT_EQ(member(shown, in + "/memory_bytes"), "4096");
    EXPECT_EQ(member(shown, in + "/restarts"), "2");
  }
}

TEST_F(ControlTest, APluginsLastMishapIsTold) {
  start();
  const auto nothing = ask("GET", "/v1/plugins/hello/why");
  EXPECT_EQ(member(nothing, "/text"), "plugin \"hello\" is ready; nothing went wrong");
  EXPECT_EQ(member(nothing, "/last"), "null");
  EXPECT_EQ(code(ask("GET", "/v1/plugins/none/why")), "unknown_plugin");
  on_loop([] {
    PluginWhy& why = fake_plugins().plugins["hello"].why.emplace();
    why.when = Time{Milliseconds{1'000}};
    why.code = "plugin_crashed";
    why.what = "it ended with signal 11";
    why.signal = 11;
    why.backtrace = "#0 greet\n#1 invoke\n";
    why.calls = {"operation \"greet\" of task t, attempt 1"};
    why.lines = {"one", "two"};
  });
  const auto told = ask("GET", "/v1/plugins/hello/why");
  EXPECT_EQ(member(told, "/text"), "it ended with signal 11");
  EXPECT_EQ(member(told, "/last/at"), "1970-01-01T00:00:01.000Z");
  EXPECT_EQ(member(told, "/last/code"), "plugin_crashed");
  EXPECT_EQ(member(told, "/last/signal"), "11");
  EXPECT_EQ(member(told, "/last/backtrace/0"), "#0 greet");
  EXPECT_EQ(member(told, "/last/backtrace/1"), "#1 invoke");
  EXPECT_EQ(member(told, "/last/calls/0"), "operation \"greet\" of task t, attempt 1");
  EXPECT_EQ(member(told, "/last/log/1"), "two");
}

TEST_F(PluginRoutesTest, WholeAnswer) {
  start();
  HttpPeer peer{path_};
  peer.send("GET /hello/you?a=1 HTTP/1.1\r\nHost: x\r\nX-Y: z\r\n\r\n");
  auto* const call = route(1);
  ASSERT_NE(call, nullptr);
  const auto head = json::parse(call->call.head_json);
  EXPECT_EQ(call->call.plugin, "hello");
  EXPECT_EQ(call->call.route, "page");
  EXPECT_EQ(head->root().string_or("method", ""), "GET");
  EXPECT_EQ(head->root().find("params").string_or("name", ""), "you");
  EXPECT_EQ(head->root().find("query").text(), R"([["a","1"]])");
  EXPECT_EQ(head->root().find("headers").text(), R"([["host","x"],["x-y","z"]])");
  EXPECT_EQ(head->root().find("peer").integer_or("uid", -1), static_cast<int>(::getuid()));
  on_loop([&] {
    call->sink.head(201, {{"content-type", "text/plain"}, {"X-Hello", "1"}});
    call->sink.piece("hi");
    call->sink.end(std::nullopt);
  });
  const auto response = peer.response();
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.headers.at("content-type"), "text/plain");
  EXPECT_EQ(response.headers.at("content-length"), "2");
  EXPECT_EQ(response.headers.at("x-hello"), "1");
  EXPECT_EQ(response.body, "hi");
}

TEST_F(PluginRoutesTest, StreamedAnswerBackPressureAndAbort) {
  start();
  HttpPeer peer{path_};
  peer.send("GET /hello/you HTTP/1.1\r\nHost: x\r\n\r\n");
  auto* const call = route(1);
  ASSERT_NE(call, nullptr);
  on_loop([&] {
    call->sink.head(200, {});
    call->sink.piece("first");
  });
  peer.receive_until("\r\n\r\n");
  EXPECT_EQ(peer.chunk(), "first");
  const std::string piece(64u << 10, 'p');
  std::size_t written = 0;
  ASSERT_TRUE(becomes([&] {
    written += piece.size();
    return !call->sink.piece(piece);
  }));
  std::size_t got = 0;
  while (got < written) got += peer.chunk()->size();
  EXPECT_TRUE(becomes([&] { return call->drained == 1; }));
  on_loop([&] { call->sink.end(make_error("broken", "half way")); });
  EXPECT_EQ(peer.receive(), std::nullopt);  // no last chunk: the client sees that it is not whole
}

TEST_F(PluginRoutesTest, GoneClientCancelsTheCall) {
  start();
  {
    HttpPeer peer{path_};
    peer.send("GET /hello/you HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_NE(route(1), nullptr);
  }
  EXPECT_TRUE(becomes([&] { return fake_plugins().routes[1].is_cancelled; }));
  on_loop([&] { fake_plugins().routes[1].sink.end(make_error("cancelled", "gone")); });
}

TEST_F(PluginRoutesTest, FailuresLimitsAndStates) {
  start();
  HttpPeer peer{path_};
  peer.send("POST /hello/you HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
  auto* const call = route(1);
  ASSERT_NE(call, nullptr);
  EXPECT_EQ(call->call.body, "body");
  on_loop([&] { call->sink.end(make_error("not_found", "nobody of that name")); });
  const auto failed = peer.response();
  EXPECT_EQ(failed.status, 404);
  EXPECT_EQ(member(failed, "/error/plugin"), "hello");
  EXPECT_EQ(ask("DELETE", "/hello/you").headers.at("allow"), "GET, POST");
  EXPECT_EQ(HttpPeer{path_}.request("POST", "/hello/you", std::string(101, 'x')).status, 413);
  on_loop([] { fake_plugins().plugins["hello"].info.state = PluginState::stopped; });
  const auto stopped = ask("GET", "/hello/you");
  EXPECT_EQ(stopped.status, 503);
  EXPECT_EQ(code(stopped), "plugin_unavailable");
}

TEST_F(PluginRoutesTest, PublicListenerServesPublicRoutesOnly) {
  start();
  const auto open = folder_ / "open.sock";
  std::optional<http::Server> server;
  on_loop([&] {
    server.emplace(loop_, http::Server::Options{}, control_->public_handler());
    server->listen_unix(open, 0600, static_cast<gid_t>(-1));
  });
  HttpPeer peer{open};
  for (const char* path : {"/v1/status", "/v1/tasks", "/v1/openapi.json", "/v1/nothing"}) {
    EXPECT_EQ(peer.request("GET", path).status, 404) << path;
  }
  EXPECT_EQ(peer.request("POST", "/hello/you").status, 404);  // it is for operators
  peer.send("GET /hello/you HTTP/1.1\r\nHost: x\r\n\r\n");
  auto* const call = route(1);
  ASSERT_NE(call, nullptr);
  on_loop([&] {
    call->sink.head(200, {});
    call->sink.end(std::nullopt);
  });
  EXPECT_EQ(peer.response().status, 200);
  on_loop([&] { server.reset(); });
}

}  // namespace
}  // namespace cofounder::test
