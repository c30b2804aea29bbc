// SPDX-License-Identifier: Apache-2.0
// The fine-tuning plugin in the real daemon, with a trainer that trains and simulators of all providers.
#include <gtest/gtest.h>

#include "tests/daemon/fine_tuning_daemon.hpp"

namespace cofounder::test {
namespace {

using namespace std::chrono_literals;

// The providers' facts, rows 14 and 15: "Ollama temp dir race, PIPE blockage", "status never complete".
TEST_F(FineTuningDaemonTest, TrainsHereAndLeavesAnEmptyScratchFolder) {
  start(", \"--noise=2000000\"");
  const std::string id = daemon.submit(task("local", R"(,"suffix":"mine")"));
  const auto done = wait_over(id);
  ASSERT_EQ(done.root().find("state").as_string(), "succeeded") << done.root().text();
  EXPECT_EQ(done.root().at_pointer("/result/model").as_string(), "mine");
  const double before = done.root().at_pointer("/result/metrics/untrained_loss").as_number().value_or(0);
  const double after = done.root().at_pointer("/result/metrics/held_out_loss").as_number().value_or(1e9);
  EXPECT_LT(after, 0.6 * before) << "it was really trained";
  expect_empty_scratch();
  const std::string deploy = daemon.submit(R"({"op":"fine-tuning.deploy","args":{"model":"mine","provider":"local","alias":"chat"}})");
  EXPECT_EQ(wait_over(deploy).root().at_pointer("/result/active/model").as_string(), "mine");
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(FineTuningDaemonTest, ATrainerThatFailsLeavesAnEmptyScratchFolder) {
  start(", \"--fail=out of cheese\"");
  const auto done = wait_over(daemon.submit(task("local")));
  EXPECT_EQ(done.root().at_pointer("/error/code").as_string(), "trainer_failed") << done.root().text();
  EXPECT_NE(std::string{done.root().at_pointer("/error/message").as_string().value_or("")}.find("out of cheese"), std::string::npos);
  expect_empty_scratch();
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(FineTuningDaemonTest, KilledInTheMiddleItTrainsAgainAndCreatesOnce) {
  const std::string go = (daemon.folder() / "go").string();
  start(", \"--wait-for=" + go + "\"");
  const std::string id = daemon.submit(task("local", R"(,"suffix":"mine")"));
  ASSERT_TRUE(wait_until([&] { return trainings() == 1; })) << daemon.show(id).root().text();
  daemon.kill();
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_TRUE(wait_until([&] { return trainings() == 2; }, 60s)) << daemon.show(id).root().text();
  EXPECT_NE(daemon.state_of(id), "failed");
  write_file(go, "");
  const auto done = wait_over(id);
  EXPECT_EQ(done.root().find("state").as_string(), "succeeded") << done.root().text();
  EXPECT_EQ(asked(ollama, "POST", "/api/create"), 1);
  expect_empty_scratch();
  EXPECT_EQ(daemon.stop(), 0);
}

// The providers' facts, row 14: "Ollama temp dir race": the adapter is kept until Ollama has said that it has it.
TEST_F(FineTuningDaemonTest, KilledWhileOllamaTakesTheAdapterItIsNotTrainedAgain) {
  start();
  for (const std::string path : {"/api/create", "/api/blobs/"}) {
    SCOPED_TRACE(path);
    const bool is_create = path == "/api/create";
    tcp_call(ollama, "DELETE", "/_requests");
    write_file(daemon.folder() / "journal", "");
    const std::string fault = R"({"faults":[{"milliseconds":60000,"path":")" + path + R"(","kind":")" + (is_create ? "drip" : "silence") + "\"}]}";
    EXPECT_EQ(tcp_call(ollama, "POST", "/_faults", fault).status, 200);
    const std::string id = daemon.submit(task("local", is_create ? R"(,"suffix":"first")" : R"(,"suffix":"second")"));
    ASSERT_TRUE(wait_until([&] { return asked(ollama, is_create ? "POST" : "HEAD", path) == 1; })) << daemon.show(id).root().text();
    const auto left = left_in_scratch();
    EXPECT_TRUE(std::any_of(left.begin(), left.end(), [](const auto& file) { return file.ends_with("/adapter.gguf"); })) << testing::PrintToString(left);
    daemon.kill();
    ASSERT_TRUE(daemon.start()) << daemon.log();
    const auto done = wait_over(id);
    EXPECT_EQ(done.root().find("state").as_string(), "succeeded") << done.root().text();
    EXPECT_EQ(trainings(), 1);
    EXPECT_EQ(asked(ollama, "POST", "/api/create"), 1);
    expect_empty_scratch();
  }
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(FineTuningDaemonTest, ACancelEndsTheTrainer) {
  start(", \"--wait-for=/nowhere\"");
  const std::string id = daemon.submit(task("local"));
  ASSERT_TRUE(wait_until([&] { return trainings() == 1; })) << daemon.show(id).root().text();
  EXPECT_EQ(daemon.call("POST", "/v1/tasks/" + id + "/cancel").status / 100, 2);
  EXPECT_TRUE(daemon.wait_for_state(id, "cancelled"));
  expect_empty_scratch();
  EXPECT_EQ(asked(ollama, "POST", "/api/"), 0);
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(FineTuningDaemonTest, OtherDataGivesAnotherAdapterAndTheSameDataTheSame) {
  start();
  std::vector<std::string> digests;
  for (const int lines : {20, 20, 23}) {
    write_file(daemon.folder() / "data/train.jsonl", dataset(lines));
    const std::string name = "m" + std::to_string(digests.size());
    const auto done = wait_over(daemon.submit(task("local", R"(,"suffix":")" + name + '"')));
    digests.emplace_back(done.root().at_pointer("/result/adapter_sha256").as_string().value_or(""));
    // Ollama has what was trained, by its digest.
    const auto shown = parse(tcp_call(ollama, "POST", "/api/show", R"({"model":")" + name + "\"}").body);
    EXPECT_NE(shown.root().string_or("modelfile", "").find(digests.back()), std::string::npos) << shown.root().text();
  }
  EXPECT_EQ(digests[0].size(), 64u);
  EXPECT_EQ(digests[0], digests[1]);
  EXPECT_NE(digests[0], digests[2]);
  EXPECT_EQ(daemon.stop(), 0);
}

// The providers' facts, row 16: "Claude job": refused with the Bedrock hint, and nobody is asked.
TEST_F(FineTuningDaemonTest, ClaudeIsRefusedWithoutARequest) {
  start();
  const auto done = wait_over(daemon.submit(task("claude")));
  EXPECT_EQ(done.root().at_pointer("/error/code").as_string(), "unsupported_by_provider") << done.root().text();
  EXPECT_NE(done.root().at_pointer("/error/message").as_string().value_or("").find("Bedrock"), std::string::npos);
  for (const int port : {ollama, openai}) EXPECT_EQ(tcp_call(port, "GET", "/_requests").body, "[]");
  EXPECT_EQ(parse(tcp_call(openai, "GET", "/_connections").body).root().find("accepted").as_integer(), 1) << "who asked before this";
  EXPECT_EQ(trainings(), 0);
  EXPECT_EQ(daemon.stop(), 0);
}

// The providers' facts, row 17: "OpenAI refusal": failed with the provider's message, the uploaded file is deleted.
TEST_F(FineTuningDaemonTest, ARefusedCreationIsExplainedAndLeavesNothing) {
  openai = simulate("openai_simulator", {"closed=1"});
  start();
  const auto done = wait_over(daemon.submit(task("openai")));
  EXPECT_EQ(done.root().at_pointer("/error/code").as_string(), "creation_refused") << done.root().text();
  const std::string message{done.root().at_pointer("/error/message").as_string().value_or("")};
  EXPECT_NE(message.find("Fine-tuning is not available for this organization"), std::string::npos) << message;
  EXPECT_EQ(asked(openai, "DELETE", "/v1/files/"), 1);
  tcp_call(openai, "POST", "/_faults", R"({"faults":[{"kind":"status","status":422,"path":"/jobs","body":"{\"error\":{\"message\":\"no such thing\"}}"}]})");
  const auto other = wait_over(daemon.submit(task("openai")));
  EXPECT_NE(other.root().at_pointer("/error/message").as_string().value_or("").find("no such thing"), std::string::npos) << other.root().text();
  EXPECT_EQ(asked(openai, "DELETE", "/v1/files/"), 2);
  expect_empty_scratch();
  EXPECT_EQ(daemon.stop(), 0);
}

// The providers' facts, row 18: "dataset unchecked": the line's number is in the error, before any upload.
TEST_F(FineTuningDaemonTest, ValidatesAllFormatsWithTheirLines) {
  start();
  const std::string messages = R"([{"role":"user","content":"q"},{"role":"assistant","content":"a"}])";
  const std::string answer = R"([{"role":"assistant","content":"a"}])";
  const std::vector<std::pair<std::string, std::string>> formats{
      {"openai-chat", "{\"messages\":" + messages + "}\n"},
      {"openai-dpo", R"({"input":{"messages":[{"role":"user","content":"q"}]},"preferred_output":)" + answer + ",\"non_preferred_output\":" + answer + "}\n"},
      {"bedrock-claude", "{\"messages\":" + messages + "}\n"},
      {"vertex", R"({"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"a"}]}]})" "\n"}};
  const std::string file = (daemon.folder() / "data/case.jsonl").string();
  for (const auto& [format, line] : formats) {
    std::string text;
    for (int i = 0; i < 12; ++i) text += line;
    const std::string args = R"({"format":")" + format + R"(","dataset":")" + file + "\"}";
    write_file(file, text);
    const auto right = call("validate", args);
    EXPECT_EQ(right.root().at_pointer("/result/examples").as_integer(), 12) << format << right.root().text();
    EXPECT_EQ(right.root().at_pointer("/result/errors").size(), 0u) << right.root().text();
    write_file(file, text + "{\"messages\":[]}\n" + line + "no JSON\n");
    const auto wrong = call("validate", args);
    EXPECT_EQ(wrong.root().at_pointer("/result/errors/0/line").as_integer(), 13) << format << wrong.root().text();
    EXPECT_EQ(wrong.root().at_pointer("/result/errors/1/line").as_integer(), 15) << format << wrong.root().text();
  }
  write_file(daemon.folder() / "data/train.jsonl", dataset(12) + "{}\n");
  const auto refused = wait_over(daemon.submit(task("openai")));
  EXPECT_EQ(refused.root().at_pointer("/error/code").as_string(), "invalid_dataset") << refused.root().text();
  EXPECT_NE(refused.root().at_pointer("/error/message").as_string().value_or("").find("args.dataset: line 13"), std::string::npos);
  EXPECT_EQ(tcp_call(openai, "GET", "/_requests").body, "[]");
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(FineTuningDaemonTest, DatasetsThatAreNoFiles) {
  start();
  fs::create_directories(daemon.folder() / "data/folder");
  const auto validate = [&](const std::string& file) {
    return call("validate", R"({"format":"openai-chat","dataset":")" + file + "\"}");
  };
  const auto code = [&](const std::string& file) {
    return std::string{validate(file).root().at_pointer("/error/code").as_string().value_or("")};
  };
  const std::string data = (daemon.folder() / "data").string();
  EXPECT_EQ(code(data + "/folder"), "file_invalid");
  EXPECT_EQ(code("/dev/zero"), "file_denied");
  EXPECT_EQ(code(data + "/none"), "file_not_found");
  // One line of 2 GB, of which next to nothing is on the disk.
  write_file(data + "/line.jsonl", "");
  fs::resize_file(data + "/line.jsonl", 2'000'000'000);
  const auto rss = daemon.rss_kib();
  const auto report = validate(data + "/line.jsonl");
  EXPECT_EQ(report.root().at_pointer("/result/errors/0/line").as_integer(), 1) << report.root().text();
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  const std::int64_t most = 512 * 1024;  // what was freed is kept for a while
#else
  const std::int64_t most = 64 * 1024;
#endif
  EXPECT_LT(daemon.rss_kib() - rss, most);
  EXPECT_EQ(daemon.stop(), 0);
}

