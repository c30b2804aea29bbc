// SPDX-License-Identifier: Apache-2.0
// Datasets of Bedrock that go to S3 in parts, against the simulator, which verifies each signature.
#include <chrono>

#include "tests/plugins/fine_tuning_fixture.hpp"
#include "tests/simulators/bedrock.hpp"

namespace {

using cofounder::testkit::HttpAnswer;
using cofounder::testkit::HttpSent;
using Json = nlohmann::json;

constexpr std::size_t part = 5u << 20;

class S3Test : public FineTuningTest {
 protected:
  simulator::BedrockOptions options;
  std::unique_ptr<simulator::Bedrock> provider;
  std::function<bool(const HttpSent&)> no_answer;  // what it was asked for it did
  std::function<bool(const HttpSent&)> no_request;

  void SetUp() override {
    FineTuningTest::SetUp();
    provider = std::make_unique<simulator::Bedrock>(options);
    host.secrets["bedrock_secret_access_key"] = options.account.secret;
    host.wall_ms = 1000 * static_cast<std::int64_t>(std::time(nullptr));
    host.files["/data/large.jsonl"] = lines(2 * part + 1000);
    instead = [this](const HttpSent& sent) { return std::optional{serve(sent)}; };
    start({{"bedrock_access_key_id", options.account.key_id}, {"bedrock_role_arn", "arn:aws:iam::123456789012:role/b"},
           {"bedrock_s3_uri", "s3://bucket/a & b"}, {"bedrock_secret_access_key", {{"secret", "x"}}},
           {"s3_put_bytes_max", part}, {"s3_part_bytes", part}});
  }
  void start(Json more) {
    more["bedrock_s3_uri"] = "s3://bucket/a&b";
    FineTuningTest::start(more);
  }
  static std::string lines(std::size_t bytes) {
    std::string text;
    while (text.size() < bytes) {
      text += R"({"messages":[{"role":"user","content":")" + std::string(200'000, 'q') + R"("},{"role":"assistant","content":")" +
              std::to_string(text.size()) + "\"}]}\n";
    }
    return text;
  }
  HttpAnswer serve(const HttpSent& sent) {
    if (no_request && no_request(sent)) return HttpAnswer::broken(COF_EUNAVAILABLE);
    simulator::Request request;
    request.method = sent.method;
    const auto path = sent.url.find('/', 8);
    const auto mark = sent.url.find('?');
    request.path = sent.url.substr(path, mark - path);
    if (mark != std::string::npos) request.query = sent.url.substr(mark + 1);
    request.headers.emplace_back("host", sent.url.substr(8, path - 8));
    request.headers.emplace_back("content-length", std::to_string(sent.body.size()));
    std::string_view rest = sent.headers;
    while (!rest.empty()) {
      const auto line = rest.substr(0, rest.find('\n'));
      rest.remove_prefix(line.size() + 1);
      std::string name{line.substr(0, line.find(": "))};
      for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      request.headers.emplace_back(name, line.substr(line.find(": ") + 2));
    }
    request.body = sent.body;
    const auto response = provider->handle(request);
    if (no_answer && no_answer(sent)) return HttpAnswer::broken(COF_EUNAVAILABLE);
    HttpAnswer answer = HttpAnswer::text(response.status, response.is_head ? "" : response.body);
    answer.headers = "content-type: " + response.content_type + "\n";
    if (response.is_head) answer.headers += "content-length: " + std::to_string(response.body.size()) + "\n";
    for (const auto& [name, value] : response.headers) {
      std::string lower = name;
      for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      answer.headers += lower + ": " + value + "\n";
    }
    return answer;
  }
  static Json args(const Json& more = Json::object()) {
    Json all{{"provider", "bedrock"}, {"dataset", "/data/large.jsonl"}, {"base_model", "anthropic.claude-3-haiku-20240307-v1:0:200k"}};
    all.update(more);
    return all;
  }
  void expect_trained(const cofounder::testkit::Call* call) {
    ASSERT_NE(call, nullptr);
    ASSERT_TRUE(call->ended->ok()) << call->ended->error_code << ": " << call->ended->error_message;
    EXPECT_EQ(provider->open_uploads(), 0u);
    EXPECT_TRUE(provider->objects().empty()) << "the dataset is deleted";
  }
  static bool is_part(const HttpSent& sent) { return sent.method == "PUT" && sent.url.find("partNumber=") != std::string::npos; }
};

TEST_F(S3Test, LargeDatasetsGoInParts) {
  std::string stored;
  no_request = [&](const HttpSent& sent) {
    if (sent.url.ends_with("/model-customization-jobs")) stored = provider->objects().begin()->second;
    return false;
  };
  expect_trained(train(args()));
  EXPECT_EQ(stored, host.files["/data/large.jsonl"]);
  EXPECT_EQ(sent("PUT", "partNumber="), 3);
  EXPECT_EQ(sent("PUT", "partNumber=3&uploadId="), 1);
  EXPECT_EQ(sent("POST", "?uploads="), 1);
  // What fits into one request goes in one.
  host.files["/data/small.jsonl"] = lines(part / 2);
  expect_trained(train(args({{"dataset", "/data/small.jsonl"}})));
  EXPECT_EQ(sent("PUT", "partNumber="), 3);
}

TEST_F(S3Test, GoesOnWhereItStopped) {
  int parts = 0;
  no_request = [&](const HttpSent& sent) { return is_part(sent) && ++parts == 3; };
  expect_trained(train(args()));
  EXPECT_EQ(parts, 4) << "only the one that was lost was sent again";
  EXPECT_EQ(sent("POST", "?uploads="), 1);
}

