// SPDX-License-Identifier: Apache-2.0
// The fine-tuning plugin in the loop-back host: datasets, Ollama, and the trainer of the operator.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/plugins/fine_tuning_fixture.hpp"

namespace {

using cofounder::testkit::HttpAnswer;
using cofounder::testkit::HttpSent;
using cofounder::testkit::Program;
using cofounder::testkit::ProgramRun;
using Json = nlohmann::json;

std::string repeat(const std::string& line, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += line + "\n";
  return text;
}

// The providers' facts, row 18: "dataset unchecked": the line's number is in the error, before any upload.
TEST_F(FineTuningTest, DatasetsAsInTheVectors) {
  std::ifstream file{COFOUNDER_SOURCE_DIR "/tests/vectors/finetune_datasets.json"};
  const Json vectors = Json::parse(std::string{std::istreambuf_iterator<char>{file}, {}});
  const std::map<std::string, std::string> names{{"openai_chat", "openai-chat"}, {"openai_dpo", "openai-dpo"},
                                                 {"bedrock_claude", "bedrock-claude"}, {"vertex_gemini", "vertex"}};
  start();
  ASSERT_EQ(vectors.at("cases").size(), 18u);
  for (const Json& one : vectors.at("cases")) {
    SCOPED_TRACE(one.at("name"));
    const std::string good = R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]})";
    const bool is_openai = one.at("format") == "openai_chat";
    // In the middle of a file, so that a blank line is one inside.
    const std::string line = one.at("line");
    host.files["/data/case.jsonl"] = is_openai ? repeat(good, 11) + line + "\n" + good : line + "\n";
    const Json report = result("validate", {{"dataset", "/data/case.jsonl"}, {"format", names.at(one.at("format"))}});
    const bool is_right = report.at("errors").empty();
    if (one.at("format") == "openai_dpo" || one.at("expect") == "reject") {
      EXPECT_FALSE(is_right) << one.at("why");
      EXPECT_EQ(report.at("errors")[0].at("line"), is_openai ? 12 : 1) << report;
    } else {
      EXPECT_TRUE(is_right) << report;
    }
  }
  for (const Json& one : vectors.at("file_cases")) {
    if (!one.contains("lines")) continue;
    std::string text = chats(one.at("lines"));
    text.pop_back();  // no final newline
    host.files["/data/case.jsonl"] = text;
    const Json report = result("validate", {{"dataset", "/data/case.jsonl"}, {"format", "openai-chat"}});
    EXPECT_EQ(report.at("errors").empty(), one.at("expect").get<bool>()) << report;
    EXPECT_EQ(report.at("examples"), one.at("lines"));
  }
}

TEST_F(FineTuningTest, DatasetsThatAreWrongInOtherWays) {
  start({{"line_bytes_max", 1000}});
  const auto wrong = [&](const std::string& text, const std::string& format, std::uint64_t line, const std::string& what) {
    host.files["/data/case.jsonl"] = text;
    const Json report = result("validate", {{"dataset", "/data/case.jsonl"}, {"format", format}});
    ASSERT_FALSE(report.at("errors").empty()) << what;
    EXPECT_EQ(report.at("errors")[0].at("line"), line) << report;
    EXPECT_NE(report.at("errors")[0].at("message").get<std::string>().find(what), std::string::npos) << report;
  };
  wrong("", "vertex", 0, "0 examples");
  wrong(chats(10) + std::string(5000, 'x'), "openai-chat", 11, "longer than 1000 bytes");
  wrong(std::string(1 << 20, '['), "openai-chat", 1, "longer than");
  wrong("\xEF\xBB\xBF" + chats(10), "openai-chat", 1, "byte order mark");
  wrong("{\"messages\":\"\xff\"}\n", "openai-chat", 1, "UTF-8");
  wrong(R"({"messages":[{"role":"robot","content":"x"}]})", "openai-chat", 1, "messages[0].role");
  wrong(R"({"messages":[1]})", "openai-chat", 1, "messages[0]");
  wrong(R"({"messages":[{"role":7}]})", "bedrock-claude", 1, "at least two");
  wrong(R"({"messages":[{"role":7},{}]})", "bedrock-claude", 1, "messages[0].role");
  wrong(R"({"contents":[{"role":"user","parts":[]}]})", "vertex", 1, "contents[0].parts");
  wrong(R"({"contents":7})", "vertex", 1, "contents");
  wrong(std::string(400, '[') + "1e999", "vertex", 1, "JSON");
  // Two hundred wrong lines: a hundred are told.
  host.files["/data/case.jsonl"] = repeat("[]", 200);
  const Json report = result("validate", {{"dataset", "/data/case.jsonl"}, {"format", "vertex"}});
  EXPECT_EQ(report.at("errors").size(), 100u);
  EXPECT_EQ(report.at("more_errors"), true);
  EXPECT_EQ(code("validate", {{"dataset", "/data/none.jsonl"}, {"format", "vertex"}}), "file_not_found");
}

