// SPDX-License-Identifier: Apache-2.0
// The Hugging Face simulator takes right requests and refuses mutated ones as the provider does.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/simulators/huggingface.hpp"

namespace {

using Json = nlohmann::json;
using simulator::Request;
using simulator::Response;

// A request as it is about to be made.
struct Draft {
  std::string method = "POST";
  std::string path;
  std::string query = {};
  Json body = {};
  std::string text = {};  // instead of it
  std::vector<std::pair<std::string, std::string>> headers{{"authorization", "Bearer hf_test"},
                                                           {"content-type", "application/json"}};
  void header(const std::string& name, const std::string& value) {
    std::erase_if(headers, [&](const auto& header) { return header.first == name; });
    if (!value.empty()) headers.emplace_back(name, value);
  }
};

Response ask(const Draft& draft) {
  static simulator::HuggingFace provider{simulator::HuggingFaceOptions{}};
  Request request;
  request.method = draft.method;
  request.path = draft.path;
  request.query = draft.query;
  request.headers = draft.headers;
  if (draft.method == "POST") request.body = draft.text.empty() ? draft.body.dump() : draft.text;
  return provider.handle(request);
}

Draft chat() {
  return {.path = "/v1/chat/completions",
          .body = {{"model", "openai/gpt-oss-120b"},
                   {"messages", {{{"role", "user"}, {"content", "hi"}}}},
                   {"max_tokens", 5},
                   {"temperature", 0.7},
                   {"tools", {{{"type", "function"}, {"function", {{"name", "f"}}}}}}}};
}
Draft generate() {
  return {.path = "/hf-inference/models/org/lm/v1/completions",
          .body = {{"model", "org/lm"}, {"prompt", "once"}, {"max_tokens", 5}, {"top_p", 0.9}}};
}
Draft embed() {
  return {.path = "/hf-inference/models/org/model/pipeline/feature-extraction",
          .body = {{"inputs", {"a", "b"}}, {"normalize", true}}};
}
Draft picture() {
  return {.path = "/hf-inference/models/org/t2i",
          .body = {{"inputs", "a cat"}, {"parameters", {{"width", 512}, {"height", 512}, {"seed", 1}}}}};
}
Draft models() { return {.method = "GET", .path = "/v1/models/openai/gpt-oss-120b"}; }
Draft whoami() { return {.method = "GET", .path = "/api/whoami-v2"}; }

struct Mutation {
  const char* what;
  std::function<void(Draft&)> change;
  int status = 400;
};

// Those that every request with a body shares.
std::vector<Mutation> common() {
  return {{"no token", [](Draft& d) { d.header("authorization", ""); }, 401},
          {"wrong token", [](Draft& d) { d.header("authorization", "Bearer hf_tesT"); }, 401},
          {"token without its scheme", [](Draft& d) { d.header("authorization", "hf_test"); }, 401},
          {"somebody else pays", [](Draft& d) { d.header("x-hf-bill-to", "stranger"); }, 403},
          {"wrong path", [](Draft& d) { d.path = "/v2" + d.path; }, 404},
          {"the old host's path", [](Draft& d) { d.path = "/models/org/lm"; }, 404}};
}

void check(const Draft& right, std::vector<Mutation> mutations, std::size_t at_least = 10) {
  const auto taken = ask(right);
  ASSERT_EQ(taken.status, 200) << taken.body;
  for (auto& mutation : common()) mutations.push_back(std::move(mutation));
  EXPECT_GE(mutations.size(), at_least);
  for (const Mutation& mutation : mutations) {
    Draft draft = right;
    mutation.change(draft);
    const auto response = ask(draft);
    EXPECT_EQ(response.status, mutation.status) << mutation.what << ": " << response.body;
    if (response.content_type.starts_with("text/html")) continue;
    const Json json = Json::parse(response.body, nullptr, false);
    ASSERT_TRUE(json.is_object() && json.contains("error")) << mutation.what;
    const Json& error = json.at("error");
    EXPECT_TRUE(error.is_string() || error.at("message").is_string()) << mutation.what;
  }
}

const auto set = [](const char* name, Json value) {
  return [name, value](Draft& d) { d.body[name] = value; };
};
const auto drop = [](const char* name) {
  return [name](Draft& d) { d.body.erase(name); };
};

TEST(HuggingFaceSimulator, Chat) {
  check(chat(), {{"no model", drop("model")},
                 {"model of another type", set("model", 7)},
                 {"unknown model", set("model", "org/none"), 404},
                 {"unknown provider", set("model", "openai/gpt-oss-120b:nobody")},
                 {"provider that is down", set("model", "openai/gpt-oss-120b:fireworks-ai")},
                 {"model that nobody serves", set("model", "org/asleep")},
                 {"no messages", drop("messages")},
                 {"empty messages", set("messages", Json::array())},
                 {"message that is none", set("messages", {"hi"})},
                 {"unknown role", [](Draft& d) { d.body["messages"][0]["role"] = "robot"; }},
                 {"no role", [](Draft& d) { d.body["messages"][0].erase("role"); }},
                 {"no content", [](Draft& d) { d.body["messages"][0].erase("content"); }},
                 {"content of another type", [](Draft& d) { d.body["messages"][0]["content"] = 7; }},
                 {"tool's message without id", [](Draft& d) { d.body["messages"][0]["role"] = "tool"; }},
                 {"max_tokens 0", set("max_tokens", 0)},
                 {"max_tokens as text", set("max_tokens", "5")},
                 {"temperature 2.1", set("temperature", 2.1)},
                 {"top_p 1.1", set("top_p", 1.1)},
                 {"stream as text", set("stream", "yes")},
                 {"stream_options without stream", set("stream_options", {{"include_usage", true}})},
                 {"tools that are none", set("tools", 7)},
                 {"no tools", set("tools", Json::array())},
                 {"tool without type", [](Draft& d) { d.body["tools"][0].erase("type"); }},
                 {"tool without name", [](Draft& d) { d.body["tools"][0]["function"].erase("name"); }},
                 {"tool_choice without tools", [](Draft& d) { d.body.erase("tools"); d.body["tool_choice"] = "auto"; }},
                 {"unknown argument", set("max_token", 5)},
                 {"no JSON", [](Draft& d) { d.text = "{"; }},
                 {"an array", [](Draft& d) { d.text = "[]"; }},
                 {"other content type", [](Draft& d) { d.header("content-type", "text/plain"); }},
                 {"GET", [](Draft& d) { d.method = "GET"; }, 405}});
}

TEST(HuggingFaceSimulator, Generate) {
  check(generate(), {{"no model", drop("model"), 422},
                     {"another model", set("model", "org/other")},
                     {"no prompt", drop("prompt"), 422},
                     {"empty prompt", set("prompt", ""), 422},
                     {"prompt of another type", set("prompt", {"a"}), 422},
                     {"max_tokens 0", set("max_tokens", 0), 422},
                     {"top_p 2", set("top_p", 2), 422},
                     {"stream as a number", set("stream", 1), 422},
                     {"unknown argument", set("inputs", "x"), 422},
                     {"no JSON", [](Draft& d) { d.text = "prompt=x"; }, 422},
                     {"other task", [](Draft& d) { d.path = "/hf-inference/models/org/model/v1/completions"; }},
                     {"unknown model", [](Draft& d) { d.path = "/hf-inference/models/org/none/v1/completions"; }, 404},
                     {"GET", [](Draft& d) { d.method = "GET"; }, 405}});
}

TEST(HuggingFaceSimulator, Embed) {
  check(embed(), {{"no inputs", drop("inputs")},
                  {"empty inputs", set("inputs", Json::array())},
                  {"empty text", set("inputs", {"a", ""})},
                  {"a number among the inputs", set("inputs", {"a", 7})},
                  {"inputs of another type", set("inputs", {{"text", "a"}})},
                  {"normalize as text", set("normalize", "true")},
                  {"truncate as a number", set("truncate", 1)},
                  {"unknown argument", set("input", "x")},
                  {"no JSON", [](Draft& d) { d.text = "x"; }, 422},
                  {"other content type", [](Draft& d) { d.header("content-type", "text/plain"); }, 422},
                  {"other task", [](Draft& d) { d.path = "/hf-inference/models/org/lm/pipeline/feature-extraction"; }},
                  {"GET", [](Draft& d) { d.method = "GET"; }, 405}});
  Draft one = embed();
  one.body["inputs"] = "a";
  EXPECT_TRUE(Json::parse(ask(one).body)[0].is_number()) << "a single text's vector comes alone";
}

TEST(HuggingFaceSimulator, Image) {
  const auto parameter = [](const char* name, Json value) {
    return [name, value](Draft& d) { d.body["parameters"][name] = value; };
  };
  check(picture(), {{"no inputs", drop("inputs")},
                    {"empty inputs", set("inputs", "")},
                    {"inputs of another type", set("inputs", {"a"})},
                    {"parameters of another type", set("parameters", 7)},
                    {"unknown argument", set("prompt", "x")},
                    {"unknown parameter", parameter("size", 512)},
                    {"width 513", parameter("width", 513)},
                    {"height 0", parameter("height", 0)},
                    {"seed as text", parameter("seed", "1")},
                    {"guidance_scale -1", parameter("guidance_scale", -1)},
                    {"num_inference_steps 0", parameter("num_inference_steps", 0)},
                    {"no JSON", [](Draft& d) { d.text = "x"; }, 422},
                    {"other task", [](Draft& d) { d.path = "/hf-inference/models/org/lm"; }},
                    {"GET", [](Draft& d) { d.method = "GET"; }, 405}});
}

TEST(HuggingFaceSimulator, ModelsAndWhoami) {
  const auto path = [](const char* to) { return [to](Draft& d) { d.path = to; }; };
  const auto method = [](const char* name) { return [name](Draft& d) { d.method = name; }; };
  Draft list = models();
  std::erase_if(list.headers, [](const auto& header) { return header.first == "authorization"; });
  EXPECT_EQ(ask(list).status, 200) << "anybody may see it";
  for (const Mutation& mutation : std::vector<Mutation>{
           {"wrong token", [](Draft& d) { d.header("authorization", "Bearer x"); }, 401},
           {"basic", [](Draft& d) { d.header("authorization", "Basic aGY="); }, 401},
           {"empty bearer", [](Draft& d) { d.header("authorization", "Bearer "); }, 401},
           {"somebody else pays", [](Draft& d) { d.header("x-hf-bill-to", "stranger"); }, 403},
           {"unknown model", path("/v1/models/org/none"), 404},
           {"selection in the id", path("/v1/models/openai/gpt-oss-120b:groq"), 404},
           {"no organization", path("/v1/models/gpt-oss-120b"), 404},
           {"no id", path("/v1/models/"), 404},
           {"other word", path("/v1/modelsx"), 404},
           {"POST", method("POST"), 405},
           {"DELETE", method("DELETE"), 405}}) {
    Draft draft = models();
    mutation.change(draft);
    EXPECT_EQ(ask(draft).status, mutation.status) << mutation.what;
  }
  check(whoami(), {{"POST", method("POST"), 404},
                   {"PUT", method("PUT"), 404},
                   {"the old version", path("/api/whoami"), 404},
                   {"below it", path("/api/whoami-v2/x"), 404},
                   {"basic", [](Draft& d) { d.header("authorization", "Basic aGY="); }, 401}});
}

TEST(HuggingFaceSimulator, TellsTheProvidersOfAModel) {
  Draft mapping{.method = "GET", .path = "/api/models/org/model", .query = "expand[]=inferenceProviderMapping"};
  EXPECT_EQ(Json::parse(ask(mapping).body).at("inferenceProviderMapping").at("hf-inference").at("task"), "feature-extraction");
  mapping.query = "";
  EXPECT_FALSE(Json::parse(ask(mapping).body).contains("inferenceProviderMapping"));
  mapping.path = "/api/models/org/none";
  EXPECT_EQ(ask(mapping).status, 401);
}

}  // namespace