// A dataset that goes to S3 in parts: it goes on with the part whose answer was not heard.
TEST_F(FineTuningDaemonTest, KilledWhileItUploadsPartsItGoesOn) {
  const int port = simulate("bedrock_simulator");
  start({}, bedrock(port) + "s3_put_bytes_max = 1000\ns3_part_bytes = 5242880\n");
  std::string text;
  const std::string line = R"({"messages":[{"role":"user","content":")" + std::string(500'000, 'q') + R"("},{"role":"assistant","content":"a"}]})" "\n";
  while (text.size() < 12u << 20) text += line;
  write_file(daemon.folder() / "data/train.jsonl", text);
  // The beginning and the first part are answered, the second part is not.
  EXPECT_EQ(tcp_call(port, "POST", "/_faults", R"({"faults":[{"kind":"latency","count":2},{"kind":"silence"}]})").status, 200);
  const std::string id = daemon.submit(R"({"op":"fine-tuning.train","args":{"provider":"bedrock","base_model":"anthropic.claude-3-haiku-20240307-v1:0:200k","dataset":")" +
                                       (daemon.folder() / "data/train.jsonl").string() + "\"}}");
  ASSERT_TRUE(wait_until([&] { return asked(port, "PUT", "/bucket/train/") == 2; })) << daemon.show(id).root().text() << daemon.log();
  daemon.kill();
  ASSERT_TRUE(daemon.start()) << daemon.log();
  EXPECT_EQ(wait_over(id).root().string_or("state", ""), "succeeded") << daemon.show(id).root().text();
  EXPECT_EQ(asked(port, "PUT", "/bucket/train/"), 4) << "the second part again, and the third";
  EXPECT_EQ(asked(port, "POST", "/bucket/train/"), 2) << "begun once, finished once";
  EXPECT_EQ(asked(port, "DELETE", "/bucket/train/"), 1);
  EXPECT_EQ(daemon.stop(), 0);
}