TEST_F(FineTuningTest, ClaudeIsRefusedWithoutARequest) {
  start();
  const auto& call = run("train", {{"provider", "claude"}, {"dataset", "/data/train.jsonl"}, {"base_model", "claude"}});
  EXPECT_EQ(call.ended->error_code, "unsupported_by_provider");
  EXPECT_NE(call.ended->error_message.find("bedrock"), std::string::npos);
  EXPECT_NE(call.ended->retryable, 1);
  EXPECT_TRUE(host.requests.empty());
}

class LocalTrainingTest : public FineTuningTest {
 protected:
  int trained = 0;

  // A trainer that leaves an adapter as real ones do.
  void SetUp() override {
    FineTuningTest::SetUp();
    host.on_program = [this](const ProgramRun& run) {
      ++trained;
      leave(run, adapter());
      return Program::text({R"({"progress":0.5,"loss":0.7})", "not json", R"({"progress":1,"held_out_loss":0.25,"message":"done"})"});
    };
  }
  void leave(const ProgramRun& run, const std::string& content) {
    const std::string path = run.args.at(1).substr(6);
    std::ofstream{path} << content;
    host.files["scratch:task/adapter.partial"] = host.files["scratch:task/adapter.gguf"] = content;
  }
  static Json local(const Json& more = Json::object()) {
    Json args{{"provider", "local"}, {"dataset", "/data/train.jsonl"}, {"base_model", "mistral"}, {"suffix", "mine"}};
    args.update(more);
    return args;
  }
  bool has_model(const std::string& name) {
    simulator::Request request;
    request.method = "POST";
    request.path = "/api/show";
    request.body = Json{{"model", name}}.dump();
    return ollama.handle(request).status == 200;
  }
};

TEST_F(LocalTrainingTest, TrainsAndCreates) {
  start();
  auto* call = train(local({{"hyperparameters", {{"epochs", 2}}}}));
  ASSERT_TRUE(call->ended->ok()) << call->ended->error_message;
  const Json made = Json::parse(call->ended->result);
  EXPECT_EQ(made.at("model"), "mine");
  EXPECT_EQ(made.at("adapter_sha256").get<std::string>().size(), 64u);
  EXPECT_EQ(made.at("metrics"), (Json{{"loss", 0.7}, {"held_out_loss", 0.25}}));
  EXPECT_TRUE(has_model("mine"));
  ASSERT_EQ(host.runs.size(), 1u);
  EXPECT_EQ(host.runs[0].program, "trainer");
  EXPECT_EQ(host.runs[0].args[2], "mistral");
  EXPECT_EQ(host.runs[0].args[3], R"({"epochs":2})");
  EXPECT_EQ(host.files["scratch:task/dataset.jsonl"], host.files["/data/train.jsonl"]);
  EXPECT_EQ(call->progress.front(), (std::pair<double, std::string>{0.5, "loss 0.7"}));
  EXPECT_EQ(call->progress.back().second, "success");
  EXPECT_EQ(sent("HEAD", "/api/blobs/sha256:"), 1);
  EXPECT_EQ(sent("POST", "/api/blobs/sha256:"), 1);
  // Another one of the same bytes is not sent again.
  auto* second = train(local({{"suffix", "other"}}));
  EXPECT_TRUE(second->ended->ok());
  EXPECT_EQ(sent("POST", "/api/blobs/sha256:"), 1);
  EXPECT_EQ(result("jobs", {{"provider", "local"}}).at("jobs")[0].at("status"), "succeeded");
}

