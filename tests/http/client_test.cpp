// SPDX-License-Identifier: Apache-2.0
#include "core/http/client_curl.hpp"
#include "tests/http/client_fixture.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <vector>

namespace cofounder::test {
namespace {

using http::Client;
using http::ClientRequest;

// What the server saw, for looking at afterwards.
class Seen {
 public:
  void add(const TinyRequest& request) {
    const std::lock_guard lock{mutex_};
    requests_.push_back(request);
  }
  std::vector<TinyRequest> all() {
    const std::lock_guard lock{mutex_};
    return requests_;
  }

 private:
  std::mutex mutex_;
  std::vector<TinyRequest> requests_;
};

TEST_F(ClientTest, GivesHeadBodyAndEnd) {
  TinyHttpServer server{TinyHttpServer::each([](TinyConnection& to, const TinyRequest&) {
    to.answer(201, "hello", "X-One: a\r\nx-one:  b \r\nEmpty:\r\n");
  })};

  const auto answer = ask(get(server.url("/path?query=1")));

  EXPECT_FALSE(answer->error);
  EXPECT_EQ(answer->heads, 1);
  EXPECT_EQ(answer->head.status, 201);
  EXPECT_EQ(answer->head.find("x-one"), "a");
  EXPECT_EQ(answer->head.find("empty"), "");
  EXPECT_EQ(std::count(answer->head.headers.begin(), answer->head.headers.end(),
                       std::pair<std::string, std::string>{"x-one", "b"}),
            1);
  EXPECT_EQ(answer->body, "hello");
}

TEST_F(ClientTest, SendsMethodsHeadersAndBodiesAsTheyAre) {
  Seen seen;
  TinyHttpServer server{TinyHttpServer::each([&](TinyConnection& to, const TinyRequest& request) {
    seen.add(request);
    to.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  })};
  options.user_agent = "cofounderd/test";

  for (const auto* method : {"GET", "HEAD", "DELETE", "POST", "PUT", "PATCH", "REPORT"}) {
    auto empty = get(server.url("/e"));
    empty.method = method;
    EXPECT_EQ(ask(std::move(empty))->code(), "");
    auto full = post(server.url("/f"), "body");
    full.method = method;
    full.headers = {{"X-Empty", ""}, {"Authorization", "Bearer secret"}};
    full.body.emplace_back(std::string{" and more"});
    if (std::string_view{method} != "HEAD") {
      EXPECT_EQ(ask(std::move(full))->code(), "");
    }
  }

  for (const TinyRequest& request : seen.all()) {
    SCOPED_TRACE(request.method + " " + request.target);
    EXPECT_EQ(request.headers.at("user-agent"), "cofounderd/test");
    EXPECT_FALSE(request.headers.contains("expect"));
    EXPECT_FALSE(request.headers.contains("content-type")) << "nobody gave one";
    const bool wants_body =
        request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
    if (request.target == "/e") {
      EXPECT_EQ(request.headers.contains("content-length"), wants_body);
      EXPECT_EQ(request.body, "");
    } else {
      EXPECT_EQ(request.body, "body and more");
      EXPECT_EQ(request.headers.at("x-empty"), "");
      EXPECT_EQ(request.headers.at("authorization"), "Bearer secret");
    }
  }
  EXPECT_EQ(seen.all().size(), 13u);
}

TEST_F(ClientTest, UsesConnectionsAgain) {
  TinyHttpServer server{
      TinyHttpServer::each([](TinyConnection& to, const TinyRequest&) { to.answer(200, "x"); })};

  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(get(server.url()))->body, "x");

  EXPECT_EQ(server.connections(), 1);
  EXPECT_EQ(client().open_connections(), 1);
  EXPECT_EQ(client().close(), 1);
  EXPECT_EQ(client().open_connections(), 0);
}

TEST_F(ClientTest, NeverHasMoreOnTheWireThanConnectionsPerHost) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  TinyHttpServer server{TinyHttpServer::each([&](TinyConnection& to, const TinyRequest&) {
    const int count = ++now;
    for (int old = most; old < count && !most.compare_exchange_weak(old, count);) {
    }
    --now;
    to.answer(200, "x");
  })};
  options.connections_per_host_max = 4;
  std::vector<std::shared_ptr<Answer>> answers;
  for (int i = 0; i < 200; ++i) answers.push_back(start(get(server.url())));
  for (const auto& answer : answers) ASSERT_TRUE(wait([&] { return answer->is_over(); }));

