// SPDX-License-Identifier: Apache-2.0
#include <cofounder/plugin.hpp>
#include <cofounder/testkit.hpp>

#include <gtest/gtest.h>

#include <chrono>

namespace {

namespace sdk = cofounder::sdk;
namespace testkit = cofounder::testkit;
using namespace std::chrono_literals;
using sdk::Context;
using sdk::HttpRequest;
using sdk::Json;
using sdk::Result;
using sdk::Task;
using testkit::HttpAnswer;

class Fetches : public sdk::Plugin {
 public:
  Fetches() {
    operation("get", &Fetches::get);
    operation("post", &Fetches::post);
    operation("form", &Fetches::form);
    operation("stream", &Fetches::stream);
    operation("batches", &Fetches::batches);
    operation("first", &Fetches::first);
    operation("impatient", &Fetches::impatient);
    operation("download", &Fetches::download);
  }

 private:
  Task<Json> get(Context ctx, Json args) {
    auto response = co_await ctx.http().get(args.at("url").get<std::string>());
    const sdk::HttpResponse& answer = response.value();
    co_return Json::object({{"status", answer.status},
                            {"body", answer.body},
                            {"type", answer.header("content-type")},
                            {"wait_ms", answer.retry_after.count()}});
  }
  Task<Json> post(Context ctx, Json args) {
    HttpRequest request{"POST", "https://example.org/"};
    request.header("X-One", "1").json(args);
    request.idempotent = true;
    request.tries_max = 5;
    request.retry_statuses = "420";
    request.connect_timeout = 10s;
    request.total_timeout = 30s;
    auto response = co_await ctx.http().send(request);
    co_return response.value().status;
  }
  Task<Json> form(Context ctx, Json args) {
    auto file = ctx.open(args.at("file").get<std::string>());
    file.value();
    const auto size = file->size();
    sdk::Multipart form{"XX"};
    form.field("na\"me", "a\"b")
        .file("file", file->name(), *file, 2, size.value() - 2, "image/png");
    HttpRequest request{"POST", "https://example.org/upload"};
    request.multipart(std::move(form));
    auto response = co_await ctx.http().send(request);
    co_return response.value().status;
  }
  Task<Result<Json>> stream(Context ctx, Json args) {
    HttpRequest request{"GET", "https://example.org/events"};
    const auto framing = static_cast<sdk::Framing>(args.at("framing").get<int>());
    auto opened = co_await ctx.http().stream(request, framing);
    if (!opened) co_return opened.failure();
    if (!opened->ok()) co_return Json::object({{"error", opened->error_body()}});
    Json items = Json::array();
    std::size_t bytes = 0;
    for (;;) {
      auto item = co_await opened->next();
      if (!item) co_return item.failure();
      if (!*item) break;
      bytes += (*item)->body.size();
      if (items.size() < 3) items.push_back((*item)->event + ":" + (*item)->id);
    }
    co_return Json::object({{"items", items}, {"bytes", bytes}});
  }
  // How many items each time were there without waiting.
  Task<Result<Json>> batches(Context ctx) {
    HttpRequest request{"GET", "https://example.org/events"};
    auto opened = co_await ctx.http().stream(request, sdk::Framing::sse);
    if (!opened) co_return opened.failure();
    Json sizes = Json::array();
    int size = 0;
    for (;;) {
      auto item = co_await opened->next();
      if (!item) co_return item.failure();
      if (!*item) break;
      ++size;
      if (opened->has_next()) continue;
      sizes.push_back(size);
      size = 0;
    }
    co_return sizes;
  }
  Task<Json> first(Context ctx) {
    HttpRequest request{"GET", "https://example.org/events"};
    auto opened = co_await ctx.http().stream(request, sdk::Framing::lines);
    auto item = co_await opened.value().next();
    co_return item.value().value().body;  // and the rest is dropped with the stream
  }
  Task<Json> impatient(Context ctx) {
    {
      auto dropped = ctx.http().get("https://example.org/never");
    }
    auto slept = co_await ctx.sleep(1s);
    slept.value();
    co_return true;
  }
  Task<Json> download(Context ctx, Json args) {
    auto file = ctx.create(args.at("to").get<std::string>());
    HttpRequest request{"GET", "https://example.org/file"};
    auto response = co_await ctx.http().download(request, file.value());
    response.value();
    file->commit().value();
    co_return true;
  }
};

class HttpTest : public testing::Test {
 protected:
  testkit::Host host{sdk::plugin_table<Fetches>()};
  void SetUp() override { host.start(); }
  void TearDown() override {
    host.stop();
    EXPECT_EQ(host.violations, std::vector<std::string>{});
    EXPECT_EQ(host.open_tags(), 0u);
    EXPECT_TRUE(host.transfers.empty());
    EXPECT_TRUE(host.open_files.empty());
  }
  const testkit::Ended& run(std::string_view op, std::string_view args = "{}") {
    auto& call = host.operation(op, args);
    host.run();
    EXPECT_TRUE(call.ended->ok() || call.ended->error_code != "exception")
        << call.ended->error_message;
    return call.ended.value();
  }
};

TEST_F(HttpTest, GetsAWholeAnswer) {
  HttpAnswer answer = HttpAnswer::text(429, "slow down");
  answer.headers = "content-type: text/plain\nx: y\n";
  answer.retry_after_ms = 2000;
  host.answer(answer);
  EXPECT_EQ(Json::parse(run("get", R"({"url": "https://example.org/a"})").result),
            Json::parse(R"({"status": 429, "body": "slow down", "type": "text/plain",
                            "wait_ms": 2000})"));
  EXPECT_EQ(host.requests.at(0).url, "https://example.org/a");
}

TEST_F(HttpTest, FailsWithTheReasonOfTheTransport) {
  host.answer(HttpAnswer::broken(COF_ETIMEDOUT));
  EXPECT_EQ(run("get", R"({"url": "https://example.org/"})").status, COF_ETIMEDOUT);
}

TEST_F(HttpTest, SendsAllThatARequestSays) {
  host.answer(HttpAnswer::text(201, ""));
  EXPECT_EQ(run("post", R"({"a": 1})").result, "201");
  const testkit::HttpSent& sent = host.requests.at(0);
  EXPECT_EQ(sent.method, "POST");
  EXPECT_EQ(sent.headers, "X-One: 1\nContent-Type: application/json\n");
  EXPECT_EQ(sent.body, R"({"a":1})");
  EXPECT_EQ(sent.flags, std::uint32_t{COF_HTTP_IDEMPOTENT});
  EXPECT_EQ(sent.tries_max, 5);
  EXPECT_EQ(sent.retry_statuses, "420");
  EXPECT_EQ(sent.connect_timeout_ms, 10'000);
  EXPECT_EQ(sent.total_timeout_ms, 30'000);
}

TEST_F(HttpTest, SendsAFormWithPartOfAFile) {
  host.files["/in/a.png"] = "0123456789";
  host.answer(HttpAnswer::text(200, ""));
  EXPECT_EQ(run("form", R"({"file": "/in/a.png"})").result, "200");
  EXPECT_EQ(host.requests.at(0).headers, "Content-Type: multipart/form-data; boundary=XX\n");
  EXPECT_EQ(host.requests.at(0).body,
            "--XX\r\nContent-Disposition: form-data; name=\"na%22me\"\r\n\r\na\"b\r\n"
            "--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\n"
            "Content-Type: image/png\r\n\r\n23456789\r\n--XX--\r\n");
}

TEST_F(HttpTest, NeverUsesABoundaryTwice) {
  EXPECT_NE(sdk::Multipart{}.content_type(), sdk::Multipart{}.content_type());
}

TEST_F(HttpTest, StreamsMoreThanTheWindow) {
  HttpAnswer answer;
  for (int i = 0; i < 300; ++i) answer.items.push_back({std::string(10'000, 'x')});
  host.answer(answer);
  EXPECT_EQ(Json::parse(run("stream", R"({"framing": 1})").result).at("bytes"), 3'000'000);
}

TEST_F(HttpTest, StreamsServerSentEvents) {
  HttpAnswer answer;
  answer.items = {{"a", "token", "1"}, {"b", "token", "2"}, {"", "done", ""}};
  host.answer(answer);
  EXPECT_EQ(Json::parse(run("stream", R"({"framing": 3})").result),
            Json::parse(R"({"items": ["token:1", "token:2", "done:"], "bytes": 2})"));
}

TEST_F(HttpTest, ItemsThatComeTogetherAreThereTogether) {
  HttpAnswer answer;
  answer.items = {{"a"}, {"b"}, {"c"}};
  answer.together = true;
  host.answer(answer);
  EXPECT_EQ(run("batches").result, "[3]");
  answer.together = false;
  host.answer(answer);
  EXPECT_EQ(run("batches").result, "[1,1,1]");
  // Less than what was allowed comes together; and the transport may break in between.
  for (int i = 0; i < 300; ++i) answer.items.push_back({std::string(10'000, 'x')});
  answer.together = true;
  answer.transport = COF_EUNAVAILABLE;
  host.answer(answer);
  EXPECT_EQ(run("batches").status, COF_EUNAVAILABLE);
}

TEST_F(HttpTest, GivesTheBodyOfAnAnswerThatIsNoSuccess) {
  host.answer(HttpAnswer::text(503, "down"));
  EXPECT_EQ(run("stream", R"({"framing": 3})").result, R"({"error":"down"})");
}

TEST_F(HttpTest, ReportsAStreamThatBreaks) {
  HttpAnswer answer;
  answer.items = {{"a"}, {"b"}};
  answer.transport = COF_EUNAVAILABLE;
  host.answer(answer);
  EXPECT_EQ(run("stream", R"({"framing": 2})").status, COF_EUNAVAILABLE);
  host.answer(HttpAnswer::broken(COF_EDENIED));
  EXPECT_EQ(run("stream", R"({"framing": 2})").status, COF_EDENIED);
}

TEST_F(HttpTest, CancelsAStreamThatIsDropped) {
  HttpAnswer answer;
  for (int i = 0; i < 100; ++i) answer.items.push_back({std::string(10'000, 'x')});
  host.answer(answer);
  EXPECT_EQ(run("first").status, COF_OK);
  EXPECT_EQ(host.http_cancels, 1);
}

TEST_F(HttpTest, CancelsARequestThatIsDropped) {
  host.answer(HttpAnswer::silence());
  auto& call = host.operation("impatient", "{}");
  EXPECT_EQ(host.http_cancels, 1);
  host.advance(1'000'000'000);
  EXPECT_EQ(call.ended->status, COF_OK);
}

TEST_F(HttpTest, EndsASilentRequestWhenTheCallIsCancelled) {
  host.answer(HttpAnswer::silence());
  auto& call = host.operation("get", R"({"url": "https://example.org/"})");
  host.run();
  EXPECT_FALSE(call.ended);
  host.cancel(call);
  host.run();
  EXPECT_EQ(call.ended->status, COF_ECANCELLED);
}

TEST_F(HttpTest, DownloadsIntoAFile) {
  host.answer(HttpAnswer::text(200, "content"));
  EXPECT_EQ(run("download", R"({"to": "/out/f"})").status, COF_OK);
  EXPECT_EQ(host.files.at("/out/f"), "content");
}

TEST(HttpWithoutTest, FailsWhenTheHostHasNoHttp) {
  testkit::Host host{sdk::plugin_table<Fetches>(), {.without = {COF_HTTP_IID}}};
  host.start();
  auto& call = host.operation("get", R"({"url": "https://example.org/"})");
  EXPECT_EQ(call.ended->status, COF_EUNSUPPORTED);
}

}  // namespace