TEST_F(LocalTrainingTest, WhatIsTrainedIsNotTrainedAgain) {
  start();
  int creations = 0;
  instead = [&](const HttpSent& request) -> std::optional<HttpAnswer> {
    if (!request.url.ends_with("/api/create") || ++creations > 1) return std::nullopt;
    return HttpAnswer::broken(COF_EUNAVAILABLE);
  };
  EXPECT_TRUE(train(local())->ended->ok());
  EXPECT_EQ(trained, 1);
  EXPECT_EQ(creations, 2);
  // What got through, only the answer was lost, is found.
  creations = 0;
  instead = nullptr;
  lost = [&](const HttpSent& request) { return request.url.ends_with("/api/create") && ++creations == 1; };
  EXPECT_TRUE(train(local({{"suffix", "lost"}}))->ended->ok());
  EXPECT_EQ(creations, 1);
  EXPECT_TRUE(has_model("lost"));
}

TEST_F(LocalTrainingTest, TrainersThatFail) {
  start();
  const auto with = [&](Program program, const std::string& content = {}) {
    host.on_program = [this, program, content](const ProgramRun& run) {
      if (!content.empty()) leave(run, content);
      return program;
    };
    return run("train", local()).ended;
  };
  Program failing = Program::text({}, 3);
  failing.errors = "Traceback: out of cheese\n";
  auto ended = with(failing);
  EXPECT_EQ(ended->error_code, "trainer_failed");
  EXPECT_NE(ended->error_message.find("code 3: Traceback: out of cheese"), std::string::npos);
  EXPECT_NE(ended->retryable, 1);
  EXPECT_EQ(with(Program::text({}, 75))->retryable, 1);
  Program killed;
  killed.signal = 9;
  EXPECT_EQ(with(killed)->retryable, 1);
  EXPECT_EQ(with(Program::text({"{}"}))->error_code, "no_adapter");
  EXPECT_EQ(with(Program::text({}), "not gguf")->error_code, "bad_adapter");
  EXPECT_EQ(with(Program::denied())->error_code, "trainer_not_allowed");
  EXPECT_EQ(with(Program::broken(COF_ENOTFOUND))->error_code, "trainer_not_allowed");
  EXPECT_EQ(with(Program::broken(COF_ETIMEDOUT))->status, COF_ETIMEDOUT);
  EXPECT_TRUE(host.requests.empty());
  // Not what Ollama takes for an adapter: its own words.
  ended = with(Program::text({}), "GGUF    ");
  EXPECT_EQ(ended->error_code, "create_failed");
  EXPECT_NE(ended->error_message.find("unsupported gguf version"), std::string::npos);
}

TEST_F(LocalTrainingTest, ACancelEndsTheTrainer) {
  start();
  host.on_program = [](const ProgramRun&) { return Program::running({R"({"progress":0.1})"}); };
  auto& call = host.operation("train", local().dump());
  host.run();
  ASSERT_FALSE(call.ended);
  EXPECT_EQ(host.processes.size(), 1u);
  host.cancel(call);
  host.run();
  ASSERT_TRUE(call.ended);
  EXPECT_EQ(call.ended->status, COF_ECANCELLED);
  EXPECT_TRUE(host.processes.empty());
}

TEST_F(LocalTrainingTest, BadArguments) {
  start();
  EXPECT_EQ(code("train", local({{"base_model", "a\nb"}})), "invalid_model");
  EXPECT_EQ(code("train", local({{"suffix", "../up"}})), "invalid_model");
  EXPECT_EQ(code("train", {{"provider", "local"}, {"base_model", "mistral"}}), "no_dataset");
  host.files["/data/bad.jsonl"] = chats(3) + "{}\n";
  const auto& bad = run("train", local({{"dataset", "/data/bad.jsonl"}}));
  EXPECT_EQ(bad.ended->error_code, "invalid_dataset");
  EXPECT_NE(bad.ended->error_message.find("args.dataset: line 4: messages is missing"), std::string::npos) << bad.ended->error_message;
  const auto& same = run("train", local({{"validation_dataset", "/data/train.jsonl"}}));
  EXPECT_NE(same.ended->error_message.find("args.validation_dataset: line 1: the same example"), std::string::npos)
      << same.ended->error_message;
  EXPECT_EQ(trained, 0);
}

