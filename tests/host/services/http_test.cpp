// SPDX-License-Identifier: Apache-2.0
#include "tests/host/services/http_fixture.hpp"

namespace cofounder::host::test {
namespace {

TEST_F(HttpServiceTest, AWholeAnswerIsHeadAndEnd) {
  load();
  auto wanted = request("/echo");
  wanted.method = text("POST");
  cof_http_part one{sizeof one, 0, bytes("body "), 0, 0, 0};
  cof_http_part two{sizeof two, 0, bytes("parts"), 0, 0, 0};
  const cof_http_part* parts[] = {&one, &two};
  wanted.parts = parts;
  wanted.part_count = 2;
  const auto got = run(wanted, 1);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[0].kind, COF_HTTP_HEAD);
  EXPECT_EQ(got[0].value, 200);
  EXPECT_NE(got[0].body.find("content-type: text/plain\n"), std::string::npos) << got[0].body;
  EXPECT_FALSE(got[0].last);
  EXPECT_EQ(got[1].kind, COF_HTTP_END);
  EXPECT_EQ(got[1].status, COF_OK);
  EXPECT_EQ(got[1].value, 200);
  EXPECT_EQ(got[1].value2, 15);
  EXPECT_EQ(got[1].body, "POST body parts");
  EXPECT_EQ(http->cancel(host, handle), COF_EGONE) << "it is over";
}

TEST_F(HttpServiceTest, LinesComeOneByOne) {
  load();
  auto wanted = request("/lines");
  wanted.framing = COF_HTTP_LINES;
  const auto got = run(wanted, 1);
  ASSERT_EQ(got.size(), 5u);
  EXPECT_EQ(got[1].kind, COF_HTTP_BODY);
  EXPECT_EQ(got[1].body, "one");
  EXPECT_EQ(got[2].body, "two");
  EXPECT_EQ(got[3].body, "three");
  EXPECT_EQ(got[4].kind, COF_HTTP_END);
  EXPECT_EQ(got[4].body, "");
  wanted.item_bytes_max = 2;
  EXPECT_EQ(start(wanted, 2), COF_OK);
  EXPECT_EQ(last(2).status, COF_ETOOBIG);
  EXPECT_EQ(last(2).code, "line_too_big");
}

TEST_F(HttpServiceTest, ServerSentEventsComeOneByOne) {
  load();
  auto wanted = request("/events");
  wanted.framing = COF_HTTP_SSE;
  const auto got = run(wanted, 1);
  ASSERT_EQ(got.size(), 4u);
  EXPECT_EQ(got[1].body, "a\nb");
  EXPECT_EQ(got[1].name, "token");
  EXPECT_EQ(got[1].id, "7");
  EXPECT_EQ(got[2].body, "c");
  EXPECT_EQ(got[3].status, COF_OK);
  // They were there at once, and say so.
  EXPECT_EQ(got[1].value, 1);
  EXPECT_EQ(got[2].value, 0);
}

TEST_F(HttpServiceTest, AnythingButSuccessComesWholeAndIsCut) {
  load();
  auto wanted = request("/fail");
  wanted.framing = COF_HTTP_LINES;
  const auto got = run(wanted, 1);
  ASSERT_EQ(got.size(), 2u);
  EXPECT_EQ(got[1].status, COF_OK);
  EXPECT_EQ(got[1].value, 400);
  EXPECT_EQ(got[1].body, std::string(65'536, 'f'));

  const auto waits = run(request("/wait"), 2);
  EXPECT_EQ(waits.back().value, 429);
  EXPECT_EQ(waits.back().retry_after_ms, 120'000);
}

TEST_F(HttpServiceTest, AnAnswerHasALimit) {
  plugin_config.limits.response_bytes_max = 2'000'000;
  load();
  auto wanted = request("/big");
  wanted.response_bytes_max = 1'000;
  EXPECT_EQ(start(wanted, 1), COF_OK);
  EXPECT_EQ(last(1).status, COF_ETOOBIG);
  EXPECT_EQ(last(1).code, "response_too_big");
  wanted.response_bytes_max = 100'000'000;
  EXPECT_EQ(start(wanted, 2), COF_OK);
  EXPECT_EQ(last(2).status, COF_ETOOBIG) << "the operator's limit holds, too";
  wanted.response_bytes_max = 0;
  wanted.framing = COF_HTTP_CHUNKS;
  std::size_t bytes = 0;
  for (const auto& reply : run(wanted, 3)) {
    if (reply.kind == COF_HTTP_BODY) bytes += reply.body.size();
  }
  EXPECT_EQ(bytes, 3'000'000u) << "a stream has none of its own";
  EXPECT_EQ(last(3).value2, 3'000'000);
}

TEST_F(HttpServiceTest, ASlowPluginSlowsTheTransfer) {
  load();
  plugin.hold(true);
  auto wanted = request("/stream");
  wanted.framing = COF_HTTP_CHUNKS;
  EXPECT_EQ(start(wanted, 1), COF_OK);
  // The server stops when the buffers of both kernels and the window are full.
  std::size_t before = 0;
  auto since = std::chrono::steady_clock::now();
  wait_for([&] {
    if (sent != before) {
      before = sent;
      since = std::chrono::steady_clock::now();
    }
    return before > 0 && std::chrono::steady_clock::now() - since > Milliseconds{300};
  });
  std::int64_t waiting = 0;
  {
    const std::lock_guard lock{plugin.mutex};
    waiting = static_cast<std::int64_t>(plugin.replies.size());
  }
  EXPECT_EQ(waiting, 1) << "reply() does not return";
  plugin.hold(false);
  EXPECT_EQ(last(1).status, COF_OK);
  EXPECT_EQ(last(1).value2, 6'553'600);
}

TEST_F(HttpServiceTest, WithPullNothingComesUnasked) {
  load();
  auto wanted = request("/lines");
  wanted.framing = COF_HTTP_LINES;
  wanted.flags = COF_HTTP_PULL;
  EXPECT_EQ(start(wanted, 1), COF_OK);
  const auto bodies = [&] {
    const auto got = replies(1);
    return std::count_if(got.begin(), got.end(),
                         [](const Got& reply) { return reply.kind == COF_HTTP_BODY; });
  };
  wait_for([&] { return !replies(1).empty(); });
  loop.poll();
  EXPECT_EQ(bodies(), 0);
  EXPECT_EQ(http->pull(host, handle, 1), COF_OK);
  wait_for([&] { return bodies() == 1; });
  EXPECT_EQ(http->pull(host, handle, 4), COF_OK) << "one item may overshoot";
  EXPECT_EQ(last(1).status, COF_OK) << "the end itself needs no pull";
  EXPECT_EQ(bodies(), 3);
  std::vector<std::int64_t> follows;
  for (const Got& reply : replies(1)) {
    if (reply.kind == COF_HTTP_BODY) follows.push_back(reply.value);
  }
  ASSERT_EQ(follows.size(), 3u);
  EXPECT_EQ(follows.front(), 0) << "the next one was there, but not allowed yet";
  EXPECT_EQ(follows.back(), 0);
  EXPECT_EQ(http->pull(host, handle, 1), COF_EGONE);
  EXPECT_EQ(start(request("/silence"), 2), COF_OK);
  EXPECT_EQ(http->pull(host, handle, 1), COF_EINVALID) << "it does not pull";
}

TEST_F(HttpServiceTest, EndsByItsHandleAndWithItsCall) {
  load();
  EXPECT_EQ(start(request("/silence"), 1), COF_OK);
  EXPECT_EQ(http->cancel(host, handle), COF_OK);
  EXPECT_EQ(last(1).status, COF_ECANCELLED);
  EXPECT_EQ(last(1).kind, COF_HTTP_END);
  EXPECT_EQ(http->cancel(host, handle), COF_EGONE);
  EXPECT_EQ(http->cancel(host, 0), COF_EGONE);

  const auto call = add_call(COF_CALL_OPERATION);
  EXPECT_EQ(start(request("/silence"), 2, call->id), COF_OK);
  loop.poll();
  cancel(*call);
  EXPECT_EQ(last(2).status, COF_ECANCELLED);
  EXPECT_EQ(start(request("/echo"), 3, call->id), COF_OK) << "after the cancel: time to clean up";
  EXPECT_EQ(last(3).status, COF_OK);

  const auto other = add_call(COF_CALL_OPERATION);
  EXPECT_EQ(start(request("/silence"), 4, other->id), COF_OK);
  loop.poll();
  end(other);
  EXPECT_EQ(last(4).status, COF_ECANCELLED);
  EXPECT_EQ(metric("cofounderd_plugin_left_open", "kind", "transfer"), 1);
  EXPECT_EQ(start(request("/echo"), 5, other->id), COF_EGONE);
}

TEST_F(HttpServiceTest, OnlyPermittedHosts) {
  manifest.permissions.http.push_back("setting:nested.base_url");
  manifest.permissions.http.push_back("setting:host");
  plugin_config.settings =
      R"({"nested":{"base_url":"https://Conf.example:8443/v1"},"host":"plain.example"})";
  load();
  auto wanted = request("/");
  wanted.connect_timeout_ms = 1;
  const auto to = [&](std::string_view target) {
    wanted.url = text(target);
    const auto status = start(wanted, 1);
    if (status == COF_OK) http->cancel(host, handle);
    return status;
  };
  EXPECT_EQ(to("https://api.example.org/x"), COF_OK);
  EXPECT_EQ(to("https://API.example.ORG/x"), COF_OK);
  EXPECT_EQ(to("https://a.cdn.example/"), COF_OK);
  EXPECT_EQ(to("https://conf.example/"), COF_OK);
  EXPECT_EQ(to("https://plain.example/"), COF_OK);
  EXPECT_EQ(to("https://cdn.example/"), COF_EDENIED);
  EXPECT_EQ(to("https://evilcdn.example/"), COF_EDENIED);
  EXPECT_EQ(to("https://example.org/"), COF_EDENIED);
  EXPECT_EQ(to("https://api.example.org.evil.test/"), COF_EDENIED);
  EXPECT_EQ(to("https://api.example.org@evil.test/"), COF_EDENIED);
  EXPECT_EQ(to("https://localhost/"), COF_EDENIED);
  EXPECT_EQ(to("http://api.example.org/"), COF_EDENIED) << "no http but to loopback";
  EXPECT_EQ(to("ftp://api.example.org/"), COF_EINVALID);
  EXPECT_EQ(to("file:///etc/passwd"), COF_EINVALID);
  EXPECT_EQ(to("not a url"), COF_EINVALID);
  EXPECT_EQ(to(""), COF_EINVALID);
}

TEST_F(HttpServiceTest, RefusesWhatIsNoRequest) {
  load();
  const auto with = [&](auto change) {
    auto wanted = request("/echo");
    change(wanted);
    return start(wanted, 1);
  };
  EXPECT_EQ(with([](auto& r) { r.method = text(""); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.method = text("GET /x"); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.headers = text("broken"); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.headers = text("A: b\rC: d\n"); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.headers = broken_text; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.flags = 4; }), COF_EUNSUPPORTED);
  EXPECT_EQ(with([](auto& r) { r.framing = 5; }), COF_EUNSUPPORTED);
  EXPECT_EQ(with([](auto& r) { r.framing = -1; }), COF_EUNSUPPORTED);
  EXPECT_EQ(with([](auto& r) { r.part_count = 1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.connect_timeout_ms = -1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.total_timeout_ms = -1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.idle_timeout_ms = -1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.retry_wait_max_ms = -1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.tries_max = -1; }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.retry_statuses = text("420,"); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.retry_statuses = text("42"); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.retry_statuses = text("a"); }), COF_EINVALID);
  EXPECT_EQ(with([](auto& r) { r.retry_statuses = text("420,423"); }), COF_OK);
  const auto wanted = request("/echo");
  EXPECT_EQ(start(wanted, 0), COF_EINVALID);
  EXPECT_EQ(start(wanted, 1, no_call), COF_EGONE);
  EXPECT_EQ(http->start(host, 0, nullptr, 1, nullptr), COF_EINVALID);
}

TEST_F(HttpServiceTest, TransfersOfAPluginHaveALimit) {
  plugin_config.limits.http_transfers_max = 2;
  load();
  EXPECT_EQ(start(request("/silence"), 1), COF_OK);
  const auto first = handle;
  EXPECT_EQ(start(request("/silence"), 2), COF_OK);
  EXPECT_EQ(start(request("/silence"), 3), COF_ELIMIT);
  EXPECT_EQ(http->cancel(host, first), COF_OK);
  last(1);
  EXPECT_EQ(start(request("/echo"), 4), COF_OK);
  EXPECT_EQ(last(4).status, COF_OK);
}

TEST_F(HttpServiceTest, TellsWhyNothingCame) {
  load();
  url = "http://127.0.0.1:1/";
  cof_http_request wanted{};
  wanted.struct_size = sizeof wanted;
  wanted.method = text("GET");
  wanted.url = text(url);
  wanted.tries_max = 1;
  EXPECT_EQ(start(wanted, 1), COF_OK);
  EXPECT_EQ(last(1).status, COF_EUNAVAILABLE);
  EXPECT_EQ(last(1).code, "connect_failed");
  EXPECT_TRUE(last(1).retryable);
}

}  // namespace
}  // namespace cofounder::host::test
