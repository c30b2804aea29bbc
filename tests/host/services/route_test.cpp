// SPDX-License-Identifier: Apache-2.0
#include "tests/host/services/service_fixture.hpp"

namespace cofounder::host::test {
namespace {

class RouteServiceTest : public ServiceTest {
 protected:
  std::shared_ptr<Call> request() {
    auto call = add_call(COF_CALL_ROUTE);
    call->route->sink.head = [this](int code, HeaderList list) {
      status = code;
      headers = std::move(list);
    };
    call->route->sink.piece = [this](std::string_view piece) {
      body += piece;
      return fast;
    };
    return call;
  }
  using HeaderList = std::vector<std::pair<std::string, std::string>>;
  int status = 0;
  HeaderList headers;
  std::string body;
  bool fast = true;
  const cof_route_service* route = table<cof_route_service>(COF_ROUTE_IID);
};

TEST_F(RouteServiceTest, StreamsUnderTheHeadThatWasSet) {
  load();
  const auto call = request();
  EXPECT_EQ(route->respond(host, call->id, 404, text("Content-Type: text/plain\nX-A:  b \n")),
            COF_OK);
  EXPECT_EQ(route->respond(host, call->id, 201, text("Content-Type: text/plain\nX-A:  b \n")),
            COF_OK);
  EXPECT_EQ(route->send(host, call->id, bytes("one "), 1), COF_OK);
  EXPECT_EQ(route->send(host, call->id, bytes("two"), 0), COF_OK);
  EXPECT_EQ(last(1).status, COF_OK);
  wait_for([&] { return body == "one two"; });
  EXPECT_EQ(status, 201);
  EXPECT_EQ(headers, (HeaderList{{"Content-Type", "text/plain"}, {"X-A", "b"}}));
  EXPECT_EQ(route->respond(host, call->id, 200, text("")), COF_EGONE) << "it was sent";
}

TEST_F(RouteServiceTest, RefusesWhatIsNoAnswer) {
  load();
  const auto call = request();
  const auto respond = [&](std::int32_t code, std::string_view lines) {
    return route->respond(host, call->id, code, text(lines));
  };
  EXPECT_EQ(respond(99, ""), COF_EINVALID);
  EXPECT_EQ(respond(600, ""), COF_EINVALID);
  EXPECT_EQ(respond(200, "No-End: x"), COF_EINVALID);
  EXPECT_EQ(respond(200, "no colon\n"), COF_EINVALID);
  EXPECT_EQ(respond(200, "Bad Name: x\n"), COF_EINVALID);
  EXPECT_EQ(respond(200, ": x\n"), COF_EINVALID);
  EXPECT_EQ(respond(200, "X: a\r\nInjected: b\n"), COF_EINVALID);
  EXPECT_EQ(respond(200, "Content-Length: 5\n"), COF_EINVALID);
  EXPECT_EQ(respond(200, "transfer-encoding: chunked\n"), COF_EINVALID);
  EXPECT_EQ(respond(200, std::string(65'537, 'x')), COF_EINVALID);
  EXPECT_EQ(route->respond(host, call->id, 200, broken_text), COF_EINVALID);
  EXPECT_EQ(route->respond(host, no_call, 200, text("")), COF_EGONE);
  EXPECT_EQ(route->respond(host, add_call(COF_CALL_OPERATION)->id, 200, text("")), COF_EINVALID);
  EXPECT_EQ(route->send(host, no_call, bytes("x"), 0), COF_EGONE);
  EXPECT_EQ(route->send(host, add_call(COF_CALL_OPERATION)->id, bytes("x"), 0), COF_EINVALID);
  EXPECT_EQ(route->send(host, call->id, {nullptr, 1}, 0), COF_EINVALID);
}

TEST_F(RouteServiceTest, ASlowClientHoldsThePluginBack) {
  load();
  const auto call = request();
  fast = false;
  EXPECT_EQ(route->send(host, call->id, bytes("first"), 1), COF_OK);
  wait_for([&] { return body == "first"; });
  EXPECT_TRUE(replies(1).empty()) << "no room yet";
  EXPECT_EQ(route->send(host, call->id, bytes("second"), 2), COF_ELIMIT);
  fast = true;
  call->route->on_drain();
  EXPECT_EQ(last(1).status, COF_OK);
  EXPECT_EQ(route->send(host, call->id, bytes("second"), 3), COF_OK);
  EXPECT_EQ(last(3).status, COF_OK);
  EXPECT_EQ(body, "firstsecond");
  EXPECT_TRUE(replies(2).empty()) << "not taken: no reply";
  EXPECT_EQ(call->route->bytes_waiting, 0);
}

TEST_F(RouteServiceTest, WhatTheLoopHasNotTakenYetIsBounded) {
  load();
  const auto call = request();
  const std::string piece(10'000, 'x');
  std::size_t taken = 0;
  while (route->send(host, call->id, bytes(piece), 0) == COF_OK && taken < 1'000) ++taken;
  EXPECT_EQ(taken, 27u);
  wait_for([&] { return body.size() == taken * piece.size(); });
  EXPECT_EQ(route->send(host, call->id, bytes(piece), 0), COF_OK);
}

TEST_F(RouteServiceTest, AClientThatWentAwayEndsIt) {
  load();
  const auto call = request();
  fast = false;
  EXPECT_EQ(route->send(host, call->id, bytes("first"), 1), COF_OK);
  wait_for([&] { return body == "first"; });
  cancel(*call);
  EXPECT_EQ(last(1).status, COF_ECANCELLED);
  EXPECT_EQ(route->send(host, call->id, bytes("x"), 2), COF_EGONE);
  end(call);
  EXPECT_FALSE(call->route->on_drain);
}

}  // namespace
}  // namespace cofounder::host::test