TEST_F(S3Test, WhateverAnswerIsLostThereIsOneObjectAndNothingElse) {
  for (const char* which : {"?uploads=", "partNumber=1", "partNumber=3", "POST ?uploadId=", "/model-customization-jobs"}) {
    SCOPED_TRACE(which);
    int times = 0;
    no_answer = [&](const HttpSent& sent) {
      return (sent.method + " " + sent.url).find(std::string{which}.substr(std::string_view{which}.starts_with("POST ") ? 5 : 0)) != std::string::npos &&
             (!std::string_view{which}.starts_with("POST ") || sent.method == "POST") && ++times == 1;
    };
    Options how;
    host.values.clear();
    const auto before = sent("POST", "?uploads=");
    expect_trained(train(args()));
    EXPECT_GE(times, 1);
    EXPECT_EQ(sent("POST", "?uploads="), before + 1) << "what was begun is found";
    provider = std::make_unique<simulator::Bedrock>(options);
  }
}

TEST_F(S3Test, AnUploadThatIsGoneBeginsAgain) {
  int parts = 0;
  no_request = [&](const HttpSent& sent) {
    if (is_part(sent) && ++parts == 2) provider = std::make_unique<simulator::Bedrock>(options);  // it forgets
    return false;
  };
  expect_trained(train(args()));
  EXPECT_EQ(parts, 5);
  EXPECT_EQ(sent("POST", "?uploads="), 2);
}

TEST_F(S3Test, AFileThatChangedIsSentAnew) {
  int parts = 0;
  no_request = [&](const HttpSent& sent) {
    if (!is_part(sent) || ++parts != 2) return false;
    host.files["/data/large.jsonl"] = lines(2 * part + 900'000);
    return true;
  };
  std::string stored;
  no_answer = [&](const HttpSent& sent) {
    if (sent.method == "POST" && sent.url.find("?uploadId=") != std::string::npos) stored = provider->objects().begin()->second;
    return false;
  };
  expect_trained(train(args()));
  EXPECT_EQ(stored, host.files["/data/large.jsonl"]);
}

TEST_F(S3Test, EndingItLeavesNoParts) {
  no_request = [](const HttpSent& sent) { return is_part(sent) && sent.url.find("partNumber=3") != std::string::npos; };
  EXPECT_FALSE(run("train", args()).ended->ok());
  EXPECT_EQ(provider->open_uploads(), 1u);
  host.task_states["task-1"] = R"({"id":"task-1","state":"cancelled"})";
  host.event("task.cancelled", R"({"task":"task-1","op":"fine-tuning.train","state":"cancelled"})");
  host.run();
  EXPECT_EQ(provider->open_uploads(), 0u);
}

TEST_F(S3Test, WrongAnswersAreTypedErrors) {
  const auto with = [&](const std::string& which, HttpAnswer answer) {
    instead = [this, which, answer](const HttpSent& sent) {
      const bool is_it = (sent.method + " " + sent.url).find(which) != std::string::npos;
      return std::optional{is_it ? answer : serve(sent)};
    };
    host.values.clear();
    provider = std::make_unique<simulator::Bedrock>(options);
    return run("train", args()).ended->error_code;
  };
  const std::string begin = "POST https://s3.us-west-2.amazonaws.com/bucket/a%26b/cofounderd-task-1-dataset.jsonl?uploads=";
  const std::string end = "POST https://s3.us-west-2.amazonaws.com/bucket/a%26b/cofounderd-task-1-dataset.jsonl?uploadId=";
  HttpAnswer odd = HttpAnswer::text(200, "");
  odd.headers = "etag: \"<Part>\"\n";
  for (const char* body : {"", "<html>", "<UploadId></UploadId>", "<UploadId>a b</UploadId>", "<UploadId>a&lt;b</UploadId>", "<UploadId>x"}) {
    EXPECT_EQ(with(begin, HttpAnswer::text(200, body)), "bad_answer") << body;
  }
  EXPECT_EQ(with("partNumber=2", HttpAnswer::text(200, "")), "bad_answer") << "no ETag";
  EXPECT_EQ(with("partNumber=2", odd), "bad_answer");
  EXPECT_EQ(with("partNumber=2", HttpAnswer::text(503, "<Error><Code>SlowDown</Code><Message>slower</Message></Error>")), "provider_error");
  EXPECT_EQ(with(end, HttpAnswer::text(200, "<html>")), "bad_answer");
  // A 200 that says in its body that it failed.
  EXPECT_EQ(with(end, HttpAnswer::text(200, "<?xml version=\"1.0\"?>\n<Error><Code>InternalError</Code><Message>again</Message></Error>")), "provider_error");
  EXPECT_EQ(with(end, HttpAnswer::text(400, "<Error><Code>EntityTooSmall</Code><Message>small</Message></Error>")), "bad_request");
}

TEST_F(S3Test, JobsAreCountedByProviderAndStatus) {
  const auto count = [&](const char* status) {
    const auto& values = host.metrics["finetune_jobs"].values[{"bedrock", status}];
    return values.empty() ? -1.0 : values.back();
  };
  Options how;
  how.task_id = "task-2";
  host.files["/data/small.jsonl"] = lines(1000);
  EXPECT_TRUE(run("train", args({{"dataset", "/data/small.jsonl"}}), how).deferred_to_ms);
  EXPECT_EQ(count("running"), 1);
  expect_trained(train(args({{"dataset", "/data/small.jsonl"}})));
  EXPECT_EQ(count("succeeded"), 1);
  EXPECT_EQ(count("running"), 1);
  host.task_states["task-2"] = R"({"id":"task-2","state":"cancelled"})";
  host.event("task.cancelled", R"({"task":"task-2","op":"fine-tuning.train","state":"cancelled"})");
  host.run();
  EXPECT_EQ(count("cancelled"), 1);
  EXPECT_EQ(count("running"), 0);
}

}  // namespace
