// SPDX-License-Identifier: Apache-2.0
// The simulators of Ollama and OpenAI take right requests and refuse mutated ones as the providers do.
#include "tests/simulators/mutations.hpp"
#include "tests/simulators/ollama.hpp"
#include "tests/simulators/openai_finetune.hpp"

namespace simulator {
namespace {

using Json = nlohmann::json;

class OllamaSimulator : public testing::Test {
 protected:
  Ollama provider{OllamaOptions{}};
  // sha256 of "hello"
  const std::string digest = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

  // {"error"} as its handlers say it, or what its router says of unknown paths and methods.
  static bool is_refusal(const Response& response) {
    if (response.status == 404 && response.body == "404 page not found") return true;
    if (response.status == 405 && response.body == "405 method not allowed") return true;
    const Json json = Json::parse(response.body, nullptr, false);
    return json.is_object() && json.size() == 1 && json.contains("error") && json.at("error").is_string();
  }
  void check(const Request& right, const Json& body, const std::vector<Mutation>& mutations, const IsRefusal& refusal = is_refusal) {
    check_strict([this](const Request& request) { return provider.handle(request); }, right, body, mutations, refusal);
  }
  std::vector<Mutation> digests(const std::string& of) const {
    const auto at = [](const std::string& name) { return path("/api/blobs/" + name); };
    return {{"short", at(of.substr(0, 70))}, {"long", at(of + "0")}, {"no kind", at(of.substr(7))}, {"other kind", at("md5:" + of.substr(7))},
            {"dash", at("sha256-" + of.substr(7))}, {"upper case", at("sha256:" + std::string(64, 'A'))}, {"empty", at("")},
            {"not hexadecimal", at("sha256:" + std::string(64, 'g'))}, {"a path", at("../" + of)}, {"malformed", at("%zz")},
            {"PUT", method("PUT"), 405}, {"DELETE", method("DELETE"), 405}};
  }
  static std::vector<Mutation> names() {
    return {{"no body", content("")}, {"no JSON", content("model=mine")}, {"cut", content(R"({"model":"mi)")}, {"a list", content("[]")},
            {"no model", drop("model")}, {"empty", set("model", "")}, {"a number", set("model", 7)}, {"null", set("model", nullptr)},
            {"a space", set("model", "a b")}, {"upwards", set("model", "a/../b")}, {"a line end", set("model", "mine\n")},
            {"unknown", set("model", "none"), 404}, {"PUT", method("PUT"), 405}};
  }
};

TEST_F(OllamaSimulator, Blobs) {
  const Request head = make_request("HEAD", "/api/blobs/" + digest);
  EXPECT_EQ(provider.handle(head).status, 404);
  // Before it is there: what is there already is taken whatever its body is.
  for (const auto& wrong : {"hellp", "", "hello\n", "HELLO", "hell", "hello hello", "{}", " hello", "GGUF", "olleh"}) {
    const Response response = provider.handle(make_request("POST", head.path, wrong));
    EXPECT_EQ(response.status, 400);
    EXPECT_NE(response.body.find("digest mismatch"), std::string::npos) << response.body;
  }
  const Request right = make_request("POST", head.path, "hello");
  EXPECT_EQ(provider.handle(right).status, 201);
  check(right, nullptr, digests(digest));
  check(head, nullptr, digests(digest), [](const Response&) { return true; });  // no body is sent there
}

TEST_F(OllamaSimulator, Create) {
  check(make_request("POST", "/api/create"),
        {{"model", "mine"}, {"from", "mistral"}, {"stream", true}, {"parameters", {{"temperature", 0.7}}}},
        {{"no model", drop("model")}, {"empty model", set("model", "")}, {"model with a space", set("model", "a b")},
         {"model upwards", set("model", "a/../b")}, {"model of another type", set("model", 7)}, {"nothing to make it of", drop("from")},
         {"from of another type", set("from", 7)}, {"adapters as a list", set("adapters", Json::array({digest}))},
         {"adapter without a digest", set("adapters", {{"a", 7}})}, {"digest too short", set("adapters", {{"a", "sha256:aa"}})},
         {"absolute name", set("adapters", {{"/a", digest}})}, {"name upwards", set("adapters", {{"../a", digest}})},
         {"learning rate", set("parameters", {{"learning_rate", 0.1}})}, {"stream as text", set("stream", "yes")},
         {"no body", content("")}, {"GET", method("GET"), 405}});
  // What is found later comes as the last line.
  for (const Json& adapters : {Json{{"a", digest}}, Json{{"a", digest}, {"b", digest}}}) {
    const Json body{{"model", "m"}, {"from", "mistral"}, {"adapters", adapters}, {"stream", false}};
    const Response response = provider.handle(make_request("POST", "/api/create", body.dump()));
    EXPECT_EQ(response.status, 500);
    EXPECT_TRUE(is_refusal(response)) << response.body;
  }
}

TEST_F(OllamaSimulator, WhatIsThere) {
  const Json body{{"model", "mine"}};
  const Json creation{{"model", "mine"}, {"from", "mistral"}, {"stream", false}};
  EXPECT_EQ(provider.handle(make_request("POST", "/api/create", creation.dump())).status, 200);
  check(make_request("POST", "/api/show"), body, names());
  check(make_request("DELETE", "/api/delete"), body, names());
  for (const char* at : {"/api/tags", "/api/version"}) {
    const std::string right = at;
    check(make_request("GET", right), nullptr,
          {{"POST", method("POST"), 405}, {"PUT", method("PUT"), 405}, {"DELETE", method("DELETE"), 405}, {"PATCH", method("PATCH"), 405},
           {"upper case", path("/API" + right.substr(4)), 404}, {"one less", path(right.substr(0, right.size() - 1)), 404},
           {"one more", path(right + "x"), 404}, {"below", path(right + "/x"), 404}, {"of another kind", path("/v1" + right), 404},
           {"doubled", path("/" + right), 404}});
  }
}

class OpenAiSimulator : public testing::Test {
 protected:
  OpenAiFineTuning provider{OpenAiOptions{}};

