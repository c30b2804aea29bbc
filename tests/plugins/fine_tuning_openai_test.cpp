// SPDX-License-Identifier: Apache-2.0
// The fine-tuning plugin and OpenAI.
#include "tests/plugins/fine_tuning_fixture.hpp"

namespace {

using cofounder::testkit::HttpAnswer;
using cofounder::testkit::HttpSent;
using Json = nlohmann::json;

std::optional<HttpAnswer> none() { return std::nullopt; }

TEST_F(FineTuningTest, OpenAiTrains) {
  start();
  host.files["/data/check.jsonl"] = chats(2, "other");
  auto* call = train(openai_job({{"validation_dataset", "/data/check.jsonl"}, {"suffix", "mine"}, {"seed", 7},
                                 {"hyperparameters", {{"n_epochs", 2}, {"batch_size", "auto"}}}}));
  ASSERT_TRUE(call->ended->ok()) << call->ended->error_message;
  const Json made = Json::parse(call->ended->result);
  EXPECT_EQ(made.at("model"), "ft:gpt-4.1-mini-2025-04-14:org::mine");
  EXPECT_EQ(made.at("trained_tokens"), 1234);
  EXPECT_TRUE(made.at("provider_job_id").get<std::string>().starts_with("ftjob-"));
  EXPECT_EQ(made.at("checkpoints")[0].at("step"), 88);
  EXPECT_EQ(openai->files(), 0u) << "the uploaded files are deleted";
  EXPECT_EQ(openai->jobs(), 1u);
  EXPECT_EQ(sent("POST", "/v1/files"), 2);
  // Between two looks nothing runs; each look is later than the one before.
  std::vector<std::int64_t> waits;
  std::vector<std::string> events;
  for (const auto& one : host.calls) {
    if (one.deferred_to_ms) waits.push_back(*one.deferred_to_ms);
    for (const auto& piece : one.emitted) events.push_back(Json::parse(piece).at("event").at("message"));
  }
  ASSERT_EQ(waits.size(), 2u);
  EXPECT_EQ(waits[0], 1'700'000'000'000 + 10'000);
  EXPECT_EQ(waits[1] - waits[0], 15'000);
  ASSERT_EQ(events.size(), 4u) << "each event once";
  EXPECT_TRUE(events[0].starts_with("Created"));
  EXPECT_TRUE(events[3].ends_with("successfully completed"));
  EXPECT_EQ(host.usages.at(0).input_tokens, 1234);
  const Json jobs = result("jobs", Json::object()).at("jobs");
  ASSERT_EQ(jobs.size(), 1u);
  EXPECT_EQ(jobs[0].at("status"), "succeeded");
  EXPECT_EQ(jobs[0].at("model"), made.at("model"));
  EXPECT_FALSE(jobs[0].contains("state"));
}

// The providers' facts, row 17: "OpenAI refusal": it fails with the provider's words, the file is deleted.
TEST_F(FineTuningTest, ARefusedCreationIsExplained) {
  openai_options.closed = true;
  start();
  auto* call = train(openai_job());
  EXPECT_EQ(call->ended->error_code, "creation_refused");
  EXPECT_NE(call->ended->error_message.find("not available for this organization"), std::string::npos);
  EXPECT_NE(call->ended->error_message.find("2027-01-06"), std::string::npos);
  EXPECT_NE(call->ended->retryable, 1);
  EXPECT_EQ(openai->files(), 0u);
  EXPECT_EQ(result("jobs", Json::object()).at("jobs")[0].at("status"), "failed");
}

TEST_F(FineTuningTest, AFailedJobSaysWhyAndLeavesNothing) {
  openai_options.failing = true;
  start();
  auto* call = train(openai_job());
  EXPECT_EQ(call->ended->error_code, "job_failed");
  EXPECT_NE(call->ended->error_message.find("invalid training file. (invalid_training_file)"), std::string::npos)
      << call->ended->error_message;
  EXPECT_EQ(openai->files(), 0u);
}

// The providers' facts, row 17: "OpenAI refusal": double create after a timeout is one job.
TEST_F(FineTuningTest, WhateverAnswerIsLostThereIsOneJobAndNoFile) {
  for (const char* what : {"/v1/files", "/fine_tuning/jobs"}) {
    SCOPED_TRACE(what);
    int times = 0;
    lost = [&](const HttpSent& request) {
      return request.method == "POST" && request.url.ends_with(what) && ++times == 1;
    };
    if (!openai) start();
    const auto jobs = openai->jobs();
    auto* call = train(openai_job());
    EXPECT_TRUE(call->ended->ok()) << call->ended->error_message;
    EXPECT_EQ(times, 1) << "it is looked for, not sent again";
    EXPECT_EQ(openai->jobs(), jobs + 1);
    EXPECT_EQ(openai->files(), 0u);
    host.values.clear();
  }
}

TEST_F(FineTuningTest, LargeDatasetsGoInPartsAndOnWhereTheyStopped) {
  start({{"openai_file_bytes_max", 100}, {"openai_part_bytes", 300}});
  int parts = 0;
  instead = [&](const HttpSent& request) {
    const bool is_part = request.url.ends_with("/parts");
    if (!is_part || ++parts != 2) return none();
    return std::optional{HttpAnswer::broken(COF_EUNAVAILABLE)};
  };
  auto* call = train(openai_job());
  ASSERT_TRUE(call->ended->ok()) << call->ended->error_message;
  const auto wanted = (host.files["/data/train.jsonl"].size() + 299) / 300;
  EXPECT_EQ(static_cast<std::size_t>(parts), wanted + 1) << "one was sent twice";
  EXPECT_EQ(sent("POST", "/uploads"), parts + 2) << "one upload, completed once";
  EXPECT_EQ(openai->files(), 0u);
}

TEST_F(FineTuningTest, AnOutageDoesNotEndAJob) {
  start();
  int looks = 0;
  instead = [&](const HttpSent& request) {
    const bool is_look = request.method == "GET" && request.url.find("/fine_tuning/jobs/ftjob-") != std::string::npos;
    if (!is_look || request.url.find("/events") != std::string::npos || ++looks > 10) return none();
    return std::optional{looks % 2 == 0 ? HttpAnswer::text(503, "<html>") : HttpAnswer::text(200, "[]")};
  };
  auto* call = train(openai_job(), 1);
  EXPECT_TRUE(call->ended->ok()) << call->ended->error_message;
  EXPECT_EQ(openai->jobs(), 1u);
}

TEST_F(FineTuningTest, WhatIsCancelledIsCancelledThereToo) {
  start();
  Options how;
  how.task_id = "task-9";
  const auto& call = run("train", openai_job(), how);
  ASSERT_TRUE(call.deferred_to_ms);
  EXPECT_EQ(openai->status_of_last_job(), "running");
  // Somebody else's end is not ours.
  host.task_states["task-9"] = R"({"id":"task-9","state":"scheduled"})";
  host.event("task.failed", R"({"task":"task-9","op":"fine-tuning.train","state":"failed"})");
  host.event("task.cancelled", R"({"task":"task-9","op":"other.train","state":"cancelled"})");
  host.run();
  EXPECT_EQ(openai->status_of_last_job(), "running");
  host.task_states["task-9"] = R"({"id":"task-9","state":"cancelled"})";
  // As the host says it of a task that waited for its next attempt.
  host.event("task.cancelled", R"({"task":"task-9","op":"","state":"cancelled"})");
  host.run();
  EXPECT_EQ(openai->status_of_last_job(), "cancelled");
  EXPECT_EQ(openai->files(), 0u);
  EXPECT_EQ(result("jobs", Json::object()).at("jobs")[0].at("status"), "cancelled");
}

// The daemon died between the task's end and the provider's: at the next start it is made good.
TEST_F(FineTuningTest, AtTheStartWhatIsOverIsEnded) {
  start();
  int creations = 0;
  lost = [&](const HttpSent& request) {
    return request.method == "POST" && request.url.ends_with("/jobs") && ++creations > 0;
  };
  Options how;
  how.task_id = "task-9";
  run("train", openai_job(), how);
  EXPECT_EQ(openai->files(), 1u);
  lost = nullptr;
  host.task_states["task-9"] = R"({"id":"task-9","state":"timed_out"})";
  host.hook(COF_CALL_START);
  host.run();
  EXPECT_EQ(openai->status_of_last_job(), "cancelled") << "also a job of whose creation nobody heard";
  EXPECT_EQ(openai->files(), 0u);
}

TEST_F(FineTuningTest, WhatIsCancelledAtTheProvider) {
  start();
  instead = [&](const HttpSent& request) {
    if (request.method != "GET" || !request.url.ends_with("/fine_tuning/jobs/ftjob-2")) return none();
    return std::optional{HttpAnswer::text(200, R"({"id":"ftjob-2","status":"cancelled"})")};
  };
  EXPECT_EQ(train(openai_job())->ended->error_code, "cancelled_at_provider");
  EXPECT_EQ(openai->files(), 0u);
}

TEST_F(FineTuningTest, NothingIsSentForBadArguments) {
  start();
  EXPECT_EQ(code("train", openai_job({{"suffix", "a b"}})), "invalid_suffix");
  EXPECT_EQ(code("train", openai_job({{"base_model", "gpt\nX-Evil: 1"}})), "invalid_model");
  EXPECT_EQ(code("train", openai_job({{"format", "vertex"}})), "invalid_format");
  for (const Json& bad : {Json{{"n_epochs", 0}}, Json{{"n_epochs", 51}}, Json{{"n_epochs", 1.5}}, Json{{"batch_size", 257}},
                          Json{{"learning_rate_multiplier", 0}}, Json{{"beta", 3}}, Json{{"epochs", 3}}, Json{{"n_epochs", "3"}}}) {
    EXPECT_EQ(code("train", openai_job({{"hyperparameters", bad}})), "invalid_hyperparameters") << bad;
  }
  host.files["/data/nine.jsonl"] = chats(9);
  EXPECT_EQ(code("train", openai_job({{"dataset", "/data/nine.jsonl"}})), "invalid_dataset");
  EXPECT_EQ(code("train", {{"provider", "openai"}, {"base_model", "x"}}), "no_dataset");
  host.secrets["openai_key"] = "sk\nX-Evil: 1";
  EXPECT_EQ(code("train", openai_job()), "not_configured");
  host.secrets.clear();
  EXPECT_EQ(code("train", openai_job()), "not_configured");
  EXPECT_TRUE(host.requests.empty());
}

TEST_F(FineTuningTest, AnswersThatAreWrong) {
  start();
  const auto with = [&](const std::string& part, HttpAnswer answer) {
    instead = [part, answer](const HttpSent& request) {
      return request.url.ends_with(part) ? std::optional{answer} : none();
    };
    Options how;
    how.task_id = "task-" + std::to_string(host.calls.size());
    return run("train", openai_job(), how).ended->error_code;
  };
  for (const char* body : {"{}", "[]", "not json", R"({"id":7})", R"({"id":""})", R"({"id":"a\nb"})", R"({"id":1e999})"}) {
    EXPECT_EQ(with("/files", HttpAnswer::text(200, body)), "bad_answer") << body;
    EXPECT_EQ(with("/jobs", HttpAnswer::text(200, body)), "bad_answer") << body;
  }
  EXPECT_EQ(with("/files", HttpAnswer::text(401, R"({"error":{"message":"Incorrect API key provided: sk-test"}})")), "unauthorized");
  EXPECT_EQ(with("/files", HttpAnswer::text(413, "{}")), "too_large");
  EXPECT_EQ(with("/files", HttpAnswer::text(429, "{}")), "rate_limited");
  EXPECT_EQ(with("/jobs", HttpAnswer::text(500, "{}")), "provider_error");
  HttpAnswer page = HttpAnswer::text(404, "<html>");
  page.headers = "content-type: text/html\n";
  EXPECT_EQ(with("/jobs", page), "wrong_url");
}

}  // namespace
