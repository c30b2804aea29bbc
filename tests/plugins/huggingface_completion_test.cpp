// SPDX-License-Identifier: Apache-2.0
// How the plugin reads answers: recorded streams in every slicing, and answers that are wrong.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/http/readers.hpp"
#include "plugins/huggingface/answer.hpp"
#include "plugins/huggingface/completion.hpp"
#include "plugins/huggingface/image_bytes.hpp"
#include "plugins/huggingface/model.hpp"
#include "plugins/huggingface/usage.hpp"

namespace {

using Json = nlohmann::json;
namespace hf = huggingface;

Json load_cases() {
  std::ifstream file{COFOUNDER_SOURCE_DIR "/tests/vectors/stream_cases.json"};
  return Json::parse(std::string{std::istreambuf_iterator<char>{file}, {}}).at("sse");
}

struct Read {
  std::string pieces;  // as they were shown
  std::string text;    // in the end
  std::string error;   // code; empty: none
  std::string words;
};

// The host's reader, then the plugin's.
Read read(const std::vector<std::string_view>& slices) {
  cofounder::http::SseReader reader;
  hf::CompletionStream stream{hf::Kind::chat};
  Read out;
  for (const auto slice : slices) {
    const auto error = reader.feed(slice, [&](const cofounder::http::SseEvent& event) {
      if (!out.error.empty() || stream.is_done()) return;
      auto fresh = stream.take(event.data);
      if (fresh) {
        out.pieces += *fresh;
      } else {
        out.error = fresh.failure().code;
        out.words = fresh.failure().message;
      }
    });
    EXPECT_FALSE(error.has_value());
  }
  if (!out.error.empty()) return out;
  const auto whole = stream.finish();
  if (whole) {
    out.text = whole->message.at("content").get<std::string>();
  } else {
    out.error = whole.failure().code;
  }
  return out;
}

// The providers' facts, row 11: "HF dead host, no streaming": SSE vectors byte-wise; a stream cut before finish_reason is
// an error.
TEST(HuggingFaceStream, ReadsTheRecordedStreamsInEverySlicing) {
  // What a client has to make of them where the official one is too kind.
  const std::map<std::string, std::string> errors{
      {"truncated: last event lacks blank line", "stream_cut"},
      {"error object mid-stream", "provider_error"},
      {"malformed JSON event", "bad_answer"}};
  const Json cases = load_cases();
  ASSERT_GE(cases.size(), 11u);
  std::size_t failing = 0;
  for (const Json& one : cases) {
    const std::string name = one.at("name");
    SCOPED_TRACE(name);
    const auto body = hf::decode_base64(one.at("body_base64").get<std::string>());
    ASSERT_TRUE(body);
    const auto wanted = errors.find(name);
    failing += wanted != errors.end();
    const auto check = [&](const std::vector<std::string_view>& slices) {
      const Read got = read(slices);
      if (wanted != errors.end()) return got.error == wanted->second && got.pieces == "a";
      const Json& sdk = one.at("hf_sdk");
      const std::string recorded = sdk.at("text");  // its first 80 bytes
      const bool same = recorded.size() < 80 ? got.text == recorded
                                             : got.text.starts_with(recorded) && got.text.size() >= 65536;
      return got.error.empty() && same && got.pieces == got.text && !got.text.empty();
    };
    const std::string_view bytes = *body;
    std::vector<std::string_view> single;
    for (std::size_t i = 0; i < bytes.size(); ++i) single.push_back(bytes.substr(i, 1));
    EXPECT_TRUE(check({bytes}));
    EXPECT_TRUE(check(single)) << "byte by byte";
    for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
      // Of the one long body the ends have to do: every cut would read gigabytes.
      if (bytes.size() > 4096 && cut > 64 && cut + 16 < bytes.size()) continue;
      ASSERT_TRUE(check({bytes.substr(0, cut), bytes.substr(cut)})) << "cut at " << cut;
    }
  }
  EXPECT_EQ(failing, errors.size());
}

std::string stream_error(const std::vector<std::string>& events, std::string* words = nullptr) {
  std::string body;
  for (const auto& event : events) body += "data: " + event + "\n\n";
  Read got = read({body});
  if (words != nullptr) *words = got.words;
  return got.error;
}

TEST(HuggingFaceStream, EveryCutBeforeTheEndIsAnError) {
  const std::string one = R"({"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]})";
  const std::string end = R"({"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]})";
  EXPECT_EQ(stream_error({}), "stream_cut");
  EXPECT_EQ(stream_error({one}), "stream_cut");
  EXPECT_EQ(stream_error({one, one, one}), "stream_cut");
  EXPECT_EQ(stream_error({one, end}), "");
  EXPECT_EQ(stream_error({one, "[DONE]"}), "");
  EXPECT_EQ(stream_error({"[DONE]"}), "bad_answer");
}