// A provider that trains by itself, and how it is asked.
struct Cloud {
  std::string name, base_model, upload_method, upload, create, look, cancel, object, model;
  friend void PrintTo(const Cloud& cloud, std::ostream* out) { *out << cloud.name; }
};

class CloudDaemonTest : public FineTuningDaemonTest, public testing::WithParamInterface<Cloud> {
 protected:
  const Cloud& cloud = GetParam();
  int port = 0;  // of its simulator

  void start_cloud(const std::vector<std::string>& options = {}) {
    std::string more;
    if (cloud.name == "openai") {
      port = openai = simulate("openai_simulator", options);
    } else if (cloud.name == "bedrock") {
      port = simulate("bedrock_simulator", options);
      more = bedrock(port);
    } else {
      port = simulate("vertex_simulator", options);
      more = "vertex_url = \"" + at(port) + "\"\nstorage_url = \"" + at(port) + "\"\nvertex_token_url = \"" + at(port) +
             "/token\"\nvertex_project = \"p1\"\nvertex_gcs_uri = \"gs://bucket/train\"\nvertex_key = " +
             secret("google", tcp_call(port, "GET", "/_key").body);
    }
    start({}, more);
    if (cloud.name != "gemini") return;
    std::string text;
    for (int i = 0; i < 20; ++i) text += R"({"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"a"}]}]})" "\n";
    write_file(daemon.folder() / "data/train.jsonl", text);
  }
  std::string submit() const {
    return daemon.submit(R"({"op":"fine-tuning.train","args":{"provider":")" + cloud.name + R"(","base_model":")" + cloud.base_model +
                         R"(","dataset":")" + (daemon.folder() / "data/train.jsonl").string() + "\"}}");
  }
  // Sends the answer to the next request for such a path so slowly that nobody lives to read it.
  void never_answer(const std::string& path) const {
    const std::string part = path.starts_with('*') ? path.substr(1) : path;
    // S3's answer to PUT has no body that could come slowly: it never comes at all.
    const std::string kind = cloud.name == "bedrock" && path == cloud.upload ? "silence" : "drip";
    EXPECT_EQ(tcp_call(port, "POST", "/_faults", R"({"faults":[{"milliseconds":60000,"path":")" + part + R"(","kind":")" + kind + "\"}]}").status, 200);
  }
  void expect_succeeded_once(const std::string& id, int uploads) {
    const auto done = wait_over(id);
    EXPECT_EQ(done.root().find("state").as_string(), "succeeded") << done.root().text() << daemon.log();
    EXPECT_NE(done.root().at_pointer("/result/model").as_string().value_or("").find(cloud.model), std::string::npos) << done.root().text();
    EXPECT_EQ(asked(port, "POST", cloud.create), 1);
    EXPECT_EQ(asked(port, cloud.upload_method, cloud.upload), uploads);
    EXPECT_EQ(asked(port, "DELETE", cloud.object), 1);
    expect_empty_scratch();
    for (const char* word : {"sk-test", "wJalrXUtnFEMI", "PRIVATE KEY", "ya29."}) EXPECT_EQ(daemon.log().find(word), std::string::npos) << word;
  }
  // What was told of a task that succeeded, from its beginning.
  std::string events_of(const std::string& id) const {
    std::string events;
    ctl::Request request;
    request.target = "/v1/events?since=0&task=" + id;
    const auto seen = daemon.http().stream(request, {[&](std::string_view piece) {
                                                       events += piece;
                                                       return events.find("event: task.succeeded") == std::string::npos;
                                                     },
                                                     [] { return false; }});
    EXPECT_TRUE(seen) << seen.error().message;
    return events;
  }
  void kill_while_asking(const std::string& method, const std::string& path) {
    ASSERT_TRUE(wait_until([&] { return asked(port, method, path) == 1; })) << daemon.log();
    daemon.kill();
    ASSERT_TRUE(daemon.start()) << daemon.log();
  }
};

