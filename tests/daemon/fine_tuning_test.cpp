// SPDX-License-Identifier: Apache-2.0
// The fine-tuning plugin in the real daemon: a trainer that trains, Ollama's and OpenAI's simulators.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "tests/support/real_daemon.hpp"
#include "tests/support/tiny_client.hpp"

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class FineTuningDaemonTest : public testing::Test {
 protected:
  RealDaemon daemon{{"plugins/fine-tuning.so"}};
  std::vector<std::unique_ptr<Child>> simulators;
  int ollama = 0;
  int openai = 0;

  int simulate(const std::string& name, std::vector<std::string> options = {}) {
    const fs::path file = daemon.folder() / (name + ".port");
    std::vector<std::string> words{COFOUNDER_BINARY_DIR "/bin/" + name, "--port-file", file.string()};
    words.insert(words.end(), options.begin(), options.end());
    simulators.push_back(std::make_unique<Child>(Child::Options{words, {}, -1}));
    EXPECT_TRUE(wait_until([&] { return !read_file(file).empty(); }));
    return std::stoi(read_file(file));
  }
  void start(const std::string& trainer_options, std::vector<std::string> openai_options = {}) {
    ollama = simulate("ollama_simulator");
    openai = simulate("openai_simulator", std::move(openai_options));
    const std::string folder = daemon.folder().string();
    write_file(daemon.folder() / "key", "sk-test\n");
    fs::permissions(daemon.folder() / "key", fs::perms{0600});
    fs::create_directories(daemon.folder() / "data");
    write_file(daemon.folder() / "data/train.jsonl", dataset(20));
    daemon.configure(
        "[files]\nread = [\"" + folder + "/data\"]\n[scheduler]\nretry_first = \"10ms\"\nretry_most = \"50ms\"\n"
        "[plugin.fine-tuning]\nprograms = [\"python3\"]\nollama_url = \"http://127.0.0.1:" + std::to_string(ollama) +
        "\"\nopenai_url = \"http://127.0.0.1:" + std::to_string(openai) + "/v1\"\nopenai_key = { file = \"" + folder +
        "/key\" }\npoll_first_seconds = 0.05\npoll_most_seconds = 0.2\n[plugin.fine-tuning.local]\ncommand = [\"python3\", \"" +
        COFOUNDER_SOURCE_DIR "/tests/simulators/trainer.py\", \"--dataset={dataset}\", \"--validation={validation}\", "
        "\"--base-model={base_model}\", \"--output={output}\", \"--hyperparameters={hyperparameters}\", "
        "\"--journal=" + folder + "/journal\"" + trainer_options + "]\n");
    ASSERT_TRUE(daemon.start()) << daemon.log();
  }
  static std::string dataset(int count) {
    std::string text;
    const std::vector<std::string> words{"the cat sat on the mat", "the dog sat on the log", "a cat and a dog"};
    for (int i = 0; i < count; ++i) {
      text += R"({"messages":[{"role":"user","content":"q)" + std::to_string(i) +
              R"("},{"role":"assistant","content":")" + words[static_cast<std::size_t>(i) % words.size()] + "\"}]}\n";
    }
    return text;
  }
  std::string task(const std::string& provider, const std::string& more = {}) const {
    const std::string model = provider == "openai" ? "gpt-4.1-mini-2025-04-14" : "mistral";
    return R"({"op":"fine-tuning.train","args":{"provider":")" + provider + R"(","base_model":")" + model +
           R"(","dataset":")" + (daemon.folder() / "data/train.jsonl").string() + "\"" + more + "}}";
  }
  json::Document wait_over(const std::string& id) {
    EXPECT_TRUE(wait_until([&] {
      const std::string state = daemon.state_of(id);
      return state == "succeeded" || state == "failed" || state == "timed_out" || state == "cancelled";
    }, 60s)) << daemon.show(id).root().text() << daemon.log();
    return daemon.show(id);
  }
  // How often a simulator was asked so.
  static int asked(int port, const std::string& method, const std::string& path) {
    const auto log = parse(tcp_call(port, "GET", "/_requests").body);
    int count = 0;
    for (std::size_t i = 0; i < log.root().size(); ++i) {
      const auto one = log.root().at(i);
      count += one.string_or("method", "") == method && one.string_or("path", "").find(path) != std::string::npos ? 1 : 0;
    }
    return count;
  }
  std::vector<std::string> left_in_scratch() const {
    std::vector<std::string> left;
    std::error_code gone;  // what is removed meanwhile
    for (fs::recursive_directory_iterator entry{daemon.scratch(), gone}, end; entry != end; entry.increment(gone)) {
      if (!entry->is_directory(gone)) left.push_back(entry->path().string());
    }
    std::erase_if(left, [](const std::string& file) { return file.ends_with("/lock") || file.ends_with(".lock"); });
    return left;
  }
  void expect_empty_scratch() {
    EXPECT_TRUE(wait_until([&] { return left_in_scratch().empty(); }, 10s)) << testing::PrintToString(left_in_scratch());
  }
  std::ptrdiff_t trainings() const {
    const std::string journal = read_file(daemon.folder() / "journal");
    return std::count(journal.begin(), journal.end(), '\n');
  }
};

// facts section 10, "Ollama temp dir race, PIPE blockage" and "status never complete".
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

TEST_F(FineTuningDaemonTest, KilledWhileOpenAiTrainsThereIsOneJob) {
  start("", {"looks=20"});
  const std::string id = daemon.submit(task("openai"));
  ASSERT_TRUE(wait_until([&] { return asked(openai, "GET", "/events") > 0; })) << daemon.show(id).root().text();
  daemon.kill();
  ASSERT_TRUE(daemon.start()) << daemon.log();
  const auto done = wait_over(id);
  EXPECT_EQ(done.root().find("state").as_string(), "succeeded") << done.root().text();
  EXPECT_EQ(done.root().at_pointer("/result/trained_tokens").as_integer(), 1234);
  EXPECT_EQ(asked(openai, "POST", "/fine_tuning/jobs"), 1);
  EXPECT_EQ(asked(openai, "POST", "/files"), 1);
  EXPECT_EQ(asked(openai, "DELETE", "/files/"), 1);
  expect_empty_scratch();
  EXPECT_EQ(daemon.log().find("sk-test"), std::string::npos);
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(FineTuningDaemonTest, ACancelReachesTheProvider) {
  start("", {"looks=100000"});
  const std::string id = daemon.submit(task("openai"));
  ASSERT_TRUE(wait_until([&] { return asked(openai, "GET", "/events") > 0; })) << daemon.show(id).root().text();
  EXPECT_EQ(daemon.call("POST", "/v1/tasks/" + id + "/cancel").status / 100, 2);
  EXPECT_TRUE(daemon.wait_for_state(id, "cancelled"));
  EXPECT_TRUE(wait_until([&] { return asked(openai, "DELETE", "/files/") == 1; })) << daemon.log();
  EXPECT_EQ(asked(openai, "POST", "/cancel"), 1);
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(FineTuningDaemonTest, DatasetsThatAreNoFiles) {
  start("");
  fs::create_directories(daemon.folder() / "data/folder");
  const auto validate = [&](const std::string& file) {
    return wait_over(daemon.submit(R"({"op":"fine-tuning.validate","attempts_max":1,"args":{"format":"openai-chat","dataset":")" + file + "\"}}"));
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
  EXPECT_LT(daemon.rss_kib() - rss, 64 * 1024);
  EXPECT_EQ(daemon.stop(), 0);
}

}  // namespace
}  // namespace cofounder::test
