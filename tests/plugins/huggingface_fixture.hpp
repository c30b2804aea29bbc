// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cofounder/plugin.h>
#include <cofounder/testkit.hpp>

#include <cctype>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "core/http/readers.hpp"
#include "tests/simulators/huggingface.hpp"

// The whole huggingface plugin in the loop-back host; what it sends is answered by the simulator,
// which is as strict as the provider, without a network between them.
class HuggingFacePluginTest : public testing::Test {
 protected:
  using Json = nlohmann::json;
  using HttpAnswer = cofounder::testkit::HttpAnswer;
  using Options = cofounder::testkit::Host::OperationOptions;

  cofounder::testkit::Host host{*cof_plugin_entry_v1()};
  simulator::HuggingFaceOptions options;
  std::deque<HttpAnswer> scripted;  // instead of the provider's next answers

  static Json config() { return {{"token", {{"secret", "token"}}}}; }

  void SetUp() override {
    host.secrets["token"] = "hf_test";
    provider = std::make_unique<simulator::HuggingFace>(options);
    host.on_request = [this](const auto& sent) { return ask(sent); };
  }
  void TearDown() override {
    host.stop();
    EXPECT_EQ(host.violations, std::vector<std::string>{});
    EXPECT_EQ(host.open_tags(), 0u);
    EXPECT_TRUE(host.transfers.empty());
    EXPECT_TRUE(host.open_files.empty());
    for (const auto& line : host.logs) EXPECT_EQ(line.text.find("hf_test"), std::string::npos);
  }

  // The data of each event, as the host's own reader finds it.
  static HttpAnswer as_events(const std::string& body) {
    HttpAnswer answer;
    answer.headers = "content-type: text/event-stream\n";
    cofounder::http::SseReader reader;
    const auto error = reader.feed(body, [&](const cofounder::http::SseEvent& event) {
      answer.items.push_back({event.data, event.name, event.id});
    });
    EXPECT_FALSE(error.has_value());
    return answer;
  }
  static HttpAnswer json_answer(int status, const Json& json) {
    HttpAnswer answer = HttpAnswer::text(status, json.dump());
    answer.headers = "content-type: application/json\n";
    return answer;
  }

  HttpAnswer ask(const cofounder::testkit::HttpSent& sent) {
    if (!scripted.empty()) {
      HttpAnswer answer = std::move(scripted.front());
      scripted.pop_front();
      return answer;
    }
    simulator::Request request;
    request.method = sent.method;
    request.path = sent.url.substr(sent.url.find('/', 8));
    std::string_view lines = sent.headers;
    while (!lines.empty()) {
      const auto line = lines.substr(0, lines.find('\n'));
      lines.remove_prefix(line.size() + 1);
      std::string name{line.substr(0, line.find(": "))};
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      request.headers.emplace_back(name, line.substr(line.find(": ") + 2));
    }
    request.body = sent.body;
    auto response = provider->handle(request);
    HttpAnswer answer = HttpAnswer::text(response.status, response.body);
    if (response.stream) {
      std::string body;
      while (auto piece = response.stream()) body += *piece;
      answer = as_events(body);
      answer.status = response.status;
    }
    answer.headers = "content-type: " + response.content_type + "\n";
    for (const auto& [name, value] : response.headers) answer.headers += name + ": " + value + "\n";
    return answer;
  }

  const cofounder::testkit::Call& run(std::string_view op, const Json& args, const Options& how = Options{}) {
    auto& call = host.operation(op, args.dump(), how);
    host.run();
    if (!call.ended) host.advance(40'000'000'000);  // what it waits for
    EXPECT_TRUE(call.ended.has_value());
    EXPECT_EQ(call.ended->error_message.find("hf_test"), std::string::npos);
    return call;
  }
  Json result(std::string_view op, const Json& args) {
    const auto& call = run(op, args);
    EXPECT_TRUE(call.ended->ok()) << call.ended->error_code << ": " << call.ended->error_message;
    return call.ended->ok() ? Json::parse(call.ended->result) : Json{};
  }
  cofounder::testkit::Ended failure(std::string_view op, const Json& args) {
    const auto& call = run(op, args);
    EXPECT_LT(call.ended->status, 0) << call.ended->result;
    return *call.ended;
  }
  std::string code(std::string_view op, const Json& args) { return failure(op, args).error_code; }

  static Json hello(const Json& more = Json::object()) {
    Json args{{"model", "openai/gpt-oss-120b"},
              {"messages", {{{"role", "user"}, {"content", "hi you"}}}}};
    args.update(more);
    return args;
  }
  // Right args of each operation that asks a model.
  static std::map<std::string, Json> asking() {
    return {{"chat", hello()},
            {"generate", {{"model", "org/lm"}, {"prompt", "once upon"}}},
            {"embed", {{"model", "org/model"}, {"inputs", {"a", "b"}}}},
            {"image", {{"model", "org/t2i"}, {"prompt", "a cat"}, {"output", "cat.png"}}}};
  }

  std::unique_ptr<simulator::HuggingFace> provider;
};