  EXPECT_LE(most, 4);
  EXPECT_LE(server.connections(), 4);
  for (const auto& answer : answers) EXPECT_EQ(answer->body, "x");
}

TEST_F(ClientTest, GivesEachOwnerItsOwnConnectionsToAHost) {
  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::string, int> held;
  bool is_open = false;
  TinyHttpServer server{TinyHttpServer::each([&](TinyConnection& to, const TinyRequest& request) {
    std::unique_lock lock{mutex};
    ++held[request.target];
    changed.wait(lock, [&] { return is_open; });
    lock.unlock();
    to.answer(200, "x");
  })};
  const auto open = [&] {
    const std::lock_guard lock{mutex};
    is_open = true;
    changed.notify_all();
  };
  const auto held_of = [&](const std::string& target) {
    const std::lock_guard lock{mutex};
    return held[target];
  };
  options.connections_per_host_max = 1;
  std::vector<std::shared_ptr<Answer>> answers;
  std::vector<Client::Handle> ids;
  const auto ask_for = [&](const std::string& owner, int connections) {
    auto request = get(server.url("/" + owner));
    request.owner = owner;
    request.connections_per_host_max = connections;
    request.connect_timeout = 5s;
    request.total_timeout = 0ms;
    request.idle_timeout = 0ms;
    answers.push_back(std::make_shared<Answer>());
    ids.push_back(start(std::move(request), answers.back()));
  };
  for (int i = 0; i < 20; ++i) ask_for("two", 2);
  for (int i = 0; i < 20; ++i) ask_for("eight", 8);
  ask_for("one", 0);
  ask_for("one", 0);
  ASSERT_TRUE(wait([&] {
    return held_of("/two") == 2 && held_of("/eight") == 8 && held_of("/one") == 1;
  }));
  settle();
  EXPECT_EQ(server.connections(), 11) << "no more than each may have";
  EXPECT_EQ(client().open_connections(), 11);

  // Those that wait are not in error, however long, and can be cancelled.
  clock.advance(1h);
  settle();
  for (const auto& answer : answers) EXPECT_EQ(answer->ends, 0);
  client().cancel(ids[19]);
  ASSERT_TRUE(wait([&] { return answers[19]->is_over(); }));
  EXPECT_EQ(answers[19]->code(), "cancelled");
  EXPECT_EQ(held_of("/two"), 2);

  open();
  for (const auto& answer : answers) ASSERT_TRUE(wait([&] { return answer->is_over(); }));
  EXPECT_EQ(held_of("/two"), 19);
  EXPECT_EQ(held_of("/eight"), 20);
  EXPECT_EQ(held_of("/one"), 2);
  EXPECT_LE(server.connections(), 11) << "connections are used again";
  for (std::size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i]->code(), i == 19 ? "cancelled" : "");
  }
}