  static bool is_refusal(const Response& response) {
    const Json json = Json::parse(response.body, nullptr, false);
    if (!json.is_object() || !json.contains("error") || !json.at("error").is_object()) return false;
    const Json& error = json.at("error");
    return error.size() == 4 && error.value("message", "") != "" && error.value("type", "") == "invalid_request_error" &&
           error.contains("param") && (error.at("code") == "invalid_api_key") == (response.status == 401);
  }
  void check(const Request& right, const Json& body, const std::vector<Mutation>& mutations) {
    check_strict([this](const Request& request) { return provider.handle(request); }, right, body, mutations, is_refusal);
  }
  static Request with_key(const std::string& name, const std::string& at) {
    Request request = make_request(name, at);
    request.headers = {{"authorization", "Bearer sk-test"}};
    if (name == "POST") request.headers.emplace_back("content-type", "application/json");
    return request;
  }
  static auto key(const std::string& value) { return header("authorization", value); }
  // Of any request with a path below /v1.
  static std::vector<Mutation> common(const std::string& at) {
    return {{"no key", key(""), 401}, {"wrong key", key("Bearer sk-x"), 401}, {"basic", key("Basic c2stdGVzdDo="), 401},
            {"the bare key", key("sk-test"), 401}, {"a longer key", key("Bearer sk-test2"), 401}, {"no version", path(at.substr(3)), 404},
            {"other version", path("/v2" + at.substr(3)), 404}, {"below", path(at + "/x"), 404}, {"malformed", path(at + "%zz"), 404},
            {"doubled", path("/" + at), 404}, {"PATCH", method("PATCH"), 405}, {"PUT", method("PUT"), 405}};
  }
  static std::vector<Mutation> pages() {
    return {{"no row", query("limit=0")}, {"a word", query("limit=x")}, {"negative", query("limit=-1")}, {"huge", query("limit=99999999999")},
            {"half", query("limit=0.5")}, {"behind nothing", query("after=none")}, {"malformed", query("after=%zz")}};
  }
  static std::string form(const std::string& purpose, const std::string& file_name, const std::string& text) {
    return "--x\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n" + purpose +
           "\r\n--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + file_name +
           "\"\r\nContent-Type: application/jsonl\r\n\r\n" + text + "\r\n--x--\r\n";
  }
  static Request file(const std::string& text = "{}", const std::string& purpose = "fine-tune") {
    Request request = with_key("POST", "/v1/files");
    set_header(request, "content-type", "multipart/form-data; boundary=x");
    request.body = form(purpose, "a.jsonl", text);
    return request;
  }
  std::string id_of(Request request, const Json& body = nullptr) {
    if (!body.is_null()) request.body = body.dump();
    const Response response = provider.handle(request);
    const Json json = Json::parse(response.body, nullptr, false);
    EXPECT_TRUE(json.contains("id")) << response.body;
    return json.value("id", "");
  }
  static Json job_of(const std::string& id) {
    return {{"model", "gpt-4.1-mini-2025-04-14"}, {"training_file", id}, {"suffix", "mine"}, {"seed", 1}, {"metadata", {{"a", "b"}}},
            {"method", {{"type", "supervised"}, {"supervised", {{"hyperparameters", {{"n_epochs", "auto"}}}}}}}};
  }
  std::string make_job() { return id_of(with_key("POST", "/v1/fine_tuning/jobs"), job_of(id_of(file()))); }
};

TEST_F(OpenAiSimulator, Files) {
  const Request right = file();
  check(right, nullptr,
        common(right.path) +
            std::vector<Mutation>{
                {"unknown purpose", content(form("tuning", "a.jsonl", "{}"))}, {"no purpose", content(form("", "a.jsonl", "{}"))},
                {"other extension", content(form("fine-tune", "a.csv", "{}"))}, {"empty file", content(form("fine-tune", "a.jsonl", ""))},
                {"no form", content("{}")}, {"cut", content(right.body.substr(0, right.body.size() - 8))},
                {"other type", header("content-type", "application/json")}, {"no boundary", header("content-type", "multipart/form-data")}});
  const std::string at = "/v1/files/" + id_of(right);
  const std::vector<Mutation> unknown{{"unknown", path("/v1/files/file-none"), 404}, {"upper case", path("/v1/files/FILE-1"), 404},
                                      {"of another kind", path("/v1/files/ftjob-1"), 404}, {"no id", path("/v1/files/"), 404}};
  check(with_key("GET", at), nullptr, common(at) + unknown);
  check(with_key("GET", at + "/content"), nullptr, common(at + "/content") + unknown);
  check(with_key("GET", "/v1/files"), nullptr, common("/v1/files") + pages());
  check(with_key("DELETE", at), nullptr, common(at) + unknown);
  EXPECT_EQ(provider.handle(with_key("GET", at)).status, 404) << "it is gone";
}

TEST_F(OpenAiSimulator, Uploads) {
  const std::string all = "/v1/uploads";
  const Json opening{{"filename", "a.jsonl"}, {"purpose", "fine-tune"}, {"bytes", 10}, {"mime_type", "text/jsonl"}};
  check(with_key("POST", all), opening,
        common(all) + std::vector<Mutation>{
            {"no name", drop("filename")}, {"no purpose", drop("purpose")}, {"unknown purpose", set("purpose", "tuning")},
            {"no bytes", drop("bytes")}, {"bytes as text", set("bytes", "10")}, {"no byte", set("bytes", 0)},
            {"too many", set("bytes", 9'000'000'000)}, {"no type", drop("mime_type")}, {"other type", set("mime_type", "image/png")},
            {"unknown field", set("size", 1)}, {"no JSON", content("{")}, {"GET", method("GET"), 405},
            {"no type of content", header("content-type", "text/plain")}});
  const std::string at = all + "/" + id_of(with_key("POST", all), opening);
  const auto elsewhere = [&](const std::string& end) {
    return std::vector<Mutation>{{"unknown", path(all + "/upload_99" + end), 404}, {"GET", method("GET"), 405}, {"DELETE", method("DELETE"), 405}};
  };
  Request part = with_key("POST", at + "/parts");
  set_header(part, "content-type", "multipart/form-data; boundary=x");
  const std::string start = "--x\r\nContent-Disposition: form-data; name=\"data\"; filename=\"p\"\r\n\r\n";
  part.body = start + "0123456789\r\n--x--\r\n";
  check(part, nullptr, common(part.path) + elsewhere("/parts") + std::vector<Mutation>{
      {"empty", content(start + "\r\n--x--\r\n")}, {"no form", content("0123456789")}, {"other type", header("content-type", "application/json")},
      {"other name", content("--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"p\"\r\n\r\n0\r\n--x--\r\n")}});
  const std::string first = id_of(part);
  check(with_key("POST", at + "/complete"), {{"part_ids", {first}}},
        common(at + "/complete") + elsewhere("/complete") + std::vector<Mutation>{
            {"no parts", drop("part_ids")}, {"as text", set("part_ids", first)}, {"unknown part", set("part_ids", {"part_99"})},
            {"too few bytes", set("part_ids", Json::array())}, {"too many bytes", set("part_ids", {first, first})}, {"no JSON", content("{")}});
  EXPECT_EQ(provider.handle(part).status, 400) << "it is over";
  const std::string other = all + "/" + id_of(with_key("POST", all), opening);
  check(with_key("POST", other + "/cancel"), nullptr, common(other + "/cancel") + elsewhere("/cancel"));
}

TEST_F(OpenAiSimulator, JobsAreCreated) {
  const std::string id = id_of(file());
  const std::string other = id_of(file("{}", "batch"));
  const auto hyper = [](const Json& given) {
    return set("method", {{"type", "supervised"}, {"supervised", {{"hyperparameters", given}}}});
  };
  check(with_key("POST", "/v1/fine_tuning/jobs"), job_of(id),
        {{"no model", drop("model")}, {"other model", set("model", "gpt-2")}, {"no file", drop("training_file")},
         {"unknown file", set("training_file", "file-99")}, {"unknown validation", set("validation_file", "file-99")},
         {"file for another purpose", set("training_file", other)}, {"long suffix", set("suffix", std::string(65, 'x'))},
         {"negative seed", set("seed", -1)}, {"seed as text", set("seed", "1")}, {"51 epochs", hyper({{"n_epochs", 51}})},
         {"half an epoch", hyper({{"n_epochs", 0.5}})}, {"beta", hyper({{"beta", 0.1}})}, {"other method", set("method", {{"type", "lora"}})},
         {"unknown field", set("epochs", 1)}, {"metadata as numbers", set("metadata", {{"a", 1}})}, {"no JSON", content("{")},
         {"no type of content", header("content-type", "")}, {"wrong key", key("Bearer sk-x"), 401}, {"PUT", method("PUT"), 405}});
}

TEST_F(OpenAiSimulator, JobsAreThere) {
  const std::string all = "/v1/fine_tuning/jobs";
  const std::string at = all + "/" + make_job();
  check(with_key("GET", all), nullptr,
        pages() + std::vector<Mutation>{{"no key", key(""), 401}, {"wrong key", key("Bearer sk-x"), 401}, {"basic", key("Basic c2s6"), 401},
                                        {"no version", path(all.substr(3)), 404}, {"PATCH", method("PATCH"), 405}, {"PUT", method("PUT"), 405}});
  for (const std::string end : {"", "/events", "/checkpoints"}) {
    const std::vector<Mutation> unknown{{"unknown", path(all + "/ftjob-none" + end), 404}, {"of another kind", path(all + "/file-1" + end), 404},
                                        {"DELETE", method("DELETE"), 405}};
    check(with_key("GET", at + end), nullptr, common(at + end) + unknown + (end.empty() ? std::vector<Mutation>{} : pages()));
  }
  const std::vector<Mutation> unknown{{"unknown", path(all + "/ftjob-none/cancel"), 404}, {"GET", method("GET"), 405}};
  check(with_key("POST", at + "/cancel"), nullptr, common(at + "/cancel") + unknown);
  EXPECT_EQ(provider.handle(with_key("POST", at + "/cancel")).status, 400) << "it is over";
}

}  // namespace
}  // namespace simulator