TEST(HuggingFaceStream, NamesTheFieldThatIsWrong) {
  const auto wrong = [](const std::string& event, const std::string& field) {
    std::string words;
    EXPECT_EQ(stream_error({event, "[DONE]"}, &words), "bad_answer") << event;
    EXPECT_NE(words.find(field), std::string::npos) << words;
  };
  wrong("7", "an event");
  wrong("[1]", "an event");
  wrong("\xff\xfe", "an event");
  wrong(R"({"choices":[{"delta":{"content":1e999}}]})", "an event");
  wrong("{}", "choices");
  wrong(R"({"choices":{}})", "choices");
  wrong(R"({"choices":[7]})", "choices[0]");
  wrong(R"({"choices":[{"delta":7}]})", "choices[0].delta");
  wrong(R"({"choices":[{"delta":{"content":7}}]})", "choices[0].delta.content");
  wrong(R"({"choices":[{"delta":{"role":{}}}]})", "choices[0].delta.role");
  wrong(R"({"choices":[{"delta":{},"finish_reason":7}]})", "choices[0].finish_reason");
  wrong(R"({"choices":[{"delta":{"tool_calls":7}}]})", "choices[0].delta.tool_calls");
  wrong(R"({"choices":[{"delta":{"tool_calls":[{"index":-1}]}}]})", "tool_calls.index");
  wrong(R"({"choices":[{"delta":{"tool_calls":[{"index":999999}]}}]})", "tool_calls.index");
  wrong(R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":{}}}]}}]})", "arguments");
  wrong(R"({"choices":[],"usage":7})", "usage");
  wrong(R"({"choices":[],"usage":{"prompt_tokens":"3"}})", "usage.prompt_tokens");
  wrong(R"({"choices":[],"usage":{"prompt_tokens":-3}})", "usage.prompt_tokens");
  wrong(R"({"choices":[],"usage":{"completion_tokens":1.5}})", "usage.completion_tokens");
  wrong(R"({"choices":[],"usage":{"completion_tokens":18446744073709551615}})", "usage.completion_tokens");
  wrong(R"({"model":7,"choices":[]})", "model");
}

TEST(HuggingFaceStream, PutsToolCallsTogether) {
  hf::CompletionStream stream{hf::Kind::chat};
  for (const char* event :
       {R"({"choices":[{"delta":{"role":"assistant","tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\""}}]}}]})",
        R"({"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]},"finish_reason":"tool_calls"}]})",
        R"({"choices":[{"index":1,"delta":{"content":"another answer"}}]})"}) {
    ASSERT_TRUE(stream.take(event));
  }
  const auto whole = stream.finish();
  ASSERT_TRUE(whole);
  EXPECT_EQ(whole->finish_reason, "tool_calls");
  EXPECT_TRUE(whole->message.at("content").is_null());
  const Json& calls = whole->message.at("tool_calls");
  ASSERT_EQ(calls.size(), 2u);
  EXPECT_EQ(calls[0].at("function").at("arguments"), R"({"x":1})");
  EXPECT_EQ(calls[1].at("id"), "b");
}

