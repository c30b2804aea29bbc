// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "tests/support/real_daemon.hpp"
#include "tests/support/tiny_client.hpp"

namespace cofounder::test {

namespace fs = std::filesystem;

// The real daemon with the fine-tuning plugin, a trainer that trains, and simulators of the providers.
class FineTuningDaemonTest : public testing::Test {
 protected:
  RealDaemon daemon{{"plugins/fine-tuning.so"}};
  std::vector<std::unique_ptr<Child>> simulators;
  int ollama = 0;
  int openai = 0;

  int simulate(const std::string& name, const std::vector<std::string>& options = {}) {
    const fs::path file = daemon.folder() / (name + ".port");
    std::vector<std::string> words{COFOUNDER_BINARY_DIR "/bin/" + name, "--port-file", file.string()};
    words.insert(words.end(), options.begin(), options.end());
    simulators.push_back(std::make_unique<Child>(Child::Options{words, {}, -1}));
    EXPECT_TRUE(wait_until([&] { return !read_file(file).empty(); }));
    return std::stoi(read_file(file));
  }
  std::string secret(const std::string& name, const std::string& text) const {
    const fs::path file = daemon.folder() / name;
    write_file(file, text);
    fs::permissions(file, fs::perms{0600});
    return "{ file = \"" + file.string() + "\" }\n";
  }
  static std::string at(int port) { return "http://127.0.0.1:" + std::to_string(port); }
  // `more` goes into the plugin's table.
  void start(const std::string& trainer_options = {}, const std::string& more = {}) {
    if (ollama == 0) ollama = simulate("ollama_simulator");
    if (openai == 0) openai = simulate("openai_simulator");
    const std::string folder = daemon.folder().string();
    fs::create_directories(daemon.folder() / "data");
    write_file(daemon.folder() / "data/train.jsonl", dataset(20));
    daemon.configure(
        "[files]\nread = [\"" + folder + "/data\"]\n[scheduler]\nretry_first = \"10ms\"\nretry_most = \"50ms\"\n"
        "[plugin.fine-tuning]\nprograms = [\"python3\"]\nollama_url = \"" + at(ollama) + "\"\nopenai_url = \"" + at(openai) +
        "/v1\"\nopenai_key = " + secret("key", "sk-test\n") + "poll_first_seconds = 0.05\npoll_most_seconds = 0.2\n" + more +
        "[plugin.fine-tuning.local]\ncommand = [\"python3\", \"" +
        COFOUNDER_SOURCE_DIR "/tests/simulators/trainer.py\", \"--dataset={dataset}\", \"--validation={validation}\", "
        "\"--base-model={base_model}\", \"--output={output}\", \"--hyperparameters={hyperparameters}\", "
        "\"--journal=" + folder + "/journal\"" + trainer_options + "]\n");
    ASSERT_TRUE(daemon.start()) << daemon.log();
  }
  std::string bedrock(int port) const {
    return "bedrock_url = \"" + at(port) + "\"\ns3_url = \"" + at(port) + "\"\nbedrock_access_key_id = \"AKIDEXAMPLE\"\n"
           "bedrock_role_arn = \"arn:aws:iam::123456789012:role/train\"\nbedrock_s3_uri = \"s3://bucket/train\"\n"
           "bedrock_secret_access_key = " + secret("aws", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n");
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
    }, std::chrono::seconds{60})) << daemon.show(id).root().text() << daemon.log();
    return daemon.show(id);
  }
  std::string code_of(const std::string& id) {
    const auto over = wait_over(id);
    return std::string{over.root().at_pointer("/error/code").as_string().value_or(over.root().text())};
  }
  json::Document call(const std::string& op, const std::string& args) {
    return wait_over(daemon.submit(R"({"op":"fine-tuning.)" + op + R"(","attempts_max":1,"args":)" + args + "}"));
  }
  // How often a simulator was asked so; a path that starts with "*" ends so.
  static int asked(int port, const std::string& method, const std::string& path) {
    const auto log = parse(tcp_call(port, "GET", "/_requests").body);
    int count = 0;
    for (std::size_t i = 0; i < log.root().size(); ++i) {
      const auto one = log.root().at(i);
      const std::string its = std::string{one.string_or("path", "")};
      const bool is_there = path.starts_with('*') ? its.ends_with(path.substr(1)) : its.find(path) != std::string::npos;
      count += one.string_or("method", "") == method && is_there ? 1 : 0;
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
    EXPECT_TRUE(wait_until([&] { return left_in_scratch().empty(); }, std::chrono::seconds{10})) << testing::PrintToString(left_in_scratch());
  }
  std::ptrdiff_t trainings() const {
    const std::string journal = read_file(daemon.folder() / "journal");
    return std::count(journal.begin(), journal.end(), '\n');
  }
};

}  // namespace cofounder::test
