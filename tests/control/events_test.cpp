// SPDX-License-Identifier: Apache-2.0
#include "core/control/events.hpp"
#include "tests/control/control_fixture.hpp"

namespace cofounder::test {
namespace {

std::string subscribe(std::string_view query, std::string_view header = {}) {
  return "GET /v1/events" + std::string{query} + " HTTP/1.1\r\nHost: x\r\n" + std::string{header} +
         "\r\n";
}

// Collects the body of a stream until it contains `text`.
std::string follow(HttpPeer& peer, std::string_view text) {
  std::string body;
  while (body.find(text) == std::string::npos) body += peer.chunk().value();
  return body;
}

TEST_F(ControlTest, EventsOfATask) {
  start();
  HttpPeer stream{path_};
  stream.send(subscribe(""));
  const std::string head = stream.receive_until("\r\n\r\n");
  EXPECT_NE(head.find("text/event-stream"), std::string::npos);
  follow(stream, "newest\n\n");
  const std::string id = member(
      ask("POST", "/v1/tasks?wait=20s", R"({"op":"hello.greet","args":{"name":"x"}})"), "/id");
  const std::string events = follow(stream, "task.succeeded");
  const std::size_t submitted = events.find("event: task.submitted\ndata: {\"task\":\"" + id);
  const std::size_t started = events.find("event: task.started\ndata: {\"task\":\"" + id);
  EXPECT_NE(submitted, std::string::npos) << events;
  EXPECT_LT(submitted, started) << events;
  EXPECT_TRUE(on_loop([] { return !fake_plugins().delivered.empty(); }));
  on_loop([this] { control_->end_streams(); });
  while (stream.chunk()) {
  }
}

TEST_F(ControlTest, EventsResumeAndFilter) {
  start();
  on_loop([this] {
    control_->publish("a.one", "{\"n\":1}", 5, "a");
    control_->publish("b.two", "{\"n\":\n2}", 6, "b");
    control_->publish("a.three", "{\"n\":3}", 6, "a");
  });
  HttpPeer all{path_};
  all.send(subscribe("?since=0"));
  all.receive_until("\r\n\r\n");
  const std::string events = follow(all, "{\"n\":3}\n\n");
  EXPECT_NE(events.find("event: a.one\ndata: {\"n\":1}\n\n"), std::string::npos);
  EXPECT_NE(events.find("data: {\"n\": 2}\n\n"), std::string::npos);  // on one line
  const std::size_t at = events.find("id: ");
  const std::string first = events.substr(at + 4, events.find('\n', at) - at - 4);
  HttpPeer resumed{path_};
  resumed.send(subscribe("?since=0", "Last-Event-ID: " + first + "\r\n"));
  resumed.receive_until("\r\n\r\n");
  const std::string rest = follow(resumed, "a.three");
  EXPECT_EQ(rest.find("a.one"), std::string::npos);
  EXPECT_NE(rest.find("b.two"), std::string::npos);
  EXPECT_EQ(rest.find("gap"), std::string::npos);
  HttpPeer filtered{path_};
  filtered.send(subscribe("?since=0&plugin=a&task=" + to_string(TaskId{6})));
  filtered.receive_until("\r\n\r\n");
  const std::string one = follow(filtered, "a.three");
  EXPECT_EQ(one.find("a.one"), std::string::npos);
  EXPECT_EQ(one.find("b.two"), std::string::npos);
  HttpPeer lost{path_};  // its place is long gone
  lost.send(subscribe("?since=17"));
  lost.receive_until("\r\n\r\n");
  EXPECT_NE(follow(lost, "a.three").find("event: gap\ndata: {\"since\":17,\"first\":" + first),
            std::string::npos);
  EXPECT_EQ(ask("GET", "/v1/events?since=x").status, 400);
  EXPECT_EQ(ask("GET", "/v1/events?task=!").status, 400);
}

// An event stream of its own, small, behind a server.
class EventStreamTest : public ServerTest {
 protected:
  void start(EventStream::Options options) {
    events_ = std::make_unique<EventStream>(loop_, loop_.clock(), options);
    serve([this](http::ServerRequest, http::Responder responder) {
      events_->subscribe(std::move(responder), std::nullopt, {});
    });
  }
  ~EventStreamTest() override { end_server(); }
  std::unique_ptr<EventStream> events_;
};

TEST_F(EventStreamTest, SlowClientGetsAGapAndTheRestIsBounded) {
  start({.events_max = 100});
  HttpPeer slow{path_};
  slow.send(subscribe(""));
  ASSERT_TRUE(becomes([&] { return events_->clients() == 1; }));
  const std::string json = "{\"text\":\"" + std::string(4000, 'x') + "\"}";
  for (int burst = 0; burst < 40; ++burst) {
    on_loop([&] {
      for (int i = 0; i < 50; ++i) events_->publish("big", json, 0, {});
    });
  }
  on_loop([&] { events_->publish("last", "{}", 0, {}); });
  slow.receive_until("\r\n\r\n");
  const std::string all = follow(slow, "event: last\n");
  EXPECT_NE(all.find("event: gap\n"), std::string::npos);
  EXPECT_LT(all.size(), 40U * 50 * 4000);
}

TEST_F(EventStreamTest, ClientsAreLimitedAndKeptAlive) {
  start({.clients_max = 1, .keep_alive = Milliseconds{10}});
  HttpPeer one{path_};
  one.send(subscribe(""));
  one.receive_until("\r\n\r\n");
  follow(one, "newest\n\n");
  EXPECT_EQ(one.chunk(), ":\n\n");
  HttpPeer two{path_};
  EXPECT_EQ(two.request("GET", "/v1/events").status, 503);
  one.close();
  ASSERT_TRUE(becomes([&] { return events_->clients() == 0; }));
  HttpPeer three{path_};
  three.send(subscribe(""));
  three.receive_until("\r\n\r\n");
  EXPECT_EQ(on_loop([&] { return events_->clients(); }), 1U);
}

}  // namespace
}  // namespace cofounder::test