TEST_P(CloudDaemonTest, TrainsFromAFileToAModel) {
  start_cloud({"looks=6"});
  const std::string id = submit();
  expect_succeeded_once(id, 1);
  const std::string told = events_of(id);
  const std::string progress = cloud.name == "openai" ? R"("fraction":0.5)" : cloud.name == "bedrock" ? "InProgress" : "JOB_STATE_RUNNING";
  EXPECT_NE(told.find("event: task.progress"), std::string::npos) << told;
  EXPECT_NE(told.find(progress), std::string::npos) << told;
  const auto jobs = call("jobs", R"({"provider":")" + cloud.name + "\"}");
  EXPECT_EQ(jobs.root().at_pointer("/result/jobs").size(), 1u);
  EXPECT_EQ(jobs.root().at_pointer("/result/jobs/0/status").as_string(), "succeeded") << jobs.root().text();
  const std::string model{daemon.show(id).root().at_pointer("/result/model").as_string().value_or("")};
  const auto active = call("deploy", R"({"provider":")" + cloud.name + R"(","model":")" + model + R"(","alias":"chat"})");
  EXPECT_EQ(active.root().at_pointer("/result/active/model").as_string(), model) << active.root().text();
  EXPECT_EQ(daemon.stop(), 0);
}

// The providers' facts, row 17: "OpenAI refusal": a double create after a timeout is one job; and after kill -9.
TEST_P(CloudDaemonTest, KilledWhileItCreatesThereIsOneJob) {
  start_cloud();
  never_answer(cloud.create);
  const std::string id = submit();
  kill_while_asking("POST", cloud.create);
  expect_succeeded_once(id, 1);
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_P(CloudDaemonTest, KilledWhileItUploadsThereIsOneFile) {
  start_cloud();
  never_answer(cloud.upload);
  const std::string id = submit();
  kill_while_asking(cloud.upload_method, cloud.upload);
  // OpenAI names files by itself: what came through is looked for.  In a bucket the name is ours.
  expect_succeeded_once(id, cloud.name == "openai" ? 1 : 2);
  EXPECT_EQ(daemon.stop(), 0);
}

// The providers' facts, row 15: "status never complete": the states survive.
TEST_P(CloudDaemonTest, KilledWhileItTrainsItGoesOn) {
  start_cloud({"looks=8"});
  const std::string id = submit();
  ASSERT_TRUE(wait_until([&] { return asked(port, "GET", cloud.look) >= 2; })) << daemon.log();
  daemon.kill();
  ASSERT_TRUE(daemon.start()) << daemon.log();
  expect_succeeded_once(id, 1);
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_P(CloudDaemonTest, ACancelReachesTheProvider) {
  start_cloud({"looks=100000"});
  const std::string id = submit();
  ASSERT_TRUE(wait_until([&] { return asked(port, "POST", cloud.create) == 1 && daemon.state_of(id) == "scheduled"; })) << daemon.log();
  EXPECT_EQ(daemon.call("POST", "/v1/tasks/" + id + "/cancel").status / 100, 2);
  EXPECT_TRUE(daemon.wait_for_state(id, "cancelled"));
  EXPECT_TRUE(wait_until([&] { return asked(port, "DELETE", cloud.object) == 1; })) << daemon.log();
  EXPECT_EQ(asked(port, "POST", cloud.cancel), 1);
  expect_empty_scratch();
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_P(CloudDaemonTest, AJobThatFailsSaysWhyAndLeavesNothing) {
  start_cloud({"failing=1"});
  const auto done = wait_over(submit());
  EXPECT_EQ(done.root().at_pointer("/error/code").as_string(), "job_failed") << done.root().text();
  EXPECT_NE(done.root().at_pointer("/error/message").as_string().value_or("").find("training "), std::string::npos) << done.root().text();
  EXPECT_EQ(asked(port, "DELETE", cloud.object), 1);
  expect_empty_scratch();
  EXPECT_EQ(daemon.stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(All, CloudDaemonTest, testing::Values(
    Cloud{"openai", "gpt-4.1-mini-2025-04-14", "POST", "*/v1/files", "*/fine_tuning/jobs", "/fine_tuning/jobs/", "*/cancel", "/v1/files/", "ft:gpt-4.1-mini"},
    Cloud{"bedrock", "anthropic.claude-3-haiku-20240307-v1:0:200k", "PUT", "/bucket/train/", "*/model-customization-jobs", "/model-customization-jobs/", "*/stop",
          "/bucket/train/", ":custom-model/"},
    Cloud{"gemini", "gemini-2.5-flash", "POST", "*/b/bucket/o", "*/tuningJobs", "/tuningJobs/", ":cancel", "/b/bucket/o/", "/endpoints/"}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace cofounder::test