TEST_F(ClientTest, RefusesWhatMustNotBeSent) {
  for (const auto* url :
       {"", "x", "http://example.com/", "http://10.0.0.1/", "http://127.0.0.1.example.com/",
        "http://localhost.example.com/", "ftp://127.0.0.1/", "file:///etc/passwd",
        "https://user:secret@example.com/", "https://", "http://[::2]/", "gopher://localhost/",
        "https://exa mple.com/", "http://128.0.0.1/", "https://example.com:99999/"}) {
    const auto answer = ask(get(url));
    EXPECT_EQ(answer->code(), "invalid_url") << url;
    EXPECT_EQ(answer->error->message.find("secret"), std::string::npos);
  }
  EXPECT_EQ(ask(get("https://example.com/" + std::string(20'000, 'x')))->code(), "invalid_url");

  const std::vector<http::Headers> bad = {{{"X-A", "one\r\nX-B: two"}},
                                          {{"X A", "b"}},
                                          {{"", "b"}},
                                          {{"Host", "elsewhere"}},
                                          {{"content-LENGTH", "5"}},
                                          {{"X", "a\n"}},
                                          {{"X:", "b"}},
                                          {{"Transfer-Encoding", "chunked"}},
                                          {{"X", std::string(70'000, 'x')}}};
  for (const auto& headers : bad) {
    auto request = get("https://example.com/");
    request.headers = headers;
    EXPECT_EQ(ask(std::move(request))->code(), "invalid_request");
  }
  for (const auto* method : {"", "GET /", "G\r\n", "CONNECT"}) {
    auto request = get("https://example.com/");
    request.method = method;
    EXPECT_EQ(ask(std::move(request))->code(), "invalid_request");
  }
}

TEST_F(ClientTest, DoesNotCallBeforeStartReturned) {
  auto answer = std::make_shared<Answer>();
  EXPECT_NE(start(get("nonsense"), answer), 0u);
  EXPECT_EQ(answer->ends, 0);
  ASSERT_TRUE(wait([&] { return answer->is_over(); }));
  EXPECT_EQ(answer->code(), "invalid_url");
}

TEST_F(ClientTest, LimitsWhatOneOwnerHasAtOnce) {
  TinyHttpServer server{[](TinyConnection& to) { to.wait_closed(); }};
  options.transfers_per_owner_max = 3;
  for (int i = 0; i < 3; ++i) start(get(server.url()));

  const auto answer = ask(get(server.url()));

  EXPECT_EQ(answer->code(), "limit_reached");
  EXPECT_TRUE(answer->error->retryable);
  auto other = get(server.url());
  other.owner = "other";
  const auto of_other = start(std::move(other));
  settle();
  EXPECT_FALSE(of_other->is_over());
  EXPECT_EQ(client().counters()["test"].active, 3);
}

TEST_F(ClientTest, CountsForEachOwner) {
  TinyHttpServer server{TinyHttpServer::each([](TinyConnection& to, const TinyRequest& request) {
    to.answer(request.target == "/bad" ? 404 : 200, std::string(1000, 'x'));
  })};
  ask(post(server.url("/good"), std::string(5000, 'y')));
  ask(get(server.url("/bad")));
  ask(get("nonsense"));

  const auto counters = client().counters();
  ASSERT_EQ(counters.size(), 1u);
  const auto& counter = counters.at("test");
  EXPECT_EQ(counter.started, 3u);
  EXPECT_EQ(counter.succeeded, 2u) << "any answer that came whole";
  EXPECT_EQ(counter.failed, 1u);
  EXPECT_EQ(counter.active, 0);
  EXPECT_GT(counter.bytes_sent, 5000u);
  EXPECT_LT(counter.bytes_sent, 6000u);
  EXPECT_GT(counter.bytes_received, 2000u);
  EXPECT_LT(counter.bytes_received, 2500u);
}

TEST_F(ClientTest, DoesNotFollowRedirects) {
  TinyHttpServer server{TinyHttpServer::each([](TinyConnection& to, const TinyRequest&) {
    to.answer(302, "", "Location: /elsewhere\r\n");
  })};
  const auto answer = ask(get(server.url()));
  EXPECT_EQ(answer->code(), "");
  EXPECT_EQ(answer->head.status, 302);
  EXPECT_EQ(answer->head.find("location"), "/elsewhere");
}

TEST_F(ClientTest, TakesLocalhostForLoopbackOnly) {
  TinyHttpServer server{
      TinyHttpServer::each([](TinyConnection& to, const TinyRequest&) { to.answer(200, "here"); })};
  EXPECT_EQ(ask(get("http://LOCALHOST:" + std::to_string(server.port()) + "/"))->body, "here");
}

TEST(Libcurl, MissingOrStrangeIsATypedError) {
  for (const char* name : {"libcurl-that-is-not-there.so.4", "libm.so.6"}) {
    const auto opened = http::open_curl(name);
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error().code, "http_unavailable");
    EXPECT_NE(opened.error().message.find(name), std::string::npos) << opened.error().message;
  }
  EXPECT_TRUE(http::open_curl("libcurl.so.4"));
}

}  // namespace
}  // namespace cofounder::test
