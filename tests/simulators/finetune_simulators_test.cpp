// SPDX-License-Identifier: Apache-2.0
// The simulators of Ollama and OpenAI take right requests and refuse mutated ones as the providers do.
#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/simulators/ollama.hpp"
#include "tests/simulators/openai_finetune.hpp"

namespace {

using Json = nlohmann::json;
using simulator::Request;
using simulator::Response;

struct Mutation {
  std::string what;
  std::function<void(Request&, Json&)> change;
  int status = 400;
};

auto set(const std::string& name, Json value) {
  return [name, value](Request&, Json& body) { body[name] = value; };
}
auto drop(const std::string& name) {
  return [name](Request&, Json& body) { body.erase(name); };
}
auto method(const std::string& name) {
  return [name](Request& request, Json&) { request.method = name; };
}
auto path(const std::string& name) {
  return [name](Request& request, Json&) { request.path = name; };
}

Request make(const std::string& name, const std::string& at, const std::string& content = {}) {
  Request request;
  request.method = name;
  request.path = at;
  request.body = content;
  return request;
}

// Right as it is, and each mutation is refused with a reason.
template <class Provider>
void check(Provider& provider, const Request& right, const Json& body, const std::vector<Mutation>& mutations) {
  const auto ask = [&](Request request, const Json& content) {
    if (!content.is_null()) request.body = content.dump();
    return provider.handle(request);
  };
  EXPECT_EQ(ask(right, body).status / 100, 2) << ask(right, body).body;
  EXPECT_GE(mutations.size(), 10u);
  for (const Mutation& mutation : mutations) {
    SCOPED_TRACE(mutation.what);
    Request request = right;
    Json content = body;
    mutation.change(request, content);
    const Response response = ask(request, content);
    EXPECT_EQ(response.status, mutation.status) << response.body;
    EXPECT_NE(response.body, "");
  }
}

TEST(OllamaSimulator, Blobs) {
  simulator::Ollama provider{simulator::OllamaOptions{}};
  const std::string digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";  // of hello
  const auto at = [&](const std::string& name) { return path("/api/blobs/" + name); };
  const auto content = [](const std::string& text) { return [text](Request& request, Json&) { request.body = text; }; };
  const Request head = make("HEAD", "/api/blobs/" + digest);
  EXPECT_EQ(provider.handle(head).status, 404);
  std::string other = digest;
  other[20] = other[20] == 'a' ? 'b' : 'a';
  // Before it is there: what is there already is taken whatever its body is.
  for (const auto& wrong : {std::string{"hellp"}, std::string{}, std::string{"hello\n"}}) {
    EXPECT_EQ(provider.handle(make("POST", head.path, wrong)).status, 400);
  }
  const Request right = make("POST", head.path, "hello");
  EXPECT_EQ(provider.handle(right).status, 201);
  check(provider, right, nullptr,
        {{"other digest", at(other)}, {"short", at(digest.substr(0, 70))}, {"long", at(digest + "0")},
         {"no kind", at(digest.substr(7))}, {"other kind", at("md5:" + digest.substr(7))}, {"dash", at("sha256-" + digest.substr(7))},
         {"upper case", at("sha256:" + std::string(64, 'A'))}, {"not hexadecimal", at("sha256:" + std::string(64, 'g'))},
         {"empty", at("")}, {"a path", at("../" + digest)}, {"GET", method("GET"), 405}, {"PUT", method("PUT"), 405},
         {"other content for another", [&](Request& request, Json& body) { at(other)(request, body); content("x")(request, body); }}});
  EXPECT_EQ(provider.handle(head).status, 200);
}

TEST(OllamaSimulator, Create) {
  simulator::Ollama provider{simulator::OllamaOptions{}};
  const Request right = make("POST", "/api/create");
  const std::string digest = "sha256:" + std::string(64, 'a');
  check(provider, right, {{"model", "mine"}, {"from", "mistral"}, {"stream", true}, {"parameters", {{"temperature", 0.7}}}},
        {{"no model", drop("model")}, {"empty model", set("model", "")}, {"model with a space", set("model", "a b")},
         {"model upwards", set("model", "a/../b")}, {"model of another type", set("model", 7)}, {"nothing to make it of", drop("from")},
         {"from of another type", set("from", 7)}, {"adapters as a list", set("adapters", Json::array({digest}))},
         {"adapter without a digest", set("adapters", {{"a", 7}})}, {"digest too short", set("adapters", {{"a", "sha256:aa"}})},
         {"absolute name", set("adapters", {{"/a", digest}})}, {"name upwards", set("adapters", {{"../a", digest}})},
         {"learning rate", set("parameters", {{"learning_rate", 0.1}})}, {"stream as text", set("stream", "yes")},
         {"GET", method("GET"), 405}});
  // What is found later comes as the last line.
  for (const Json& adapters : {Json{{"a", digest}}, Json{{"a", digest}, {"b", digest}}}) {
    const Json body{{"model", "m"}, {"from", "mistral"}, {"adapters", adapters}, {"stream", false}};
    EXPECT_EQ(provider.handle(make("POST", "/api/create", body.dump())).status, 500);
  }
}

Request with_key(const std::string& name, const std::string& at) {
  Request request = make(name, at);
  request.headers = {{"authorization", "Bearer sk-test"}, {"content-type", "application/json"}};
  return request;
}
auto key(const std::string& value) {
  return [value](Request& request, Json&) { request.headers[0].second = value; };
}

std::string form(const std::string& purpose, const std::string& file_name, const std::string& content) {
  return "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n" + purpose +
         "\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + file_name +
         "\"\r\nContent-Type: application/jsonl\r\n\r\n" + content + "\r\n--x--\r\n";
}

TEST(OpenAiSimulator, Files) {
  simulator::OpenAiFineTuning provider{simulator::OpenAiOptions{}};
  Request right = with_key("POST", "/v1/files");
  right.headers[1].second = "multipart/form-data; boundary=x";
  right.body = form("fine-tune", "a.jsonl", "{}");
  const auto body = [](const std::string& text) { return [text](Request& request, Json&) { request.body = text; }; };
  check(provider, right, nullptr,
        {{"no key", [](Request& request, Json&) { request.headers.erase(request.headers.begin()); }, 401},
         {"wrong key", key("Bearer sk-x"), 401}, {"basic", key("Basic c2s6"), 401}, {"other path", path("/files"), 404},
         {"other purpose", body(form("vision", "a.jsonl", "{}"))}, {"no purpose", body(form("", "a.jsonl", "{}"))},
         {"other extension", body(form("fine-tune", "a.csv", "{}"))}, {"empty file", body(form("fine-tune", "a.jsonl", ""))},
         {"no form", body("{}")}, {"cut", body(right.body.substr(0, right.body.size() - 8))},
         {"other type", [](Request& request, Json&) { request.headers[1].second = "application/json"; }},
         {"PUT", method("PUT"), 405}});
}

TEST(OpenAiSimulator, Uploads) {
  simulator::OpenAiFineTuning provider{simulator::OpenAiOptions{}};
  check(provider, with_key("POST", "/v1/uploads"),
        {{"filename", "a.jsonl"}, {"purpose", "fine-tune"}, {"bytes", 10}, {"mime_type", "text/jsonl"}},
        {{"no name", drop("filename")}, {"no purpose", drop("purpose")}, {"other purpose", set("purpose", "vision")},
         {"no bytes", drop("bytes")}, {"bytes as text", set("bytes", "10")}, {"no byte", set("bytes", 0)},
         {"too many", set("bytes", 9'000'000'000)}, {"no type", drop("mime_type")}, {"other type", set("mime_type", "image/png")},
         {"unknown field", set("size", 1)}, {"GET", method("GET"), 405}, {"unknown upload", path("/v1/uploads/upload_99/complete"), 404}});
}

TEST(OpenAiSimulator, Jobs) {
  simulator::OpenAiFineTuning provider{simulator::OpenAiOptions{}};
  Request file = with_key("POST", "/v1/files");
  file.headers[1].second = "multipart/form-data; boundary=x";
  file.body = form("fine-tune", "a.jsonl", "{}");
  const std::string id = Json::parse(provider.handle(file).body).at("id");
  const auto hyper = [](Json given) {
    return set("method", {{"type", "supervised"}, {"supervised", {{"hyperparameters", given}}}});
  };
  check(provider, with_key("POST", "/v1/fine_tuning/jobs"),
        {{"model", "gpt-4.1-mini-2025-04-14"}, {"training_file", id}, {"suffix", "mine"}, {"seed", 1}, {"metadata", {{"a", "b"}}},
         {"method", {{"type", "supervised"}, {"supervised", {{"hyperparameters", {{"n_epochs", "auto"}}}}}}}},
        {{"no model", drop("model")}, {"other model", set("model", "gpt-2")}, {"no file", drop("training_file")},
         {"unknown file", set("training_file", "file-99")}, {"unknown validation", set("validation_file", "file-99")},
         {"long suffix", set("suffix", std::string(65, 'x'))}, {"negative seed", set("seed", -1)}, {"seed as text", set("seed", "1")},
         {"51 epochs", hyper({{"n_epochs", 51}})}, {"half an epoch", hyper({{"n_epochs", 0.5}})}, {"beta", hyper({{"beta", 0.1}})},
         {"other method", set("method", {{"type", "lora"}})}, {"unknown field", set("epochs", 1)},
         {"metadata as numbers", set("metadata", {{"a", 1}})}, {"wrong key", key("Bearer sk-x"), 401}, {"PUT", method("PUT"), 405}});
  Request list = with_key("GET", "/v1/fine_tuning/jobs");
  for (const char* query : {"limit=0", "limit=x", "after=ftjob-none"}) {
    list.query = query;
    EXPECT_EQ(provider.handle(list).status, 400) << query;
  }
  EXPECT_EQ(provider.handle(with_key("GET", "/v1/fine_tuning/jobs/ftjob-none")).status, 404);
  EXPECT_EQ(provider.handle(with_key("POST", "/v1/fine_tuning/jobs/ftjob-none/cancel")).status, 404);
}

}  // namespace
