// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/support/gguf_adapter.hpp"
#include "tests/support/real_daemon.hpp"
#include "tests/support/tiny_client.hpp"

namespace cofounder::test {

namespace fs = std::filesystem;

// The real daemon with the plugins that work by tasks, each with its providers' simulators.
class ProviderWorld : public testing::Test {
 protected:
  RealDaemon daemon{{"plugins/cloudinary.so", "plugins/fine-tuning.so", "plugins/hello.so", "plugins/huggingface.so"}};
  std::map<std::string, std::unique_ptr<Child>> simulators;
  std::map<std::string, int> ports;

  // `timeouts` of all requests, in seconds as text.
  void start(const std::string& timeouts = "20") {
    for (const char* name : {"bedrock", "cloudinary", "huggingface", "ollama", "openai", "vertex"}) {
      const fs::path file = daemon.folder() / (std::string{name} + ".port");
      simulators[name] = std::make_unique<Child>(
          Child::Options{{std::string{COFOUNDER_BINARY_DIR "/bin/"} + name + "_simulator", "--port-file", file.string()}, {}, -1});
    }
    for (const auto& [name, simulator] : simulators) {
      const fs::path file = daemon.folder() / (name + ".port");
      ASSERT_TRUE(wait_until([&] { return !read_file(file).empty(); })) << name;
      ports[name] = std::stoi(read_file(file));
    }
    make_files();
    daemon.configure(configuration(timeouts));
    ASSERT_TRUE(daemon.start()) << daemon.log();
    for (const auto& [name, port] : ports) tcp_call(port, "DELETE", "/_requests");
  }
  std::string at(const std::string& name) const { return "\"http://127.0.0.1:" + std::to_string(ports.at(name)) + "\"\n"; }
  std::string file(const std::string& name) const { return (daemon.folder() / "files" / name).string(); }
  // A list of faults in JSON, for one simulator.
  void inject(const std::string& name, const std::string& list) {
    EXPECT_EQ(tcp_call(ports.at(name), "POST", "/_faults", R"({"faults":[)" + list + "]}").status, 200) << list;
  }
  std::string timeout = "20s";  // of tasks
  std::string task(const std::string& op, const std::string& args, int attempts = 1) const {
    return R"({"op":")" + op + R"(","timeout":")" + timeout + R"(","attempts_max":)" + std::to_string(attempts) + R"(,"args":)" + args + "}";
  }
  json::Document wait_over(const std::string& id) {
    EXPECT_TRUE(wait_until([&] {
      const std::string state = daemon.state_of(id);
      return state == "succeeded" || state == "failed" || state == "timed_out" || state == "cancelled";
    }, std::chrono::seconds{90})) << daemon.show(id).root().text() << daemon.log();
    return daemon.show(id);
  }
  std::string train(const std::string& provider, const std::string& more = {}) const {
    static const std::map<std::string, std::pair<std::string, std::string>> known{
        {"openai", {"gpt-4.1-mini-2025-04-14", "chats.jsonl"}},
        {"bedrock", {"anthropic.claude-3-haiku-20240307-v1:0:200k", "chats.jsonl"}},
        {"gemini", {"gemini-2.5-flash", "contents.jsonl"}}};
    if (provider == "ollama") {
      return R"({"provider":"ollama","base_model":"mistral","suffix":"mine","adapter":")" + file("adapter.gguf") + "\"" + more + "}";
    }
    const auto& [model, dataset] = known.at(provider);
    return R"({"provider":")" + provider + R"(","base_model":")" + model + R"(","dataset":")" + file(dataset) + "\"" + more + "}";
  }

 private:
  void make_files() const {
    std::string chats, contents;
    for (int i = 0; i < 12; ++i) {
      chats += R"({"messages":[{"role":"user","content":"q"},{"role":"assistant","content":"a"}]})" "\n";
      contents += R"({"contents":[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"a"}]}]})" "\n";
    }
    write_file(file("chats.jsonl"), chats);
    write_file(file("contents.jsonl"), contents);
    write_file(file("adapter.gguf"), gguf_adapter());
    std::string png{"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x8\2\0\0\0", 29};
    write_file(file("photo.png"), png + std::string(1000, 'p'));
    fs::create_directories(daemon.folder() / "out");
  }
  std::string secret(const std::string& name, const std::string& text) const {
    const fs::path path = daemon.folder() / (name + ".secret");
    write_file(path, text);
    fs::permissions(path, fs::perms{0600});
    return "{ file = \"" + path.string() + "\" }\n";
  }
  std::string configuration(const std::string& timeouts) const {
    const auto seconds = [&](const char* name) { return std::string{name} + "_timeout_seconds = " + timeouts + "\n"; };
    return "[files]\nwrite = [\"" + (daemon.folder() / "out").string() + "\"]\n[scheduler]\nretry_first = \"10ms\"\nretry_most = \"50ms\"\n"
           "[plugin.cloudinary]\ncloud_name = \"demo\"\napi_key = \"1234\"\napi_secret = " + secret("cloudinary", "abcd") +
           "chunk_bytes = 5242880\nbase_url = " + at("cloudinary") + seconds("upload") + seconds("delete") + seconds("usage") +
           "[plugin.huggingface]\nrouter_url = " + at("huggingface") + "hub_url = " + at("huggingface") + "token = " + secret("hf", "hf_test\n") +
           seconds("answer") + seconds("idle") + seconds("quick") +
           "[plugin.fine-tuning]\npoll_first_seconds = 0.05\npoll_most_seconds = 0.2\n" + seconds("quick") + seconds("idle") + seconds("create_idle") +
           "ollama_url = " + at("ollama") + "openai_url = \"http://127.0.0.1:" + std::to_string(ports.at("openai")) + "/v1\"\n" +
           "openai_key = " + secret("openai", "sk-test\n") + "bedrock_url = " + at("bedrock") + "s3_url = " + at("bedrock") +
           "bedrock_access_key_id = \"AKIDEXAMPLE\"\nbedrock_role_arn = \"arn:aws:iam::123456789012:role/train\"\n"
           "bedrock_s3_uri = \"s3://bucket/train\"\nbedrock_secret_access_key = " + secret("aws", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n") +
           "vertex_url = " + at("vertex") + "storage_url = " + at("vertex") + "vertex_token_url = \"http://127.0.0.1:" +
           std::to_string(ports.at("vertex")) + "/token\"\nvertex_project = \"p1\"\nvertex_gcs_uri = \"gs://bucket/train\"\nvertex_key = " +
           secret("google", tcp_call(ports.at("vertex"), "GET", "/_key").body);
  }
};

}  // namespace cofounder::test
