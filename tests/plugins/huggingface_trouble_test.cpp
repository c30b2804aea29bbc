// SPDX-License-Identifier: Apache-2.0
// The huggingface plugin when the provider is slow, full, loading or broken.
#include "tests/plugins/huggingface_fixture.hpp"

namespace {

using cofounder::testkit::HttpAnswer;
using Json = nlohmann::json;

constexpr std::int64_t ms = 1'000'000;

HttpAnswer loading(double seconds) {
  HttpAnswer answer =
      HttpAnswer::text(503, Json{{"error", "Model org/x is currently loading"}, {"estimated_time", seconds}}.dump());
  answer.headers = "content-type: application/json\n";
  return answer;
}

// The providers' facts, row 12: "HF 503": two 503 with estimated_time 0.2 then 200 -> one result.
TEST_F(HuggingFacePluginTest, WaitsForAModelThatIsBeingLoaded) {
  host.start(config().dump());
  for (auto [op, args] : asking()) {
    SCOPED_TRACE(op);
    scripted = {loading(0.2), loading(0.2)};
    const auto before = host.requests.size();
    auto& call = host.operation(op, args.dump());
    host.run();
    host.advance(199 * ms);
    EXPECT_EQ(host.requests.size(), before + 1) << "it waits as long as it was told to";
    host.advance(2 * ms);
    EXPECT_EQ(host.requests.size(), before + 2);
    host.advance(1000 * ms);
    ASSERT_TRUE(call.ended.has_value());
    EXPECT_TRUE(call.ended->ok()) << call.ended->error_message;
  }
}

// The providers' facts, row 12: "HF 503": endless 503 -> gives up after the cap.
TEST_F(HuggingFacePluginTest, GivesUpOnAModelThatNeverLoads) {
  host.start(config().dump());
  host.on_request = [](const auto&) { return loading(0.2); };
  const std::int64_t began = host.now_ns;
  auto& call = host.operation("chat", hello({{"wait_max_seconds", 5}, {"stream", true}}).dump());
  while (!call.ended && host.now_ns - began < 60'000 * ms) host.advance(100 * ms);
  ASSERT_TRUE(call.ended.has_value());
  EXPECT_EQ(call.ended->error_code, "model_loading");
  EXPECT_EQ(call.ended->retryable, 1);
  EXPECT_LE(host.now_ns - began, 5'200 * ms);
  EXPECT_LT(host.requests.size(), 15u) << "the waits grow";
  EXPECT_GT(host.requests.size(), 3u);
  EXPECT_TRUE(host.usages.empty()) << "nothing was billed";
}

TEST_F(HuggingFacePluginTest, ALongLoadIsLeftToTheNextAttempt) {
  host.start(config().dump());
  scripted = {loading(600)};
  const auto& call = host.operation("chat", hello().dump());
  host.run();
  ASSERT_TRUE(call.ended.has_value()) << "it does not sit and wait";
  EXPECT_EQ(call.ended->error_code, "model_loading");
  EXPECT_EQ(call.ended->retry_after_ms, 600'000);
  EXPECT_EQ(call.ended->status, COF_EUNAVAILABLE);
}

TEST_F(HuggingFacePluginTest, RateLimitsAreWaitedForOrLeftToTheNextAttempt) {
  host.start(config().dump());
  const auto limited = [](std::int64_t after_ms) {
    HttpAnswer answer = HttpAnswer::text(429, R"({"error":"slow down"})");
    answer.retry_after_ms = after_ms;
    return answer;
  };
  scripted = {limited(2000)};
  auto& soon = host.operation("chat", hello().dump());
  host.run();
  EXPECT_FALSE(soon.ended);
  host.advance(2001 * ms);
  ASSERT_TRUE(soon.ended.has_value());
  EXPECT_TRUE(soon.ended->ok());
  scripted = {limited(3'600'000)};
  const auto& later = host.operation("chat", hello().dump());
  host.run();
  ASSERT_TRUE(later.ended.has_value());
  EXPECT_EQ(later.ended->error_code, "rate_limited");
  EXPECT_EQ(later.ended->status, COF_ELIMIT);
  EXPECT_EQ(later.ended->retry_after_ms, 3'600'000);
  scripted = {limited(100), limited(100), limited(100), limited(100)};
  EXPECT_EQ(code("chat", hello()), "rate_limited");
  EXPECT_EQ(scripted.size(), 1u) << "three tries";
}

TEST_F(HuggingFacePluginTest, BadRequestsAndEmptyPursesAreFinal) {
  host.start(config().dump());
  for (const auto& [status, wanted] : std::map<int, std::string>{
           {400, "bad_request"}, {401, "unauthorized"}, {402, "payment_required"}, {403, "forbidden"},
           {404, "not_found"}, {410, "gone"}, {413, "too_large"}, {422, "bad_request"}}) {
    for (auto [op, args] : asking()) {
      for (const bool stream : {false, true}) {
        if (stream && (op == "embed" || op == "image")) continue;
        if (stream) args["stream"] = true;
        scripted = {json_answer(status, {{"error", "because"}})};
        const auto sent = host.requests.size();
        const auto ended = failure(op, args);
        EXPECT_EQ(ended.error_code, wanted) << op << status;
        EXPECT_NE(ended.retryable, 1);
        EXPECT_NE(ended.error_message.find("because"), std::string::npos);
        EXPECT_EQ(host.requests.size(), sent + 1);
      }
    }
  }
  EXPECT_TRUE(host.usages.empty());
}

TEST_F(HuggingFacePluginTest, TheTransportsFailureIsTriedAgainAndThenTheCalls) {
  host.start(config().dump());
  for (auto [op, args] : asking()) {
    scripted = {HttpAnswer::broken(COF_EUNAVAILABLE), HttpAnswer::broken(COF_ETIMEDOUT)};
    result(op, args);
    scripted = {HttpAnswer::broken(COF_EUNAVAILABLE), HttpAnswer::broken(COF_EUNAVAILABLE), HttpAnswer::broken(COF_EUNAVAILABLE)};
    EXPECT_EQ(failure(op, args).status, COF_EUNAVAILABLE);
    scripted = {HttpAnswer::broken(COF_EDENIED)};
    EXPECT_EQ(failure(op, args).status, COF_EDENIED);
    EXPECT_TRUE(scripted.empty());
  }
}

TEST_F(HuggingFacePluginTest, AStreamThatBreaksFailsAndIsWrittenDown) {
  host.start(config().dump());
  const std::string token = R"(data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]})" "\n\n";
  const std::string end = R"(data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})" "\n\n";
  const std::string usage = R"(data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}})" "\n\n";
  const auto answered = [&](const std::string& body, std::int32_t transport = COF_OK) {
    HttpAnswer answer = as_events(body);
    answer.transport = transport;
    scripted = {std::move(answer)};
    return run("chat", hello({{"stream", true}})).ended.value();
  };
  const auto cut = answered(token + token);
  EXPECT_EQ(cut.error_code, "stream_cut");
  EXPECT_EQ(cut.retryable, 1);
  ASSERT_EQ(host.usages.size(), 1u);
  EXPECT_TRUE(host.usages[0].failed);
  EXPECT_EQ(host.usages[0].known, std::uint32_t{COF_USAGE_DURATION}) << "how many tokens is not known";
  EXPECT_EQ(answered(token, COF_EUNAVAILABLE).status, COF_EUNAVAILABLE);
  EXPECT_TRUE(host.usages.back().failed);
  const auto error = answered(token + usage + "data: {\"error\":{\"message\":\"overloaded\"}}\n\n");
  EXPECT_EQ(error.error_code, "provider_error");
  EXPECT_NE(error.error_message.find("overloaded"), std::string::npos);
  EXPECT_TRUE(host.usages.back().failed);
  EXPECT_EQ(host.usages.back().output_tokens, 2) << "failed, but billed";
  EXPECT_EQ(answered(token + "data: {not json}\n\n").error_code, "bad_answer");
  EXPECT_EQ(answered(token + "data: {\"choices\":7}\n\n").error_code, "bad_answer");
  // Whole, although the connection broke before [DONE].
  EXPECT_TRUE(answered(token + end, COF_EUNAVAILABLE).ok());
  EXPECT_FALSE(host.usages.back().failed);
  scripted = {json_answer(200, Json::object())};
  const auto type = run("chat", hello({{"stream", true}})).ended.value();
  EXPECT_EQ(type.error_code, "bad_answer");
  EXPECT_NE(type.error_message.find("content-type"), std::string::npos);
}

TEST_F(HuggingFacePluginTest, WhateverComesIsOneTypedError) {
  host.start(config().dump());
  const std::string deep(100'000, '[');
  for (const std::string& body : {std::string{}, std::string{"<html></html>"}, std::string{"null"}, std::string{"7"},
                                  std::string{"{\"choices\": 1e999}"}, std::string{"\xff\xfe{\0}"}, std::string{"{\"choices\":["},
                                  deep}) {
    for (auto [op, args] : asking()) {
      HttpAnswer answer = HttpAnswer::text(200, body);
      answer.headers = "content-type: application/json\n";
      scripted = {std::move(answer)};
      const auto ended = failure(op, args);
      EXPECT_EQ(ended.error_code, "bad_answer") << op << body.substr(0, 40);
      EXPECT_EQ(ended.retryable, 1);
    }
  }
}

// The host takes UTF-8 only, and a provider's proxy may speak anything.
TEST_F(HuggingFacePluginTest, OtherCharsetsEndAsTypedErrorsToo) {
  host.start(config().dump());
  std::string umlauts;  // whose 500th byte is in the middle of a character
  for (int i = 0; i < 400; ++i) umlauts += "\xc3\xa4";
  const std::vector<std::pair<std::string, std::string>> refusals{
      {"text/plain; charset=iso-8859-1", "mod\xe8le inconnu"}, {"text/plain; charset=utf-16", std::string("\xff\xfe" "n\0o\0", 6)},
      {"text/plain", "x" + umlauts}, {"application/json", R"({"error":"x)" + umlauts + "\"}"},
      {"application/json; charset=iso-8859-1", "{\"error\":\"mod\xe8le\"}"}, {"", std::string(600, '\x80')}};
  for (const auto& [type, body] : refusals) {
    for (const bool stream : {false, true}) {
      HttpAnswer answer = HttpAnswer::text(400, body);
      answer.headers = "content-type: " + type + "\n";
      scripted = {std::move(answer)};
      EXPECT_EQ(code("chat", hello({{"stream", stream}})), "bad_request") << type << stream;
    }
  }
  HttpAnswer latin = as_events("data: {\"choices\":[{\"delta\":{\"content\":\"\xe8\"}}]}\n\n");
  scripted = {std::move(latin)};
  EXPECT_EQ(code("chat", hello({{"stream", true}})), "bad_answer");
  // A character in two tokens' escapes is no text either, but JSON that parsers let pass or not.
  HttpAnswer half = as_events(R"(data: {"choices":[{"delta":{"content":"\ud83d"}}]})" "\n\n");
  scripted = {std::move(half)};
  EXPECT_EQ(code("chat", hello({{"stream", true}})), "bad_answer");
}

TEST_F(HuggingFacePluginTest, AStreamThatNeverEndsIsStopped) {
  host.start(config().dump());
  const auto endless = [](const std::string& event, int times) {
    HttpAnswer answer;
    answer.headers = "content-type: text/event-stream\n";
    for (int i = 0; i < times; ++i) answer.items.push_back({event});
    return answer;
  };
  const std::string text(100'000, 'x');
  scripted = {endless(Json{{"choices", {{{"delta", {{"content", text}}}}}}}.dump(), 50)};
  EXPECT_EQ(code("chat", hello({{"stream", true}})), "answer_too_big");
  scripted = {endless(Json{{"choices", {{{"delta", {{"reasoning_content", text}}}}}}}.dump(), 50)};
  EXPECT_EQ(code("chat", hello({{"stream", true}})), "answer_too_big");
  scripted = {endless(Json{{"choices", {{{"text", text}}}}}.dump(), 50)};
  EXPECT_EQ(code("generate", {{"model", "org/lm"}, {"prompt", "x"}, {"stream", true}}), "answer_too_big");
  // Calls of tools, none of which is too big alone.
  Json calls = Json::array();
  for (int i = 0; i < 128; ++i) calls.push_back({{"index", i}, {"id", "a"}, {"function", {{"name", "f"}, {"arguments", text.substr(0, 10'000)}}}});
  scripted = {endless(Json{{"choices", {{{"delta", {{"tool_calls", calls}}}}}}}.dump(), 5)};
  EXPECT_EQ(code("chat", hello({{"stream", true}})), "answer_too_big");
  EXPECT_TRUE(host.transfers.empty()) << "nobody listens on";
}

TEST_F(HuggingFacePluginTest, ACancelledStreamIsWrittenDownAsBilled) {
  host.start(config().dump());
  HttpAnswer slow = as_events(R"(data: {"choices":[{"index":0,"delta":{"content":"a"}}]})" "\n\n");
  for (int i = 0; i < 10; ++i) slow.items.push_back({Json{{"choices", {{{"delta", {{"content", std::string(60'000, 'x')}}}}}}}.dump()});
  scripted = {std::move(slow)};
  auto& call = host.operation("chat", hello({{"stream", true}}).dump());
  host.cancel(call);
  host.run();
  ASSERT_TRUE(call.ended.has_value());
  EXPECT_EQ(call.ended->status, COF_ECANCELLED);
  EXPECT_TRUE(host.transfers.empty());
  ASSERT_EQ(host.usages.size(), 1u);
  EXPECT_TRUE(host.usages[0].failed);
}

// ---- places

TEST_F(HuggingFacePluginTest, NoMoreRequestsAtAProviderThanItHasPlaces) {
  Json two = config();
  two["requests_per_provider_max"] = 2;
  host.start(two.dump());
  host.on_request = [&](const auto& sent) {
    return sent.method == "GET" ? ask(sent) : HttpAnswer::silence();
  };
  std::vector<cofounder::testkit::Call*> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(&host.operation("chat", hello({{"model", "org/one-price:novita"}}).dump()));
  auto& other = host.operation("chat", hello({{"model", "org/one-price:together"}}).dump());
  host.run();
  EXPECT_EQ(host.requests.size(), 3u) << "two at novita, one at together";
  host.cancel(*calls[0]);
  host.run();
  EXPECT_EQ(host.requests.size(), 4u) << "who waits longest goes next";
  host.cancel(*calls[3]);  // waits for a place
  host.run();
  EXPECT_TRUE(calls[3]->ended.has_value());
  EXPECT_EQ(calls[3]->ended->status, COF_ECANCELLED);
  host.cancel(*calls[1]);
  host.run();
  EXPECT_EQ(host.requests.size(), 5u);
  EXPECT_FALSE(calls[4]->ended);
  host.cancel(*calls[2]);
  host.cancel(*calls[4]);
  host.cancel(other);
  host.run();
  host.on_request = [this](const auto& sent) { return ask(sent); };
  for (int i = 0; i < 3; ++i) result("chat", hello({{"model", "org/one-price:novita"}}));
}

TEST_F(HuggingFacePluginTest, WhoWaitsTooLongForAPlaceIsPutOff) {
  Json one = config();
  one["requests_per_provider_max"] = 1;
  one["queue_wait_max_seconds"] = 3;
  host.start(one.dump());
  scripted = {HttpAnswer::silence()};
  auto& first = host.operation("chat", hello().dump());
  auto& second = host.operation("chat", hello().dump());
  host.run();
  host.advance(2'999 * ms);
  EXPECT_FALSE(second.ended);
  const auto wall = host.wall_ms;
  host.advance(2 * ms);
  ASSERT_TRUE(second.ended.has_value());
  EXPECT_EQ(second.ended->status, COF_DEFERRED) << "an attempt is not lost by it";
  ASSERT_TRUE(second.deferred_to_ms);
  EXPECT_GT(*second.deferred_to_ms, wall);
  host.cancel(first);
  host.run();
}

TEST_F(HuggingFacePluginTest, AModelThatLoadsTakesNoPlace) {
  Json one = config();
  one["requests_per_provider_max"] = 1;
  host.start(one.dump());
  scripted = {loading(5)};
  auto& first = host.operation("chat", hello().dump());
  auto& second = host.operation("chat", hello().dump());
  host.run();
  EXPECT_FALSE(first.ended);
  ASSERT_TRUE(second.ended.has_value()) << "it had the place meanwhile";
  EXPECT_TRUE(second.ended->ok());
  host.advance(5'001 * ms);
  ASSERT_TRUE(first.ended.has_value());
  EXPECT_TRUE(first.ended->ok());
}

}  // namespace