TEST_F(LocalTrainingTest, OllamaTakesAReadyAdapterAndSaysThatItDoesNotTrain) {
  start({{"local", Json::object()}});
  host.files["/data/adapter.gguf"] = adapter("x");
  const Json ready{{"provider", "ollama"}, {"base_model", "mistral"}, {"suffix", "ready"}, {"adapter", "/data/adapter.gguf"}};
  EXPECT_EQ(result("train", ready).at("model"), "ready");
  EXPECT_TRUE(has_model("ready"));
  EXPECT_EQ(code("train", local({{"provider", "ollama"}})), "unsupported_by_provider");
  EXPECT_EQ(code("train", local()), "not_configured");
}

TEST_F(LocalTrainingTest, EachWayInWhichOllamaFails) {
  start();
  host.files["/data/adapter.gguf"] = adapter();
  const Json args{{"provider", "ollama"}, {"base_model", "mistral"}, {"suffix", "a"}, {"adapter", "/data/adapter.gguf"}};
  const auto with = [&](HttpAnswer answer) {
    instead = [answer](const HttpSent& request) -> std::optional<HttpAnswer> {
      if (!request.url.ends_with("/api/create")) return std::nullopt;
      return answer;
    };
    return run("train", args).ended;
  };
  const auto lines = [](std::vector<std::string> all) {
    HttpAnswer answer;
    for (auto& line : all) answer.items.push_back({line});
    return answer;
  };
  EXPECT_EQ(with(lines({R"({"status":"parsing GGUF"})", R"({"error":"no space left"})"}))->error_code, "create_failed");
  EXPECT_EQ(with(lines({R"({"status":"parsing GGUF"})"}))->error_code, "create_incomplete");
  EXPECT_EQ(with(lines({}))->status, COF_EUNAVAILABLE) << "it may be tried again";
  EXPECT_EQ(with(lines({"<html>"}))->error_code, "bad_answer");
  EXPECT_EQ(with(lines({R"({"status":7})"}))->error_code, "bad_answer");
  EXPECT_EQ(with(lines({R"({"status":"x","total":-1,"completed":99999999999999999999})"}))->error_code, "create_incomplete");
  EXPECT_EQ(with(HttpAnswer::text(503, R"({"error":"server busy"})"))->error_code, "provider_error");
  EXPECT_EQ(with(HttpAnswer::text(400, R"({"error":"invalid model name"})"))->error_code, "bad_request");
  EXPECT_EQ(with(HttpAnswer::broken(COF_EUNAVAILABLE))->status, COF_EUNAVAILABLE);
}

TEST_F(LocalTrainingTest, DeployKeepsWhichModelAnAliasStandsFor) {
  start();
  EXPECT_EQ(code("deploy", {{"model", "none"}, {"provider", "ollama"}}), "not_found");
  EXPECT_EQ(result("aliases", Json::object()).at("aliases").size(), 0u);
  train(local());
  for (const char* model : {"mistral", "mine"}) {
    const Json done = result("deploy", {{"model", model}, {"provider", "local"}, {"alias", "chat"}});
    EXPECT_EQ(done.at("active").at("model"), model);
  }
  const Json aliases = result("aliases", Json::object()).at("aliases");
  ASSERT_EQ(aliases.size(), 1u);
  EXPECT_EQ(aliases[0].at("alias"), "chat");
  EXPECT_EQ(aliases[0].at("model"), "mine");
}

TEST_F(LocalTrainingTest, ConfigurationsThatCannotBeRight) {
  start();
  for (const Json& bad : {Json{{"local", {{"command", {"trainer"}}}}}, Json{{"local", {{"command", {"t", "{dataset}{output}{typo}"}}}}},
                          Json{{"local", {{"command", {"t", "{dataset}{output"}}}}}, Json{{"openai_url", "ftp://x"}},
                          Json{{"bedrock_s3_uri", "s3://"}}, Json{{"openai_project", "a\nb"}},
                          Json{{"local", {{"command", {"t", "{dataset}{output}"}}, {"environment", {{"A", 1}}}}}}}) {
    const auto& call = host.configure(COF_CONFIGURE_CHECK, config(bad).dump());
    host.run();
    EXPECT_EQ(call.ended->error_code, "invalid_config") << bad;
  }
}

}  // namespace
