// SPDX-License-Identifier: Apache-2.0
#include <cofounder/plugin.hpp>
#include <cofounder/testkit.hpp>

#include <gtest/gtest.h>

namespace {

namespace sdk = cofounder::sdk;
namespace testkit = cofounder::testkit;
using sdk::Context;
using sdk::Json;
using sdk::Result;
using sdk::RouteRequest;
using sdk::RouteResponse;
using sdk::Task;

class Routes : public sdk::Plugin {
 public:
  Routes() {
    route("show", &Routes::show);
    route("login", &Routes::login);
    route("stream", &Routes::stream);
    route("missing", &Routes::missing);
  }

 private:
  RouteResponse show(const RouteRequest& request) {
    return Json::object({{"provider", request.params.at("provider")},
                         {"q", request.param("q").value_or("none")},
                         {"agent", request.header("user-agent")},
                         {"base", request.base_url},
                         {"uid", request.peer.at("uid")},
                         {"body", request.body}});
  }
  Task<RouteResponse> login(Context ctx) {
    auto slept = co_await ctx.sleep(std::chrono::seconds{1});
    slept.value();
    co_return RouteResponse::redirect("https://example.org/auth");
  }
  Task<Result<RouteResponse>> stream(Context ctx, RouteRequest) {
    const sdk::HttpHeaders headers{{"Content-Type", "text/event-stream"}};
    const sdk::RouteStream out{ctx, 200, headers};
    for (int i = 0; i < 3; ++i) {
      const std::string piece = "data: " + std::to_string(i) + "\n\n";
      auto sent = co_await out.send(piece);
      if (!sent) co_return sent.failure();
    }
    co_return sdk::RouteStream::end();
  }
  Result<RouteResponse> missing() {
    return sdk::Failure{COF_ENOTFOUND, "no_such_thing", "It is not here."};
  }
};

class RouteTest : public testing::Test {
 protected:
  testkit::Host host{sdk::plugin_table<Routes>()};
  void SetUp() override { host.start(); }
  void TearDown() override {
    host.stop();
    EXPECT_EQ(host.violations, std::vector<std::string>{});
  }
};

TEST_F(RouteTest, SeesTheWholeRequest) {
  const auto& call =
      host.route("show", R"({"method": "POST", "path": "/oauth/x", "params": {"provider": "x"},
                  "query": [["q", "1"], ["q", "2"]], "headers": [["user-agent", "me"]],
                  "base_url": "https://host", "peer": {"uid": 7}})",
                 "the body");
  EXPECT_EQ(Json::parse(call.ended->result),
            Json::parse(R"({"provider": "x", "q": "1", "agent": "me", "base": "https://host",
                            "uid": 7, "body": "the body"})"));
  EXPECT_EQ(call.http_status, 200);
  EXPECT_EQ(call.http_headers, "Content-Type: application/json\n");
}

TEST_F(RouteTest, RefusesAHeadThatIsNoRequest) {
  EXPECT_EQ(host.route("show", "{}").ended->status, COF_EINTERNAL);
}

TEST_F(RouteTest, AnswersLater) {
  const auto& call = host.route("login", R"({"method": "GET", "path": "/"})");
  host.advance(1'000'000'000);
  EXPECT_EQ(call.ended->status, COF_OK);
  EXPECT_EQ(call.http_status, 303);
  EXPECT_EQ(call.http_headers, "Location: https://example.org/auth\n");
}

TEST_F(RouteTest, StreamsPieceByPiece) {
  const auto& call = host.route("stream", R"({"method": "GET", "path": "/"})");
  EXPECT_EQ(call.sent.size(), 1u) << "the second piece waits until there is room";
  host.run();
  EXPECT_EQ(call.sent.size(), 3u);
  EXPECT_EQ(call.ended->status, COF_OK);
  EXPECT_EQ(call.ended->result, "");
  EXPECT_EQ(call.http_headers, "Content-Type: text/event-stream\n");
}

TEST_F(RouteTest, StopsStreamingWhenTheClientGoesAway) {
  auto& call = host.route("stream", R"({"method": "GET", "path": "/"})");
  host.cancel(call);
  host.run();
  EXPECT_EQ(call.ended->status, COF_EGONE);
  EXPECT_EQ(call.sent.size(), 1u);
}

TEST_F(RouteTest, FailsWithAStatus) {
  const auto& call = host.route("missing", R"({"method": "GET", "path": "/"})");
  EXPECT_EQ(call.ended->status, COF_ENOTFOUND);
  EXPECT_EQ(call.ended->error_code, "no_such_thing");
}

}  // namespace
