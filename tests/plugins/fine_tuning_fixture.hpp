// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <cofounder/plugin.h>
#include <cofounder/testkit.hpp>

#include <cctype>
#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/simulators/ollama.hpp"
#include "tests/simulators/openai_finetune.hpp"
#include "tests/support/gguf_adapter.hpp"

// The whole fine-tuning plugin in the loop-back host; what it sends is answered by the simulators,
// which are as strict as the providers, without a network between them.
class FineTuningTest : public testing::Test {
 protected:
  using Json = nlohmann::json;
  using HttpAnswer = cofounder::testkit::HttpAnswer;
  using HttpSent = cofounder::testkit::HttpSent;
  using Options = cofounder::testkit::Host::OperationOptions;
  using Call = cofounder::testkit::Call;

  cofounder::testkit::Host host{*cof_plugin_entry_v1(), {"fine-tuning", {}}};
  simulator::OpenAiOptions openai_options;
  std::unique_ptr<simulator::OpenAiFineTuning> openai;
  simulator::Ollama ollama{simulator::OllamaOptions{}};
  std::function<std::optional<HttpAnswer>(const HttpSent&)> instead;  // of the provider's answer
  // Answers that get lost on their way back: the provider did what it was asked for.
  std::function<bool(const HttpSent&)> lost;

  static Json config(const Json& more = Json::object()) {
    Json all{{"openai_key", {{"secret", "openai_key"}}},
             {"local", {{"command", {"trainer", "--data={dataset}", "--out={output}", "{base_model}",
                                     "{hyperparameters}"}}}}};
    all.update(more);
    return all;
  }

  void SetUp() override {
    host.secrets["openai_key"] = "sk-test";
    host.files["/data/train.jsonl"] = chats(10);
    host.on_request = [this](const auto& sent) { return ask(sent); };
  }
  void start(const Json& more = Json::object()) {
    openai = std::make_unique<simulator::OpenAiFineTuning>(openai_options);
    host.start(config(more).dump());
    host.run();
  }
  void TearDown() override {
    host.stop();
    EXPECT_EQ(host.violations, std::vector<std::string>{});
    EXPECT_EQ(host.open_tags(), 0u);
    EXPECT_TRUE(host.transfers.empty());
    EXPECT_TRUE(host.open_files.empty());
    EXPECT_TRUE(host.processes.empty());
    for (const auto& line : host.logs) EXPECT_EQ(line.text.find("sk-test"), std::string::npos);
  }

  static std::string chats(int count, const std::string& word = "q") {
    std::string text;
    for (int i = 0; i < count; ++i) {
      text += Json{{"messages", {{{"role", "user"}, {"content", word + std::to_string(i)}},
                                 {{"role", "assistant"}, {"content", "a"}}}}}.dump() + "\n";
    }
    return text;
  }
  static std::string adapter(const std::string& name = "w") { return cofounder::test::gguf_adapter(name); }

  HttpAnswer ask(const HttpSent& sent) {
    if (instead) {
      if (auto answer = instead(sent)) return *answer;
    }
    simulator::Request request;
    request.method = sent.method;
    std::string target = sent.url.substr(sent.url.find('/', 8));
    if (const auto query = target.find('?'); query != std::string::npos) {
      request.query = target.substr(query + 1);
      target.resize(query);
    }
    request.path = target;
    std::string_view lines = sent.headers;
    while (!lines.empty()) {
      const auto line = lines.substr(0, lines.find('\n'));
      lines.remove_prefix(line.size() + 1);
      std::string name{line.substr(0, line.find(": "))};
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      request.headers.emplace_back(name, line.substr(line.find(": ") + 2));
    }
    request.body = sent.body;
    const bool is_ollama = sent.url.starts_with("http://127.0.0.1:11434");
    auto response = is_ollama ? ollama.handle(request) : openai->handle(request);
    if (lost && lost(sent)) return HttpAnswer::broken(COF_ETIMEDOUT);
    HttpAnswer answer = HttpAnswer::text(response.status, response.body);
    if (response.stream) {
      answer.items.clear();
      while (auto piece = response.stream()) {
        if (piece->ends_with('\n')) piece->pop_back();
        answer.items.push_back({*piece});
      }
    }
    answer.headers = "content-type: " + response.content_type + "\n";
    return answer;
  }

  Call& run(std::string_view op, const Json& args, const Options& how = Options{}) {
    auto& call = host.operation(op, args.dump(), how);
    host.run();
    EXPECT_TRUE(call.ended.has_value());
    EXPECT_EQ(call.ended->error_message.find("sk-test"), std::string::npos);
    return call;
  }
  Json result(std::string_view op, const Json& args, const Options& how = Options{}) {
    const auto& call = run(op, args, how);
    EXPECT_TRUE(call.ended->ok()) << call.ended->error_code << ": " << call.ended->error_message;
    return call.ended->ok() ? Json::parse(call.ended->result) : Json{};
  }
  std::string code(std::string_view op, const Json& args, const Options& how = Options{}) {
    const auto& call = run(op, args, how);
    EXPECT_LT(call.ended->status, 0) << call.ended->result;
    return call.ended->error_code;
  }

  // A task as the host runs it: again with its checkpoint, until it neither is put off nor fails in
  // a way that may be tried again.
  Call* train(const Json& args, int attempts_max = 3) {
    Options how;
    how.attempts_max = attempts_max;
    for (int rounds = 0; rounds < 50; ++rounds) {
      Call& call = run("train", args, how);
      how.checkpoint = call.checkpoint;
      if (call.deferred_to_ms) {
        host.wall_ms = *call.deferred_to_ms;
        continue;
      }
      const bool again = !call.ended->ok() && (call.ended->retryable == 1 ||
                                               (call.ended->retryable == 0 && call.ended->status == COF_ETIMEDOUT));
      if (!again || how.attempt == attempts_max) return &call;
      ++how.attempt;
    }
    ADD_FAILURE() << "it never ends";
    return nullptr;
  }
  int sent(std::string_view method, std::string_view part) const {
    int count = 0;
    for (const auto& request : host.requests) {
      count += request.method == method && request.url.find(part) != std::string::npos ? 1 : 0;
    }
    return count;
  }
  static Json openai_job(const Json& more = Json::object()) {
    Json args{{"provider", "openai"}, {"dataset", "/data/train.jsonl"}, {"base_model", "gpt-4.1-mini-2025-04-14"}};
    args.update(more);
    return args;
  }
};