TEST(HuggingFaceStream, AnAnswerWithoutEndIsStopped) {
  hf::CompletionStream stream{hf::Kind::chat};
  const std::string event =
      Json{{"choices", {{{"delta", {{"content", std::string(500'000, 'x')}}}}}}}.dump();
  std::string code;
  for (int i = 0; i < 100 && code.empty(); ++i) {
    auto taken = stream.take(event);
    if (!taken) code = taken.failure().code;
  }
  EXPECT_EQ(code, "answer_too_big");
}

TEST(HuggingFaceAnswer, WholeAnswersNameTheFieldThatIsWrong) {
  const auto wrong = [](hf::Kind kind, const char* body, const std::string& field) {
    const auto read = hf::read_completion(kind, Json::parse(body));
    ASSERT_FALSE(read) << body;
    EXPECT_EQ(read.failure().code, "bad_answer");
    EXPECT_TRUE(read.failure().is_retryable());
    EXPECT_NE(read.failure().message.find(field), std::string::npos) << read.failure().message;
  };
  const auto chat = hf::Kind::chat;
  wrong(chat, "[]", "the body");
  wrong(chat, "{}", "choices[0]");
  wrong(chat, R"({"choices":[]})", "choices[0]");
  wrong(chat, R"({"choices":[{}]})", "choices[0].message");
  wrong(chat, R"({"choices":[{"message":{}}]})", "choices[0].message.content");
  wrong(chat, R"({"choices":[{"message":{"content":7}}]})", "choices[0].message.content");
  wrong(chat, R"({"choices":[{"message":{"content":"a","tool_calls":[{}]}}]})", "tool_calls[0].function");
  wrong(chat, R"({"choices":[{"message":{"content":"a","tool_calls":[{"function":{"name":"f"}}]}}]})", "function.arguments");
  wrong(chat, R"({"choices":[{"message":{"content":"a"},"finish_reason":{}}]})", "finish_reason");
  wrong(chat, R"({"choices":[{"message":{"content":"a"}}],"usage":[]})", "usage");
  wrong(hf::Kind::text, R"({"choices":[{"text":null}]})", "choices[0].text");
  const auto error = hf::read_completion(chat, Json::parse(R"({"error":{"message":"overloaded"}})"));
  ASSERT_FALSE(error);
  EXPECT_EQ(error.failure().code, "provider_error");
  EXPECT_NE(error.failure().message.find("overloaded"), std::string::npos);
}

TEST(HuggingFaceAnswer, RefusalsAreToldApart) {
  const auto failure = [](int status, const char* body, const char* type = "application/json") {
    return hf::failure_of({status, type, body, cofounder::sdk::Milliseconds{0}});
  };
  const std::map<int, std::string> codes{
      {400, "bad_request"}, {401, "unauthorized"},   {402, "payment_required"}, {403, "forbidden"},
      {404, "not_found"},   {408, "provider_error"}, {410, "gone"},             {413, "too_large"},
      {422, "bad_request"}, {429, "rate_limited"},   {500, "provider_error"},   {503, "provider_error"},
      {529, "provider_error"}, {302, "unexpected_status"}, {418, "unexpected_status"}};
  for (const auto& [status, code] : codes) {
    const auto why = failure(status, R"({"error":"because"})");
    EXPECT_EQ(why.code, code) << status;
    EXPECT_NE(why.message.find("because"), std::string::npos);
    EXPECT_EQ(why.is_retryable(), code == "rate_limited" || code == "provider_error") << status;
  }
  EXPECT_EQ(failure(404, "<html>", "text/html").code, "wrong_url");
  EXPECT_EQ(failure(502, "<html>", "text/html").code, "provider_error");
  // Each way in which somebody says why.
  for (const char* body : {R"({"error":"because"})", R"({"error":{"message":"because"}})", R"({"message":"because"})",
                           R"({"detail":"because"})", R"({"detail":[{"msg":"because"}]})"}) {
    EXPECT_NE(failure(400, body).message.find("because"), std::string::npos) << body;
  }
  EXPECT_NE(failure(400, "because", "text/plain; charset=utf-8").message.find("because"), std::string::npos);
  const auto echo = failure(401, R"({"error":"bad token hf_Secret1, really"})");
  EXPECT_EQ(echo.message.find("Secret1"), std::string::npos);
  EXPECT_NE(echo.message.find("really"), std::string::npos);
}

TEST(HuggingFaceAnswer, LoadingSaysHowLong) {
  const auto failure = [](const char* body) { return hf::failure_of({503, "application/json", body, {}}); };
  EXPECT_EQ(failure(R"({"error":"loading","estimated_time":20.0})").code, "model_loading");
  EXPECT_EQ(failure(R"({"estimated_time":0.2})").retry_after.count(), 200);
  EXPECT_EQ(failure(R"({"estimated_time":1e300})").retry_after.count(), 86'400'000);
  for (const char* body : {R"({"estimated_time":"20"})", R"({"estimated_time":-1})", R"({"estimated_time":null})",
                           R"({"estimated_time":1e999})", "[]", "", "nonsense"}) {
    EXPECT_EQ(failure(body).code, "provider_error") << body;
  }
}

TEST(HuggingFaceModel, NamesAndSelections) {
  for (const char* name : {"gpt2", "org/name", "org/name:fastest", "org/name:groq", "O.r-g/n_a.m-e:hf-inference"}) {
    ASSERT_TRUE(hf::read_model(name)) << name;
    EXPECT_EQ(hf::read_model(name)->full(), name);
  }
  EXPECT_EQ(hf::read_model("a/b:cheapest")->provider(), "");
  EXPECT_EQ(hf::read_model("a/b:groq")->provider(), "groq");
  for (const std::string name : {"", "/", "a/", "/b", "a/b/c", "a b", "a/b\n", "a/b\nX-Evil: 1", "a/../b", "../b",
                                 "a/b:", "a/b:c d", "a/b:c:d", "a/b?x", "a/b#x", "a%2fb", "a/\xc3\xa4"}) {
    EXPECT_FALSE(hf::read_model(name)) << name;
  }
  EXPECT_FALSE(hf::read_model(std::string(201, 'a')));
  EXPECT_FALSE(hf::read_hf_inference_model("a/b:groq"));
  EXPECT_EQ(hf::read_hf_inference_model("a/b:groq").failure().code, "unsupported_provider");
}

// The providers' facts, row 20: "all-zero model/pricing": known usage gives exact micro-dollars, an unknown price none.
TEST(HuggingFaceUsage, CostsAreExact) {
  using hf::cost_micros;
  const auto price = [](const char* input, const char* output) {
    return hf::Price{*hf::read_price(Json::parse(input)), *hf::read_price(Json::parse(output))};
  };
  EXPECT_EQ(hf::read_price(Json::parse("0.15")), 150'000'000);
  EXPECT_EQ(hf::read_price(Json::parse("0.1")), 100'000'000);
  EXPECT_EQ(hf::read_price(Json::parse("0.000000001")), 1);
  EXPECT_EQ(hf::read_price(Json::parse("3")), 3'000'000'000);
  for (const char* none : {"-1", "\"0.15\"", "null", "1e10", "[]"}) {
    EXPECT_FALSE(hf::read_price(Json::parse(none))) << none;
  }
  EXPECT_EQ(cost_micros(hf::Usage{1'000'000, 0, {}}, price("0.15", "0.75")), 150'000);
  EXPECT_EQ(cost_micros(hf::Usage{3, 7, {}}, price("0.15", "0.75")), 6);  // 5.7
  EXPECT_EQ(cost_micros(hf::Usage{1, 0, {}}, price("0.5", "1")), 1) << "half up";
  EXPECT_EQ(cost_micros(hf::Usage{1, 0, {}}, price("0.499999999", "1")), 0);
  EXPECT_EQ(cost_micros(hf::Usage{1'000'000'000'000, 1'000'000'000'000, {}}, price("1000000", "1000000")),
            2'000'000'000'000'000'000);
  EXPECT_FALSE(cost_micros(hf::Usage{1'000'000'000'000, 0, {}}, price("1000000000", "1"))) << "does not fit";
  EXPECT_FALSE(cost_micros(hf::Usage{{}, 7, {}}, price("1", "1")));
  EXPECT_FALSE(cost_micros(hf::Usage{3, 7, {}}, std::nullopt));
  EXPECT_FALSE(cost_micros(std::nullopt, price("1", "1")));
  EXPECT_EQ(hf::usage_json(hf::Usage{3, 7, {}}, 123456).dump(),
            R"({"completion_tokens":7,"cost_usd":0.123456,"prompt_tokens":3})");
  EXPECT_TRUE(hf::usage_json(std::nullopt, std::nullopt).at("cost_usd").is_null());
}

TEST(HuggingFaceUsage, APriceIsKnownOnlyOfWhoServed) {
  const auto prices = hf::read_prices(Json::parse(R"({"providers":[
      {"provider":"a","pricing":{"input":0.1,"output":0.2}}, {"provider":"b","pricing":{"input":0.3,"output":0.2}},
      {"provider":"free","is_free":true}, {"provider":"odd","pricing":{"input":"x","output":1}}, {"provider":"none"}, 7]})"));
  EXPECT_EQ(prices.size(), 3u);
  EXPECT_EQ(hf::price_of(prices, "a")->input, 100'000'000);
  EXPECT_EQ(hf::price_of(prices, "free")->output, 0);
  for (const char* name : {"odd", "none", "stranger", ""}) EXPECT_FALSE(hf::price_of(prices, name)) << name;
  const auto same = hf::read_prices(Json::parse(R"({"providers":[
      {"provider":"a","pricing":{"input":1,"output":2}}, {"provider":"b","pricing":{"input":1,"output":2}}]})"));
  EXPECT_EQ(hf::price_of(same, "")->output, 2'000'000'000);
}

TEST(HuggingFaceImage, OutputsAndPictures) {
  EXPECT_EQ(*hf::output_name("cat.png"), "scratch:task/cat.png");
  EXPECT_EQ(*hf::output_name("/data/cat.png"), "/data/cat.png");
  for (const char* name : {"", "a/b.png", "/data/../etc/passwd", "..", "/data/", "up:x", "a\nb"}) {
    EXPECT_FALSE(hf::output_name(name)) << name;
  }
  EXPECT_EQ(hf::image_type("<html><body>no picture"), "");
  EXPECT_EQ(hf::image_type(""), "");
  EXPECT_EQ(hf::image_type("RIFF"), "");
  EXPECT_EQ(hf::image_type("RIFF1234WEBP"), "image/webp");
  EXPECT_EQ(hf::image_type("\xff\xd8\xff\xe0"), "image/jpeg");
  EXPECT_EQ(*hf::image_in_json(R"({"data":[{"b64_json":"R0lGODlh"}]})"), "GIF89a");
  for (const char* bad : {"{}", "[]", "x", R"({"data":[]})", R"({"data":[{"b64_json":7}]})", R"({"data":[{"b64_json":"%"}]})",
                          R"({"output":["https://example.com/a.png"]})", R"({"error":"no"})"}) {
    EXPECT_FALSE(hf::image_in_json(bad)) << bad;
  }
}

}  // namespace
