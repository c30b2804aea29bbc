// SPDX-License-Identifier: Apache-2.0
// Arguments that cannot be right, at each operation that takes such a one: one typed error that names
// the field, in bounded time and memory, and nobody is asked.
#include "tests/daemon/provider_world.hpp"

namespace cofounder::test {
namespace {

class BadArguments : public ProviderWorld {
 protected:
  void expect(const std::string& op, const std::string& args, const std::string& code, const std::string& field) {
    const std::string text = task(op, args, 3);
    const auto answer = daemon.call("POST", "/v1/tasks", text);
    if (!answer.is_success()) {
      EXPECT_EQ(error_code(answer), code) << text << answer.body;
      EXPECT_NE(answer.body.find(field), std::string::npos) << text << answer.body;
      return;
    }
    const auto over = wait_over(parse(answer.body).root().string_or("id", ""));
    const json::View error = over.root().find("error");
    EXPECT_EQ(error.string_or("code", ""), code) << text << over.root().text();
    EXPECT_NE(std::string{error.string_or("message", "")}.find(field), std::string::npos) << text << over.root().text();
    EXPECT_EQ(over.root().find("attempts").size(), 1u) << "trying again does not help: " << over.root().text();
  }
  void expect_nobody_asked() {
    for (const auto& [name, port] : ports) EXPECT_EQ(tcp_call(port, "GET", "/_requests").body, "[]") << name;
  }
};

TEST_F(BadArguments, FilesThatAreNone) {
  start();
  fs::create_directory(file("folder"));
  ASSERT_EQ(::mkfifo(file("fifo").c_str(), 0600), 0);
  fs::create_symlink("/etc/passwd", file("link"));
  struct Case {
    std::string file, code;
  };
  const std::vector<Case> cases{{file("folder"), "file_invalid"}, {file("fifo"), "file_invalid"}, {"/dev/zero", "file_denied"},
                                {"/proc/self/environ", "file_denied"}, {file("link"), "file_denied"},
                                {file("../cofounderd.toml"), "file_denied"}, {file("none"), "file_not_found"}};
  for (const auto& [path, code] : cases) {
    const std::string named = "\":\"" + path + "\"";
    expect("cloudinary.upload", R"({"file)" + named + "}", code, "args.file");
    expect("fine-tuning.validate", R"({"format":"vertex","dataset)" + named + "}", code, "args.dataset");
    for (const std::string provider : {"openai", "bedrock", "gemini"}) {
      const std::string right = train(provider);
      expect("fine-tuning.train", right.substr(0, right.find("\"dataset\"")) + "\"dataset" + named + "}", code, "args.dataset");
      expect("fine-tuning.train", train(provider, R"(,"validation_dataset)" + named), code, "args.validation_dataset");
    }
    expect("fine-tuning.train", R"({"provider":"ollama","base_model":"mistral","adapter)" + named + "}", code, "args.adapter");
  }
  // A file that is to be written.
  for (const std::string path : {"/etc/cat.png", "/dev/full", "/proc/self/comm"}) {
    expect("huggingface.image", R"({"model":"org/t2i","prompt":"a cat","output":")" + path + "\"}", "file_denied", "args.output");
  }
  expect_nobody_asked();
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(BadArguments, FilesWithWrongContent) {
  start();
  write_file(file("empty.png"), "");
  expect("cloudinary.upload", R"({"file":")" + file("empty.png") + "\"}", "empty_file", "args.file");
  for (const std::string provider : {"openai", "bedrock", "gemini"}) {
    const std::string right = train(provider);
    const std::string start_of = right.substr(0, right.find("\"dataset\""));
    expect("fine-tuning.train", start_of + R"("dataset":")" + file("empty.png") + "\"}", "invalid_dataset", "args.dataset");
    expect("fine-tuning.train", start_of + R"("dataset":")" + file("photo.png") + "\"}", "invalid_dataset", "args.dataset: line 1");
    expect("fine-tuning.train", train(provider, R"(,"validation_dataset":")" + file("photo.png") + "\""), "invalid_dataset",
           "args.validation_dataset: line 1");
  }
  expect("fine-tuning.train", R"({"provider":"ollama","base_model":"mistral","adapter":")" + file("photo.png") + "\"}", "bad_adapter", "args.adapter");
  expect("fine-tuning.train", R"({"provider":"ollama","base_model":"mistral","adapter":")" + file("empty.png") + "\"}", "bad_adapter", "args.adapter");
  expect_nobody_asked();
  EXPECT_EQ(daemon.stop(), 0);
}

// One line of 2 GB, of which next to nothing is on the disk.
TEST_F(BadArguments, ADatasetOfOneEndlessLine) {
  start();
  write_file(file("line.jsonl"), "");
  fs::resize_file(file("line.jsonl"), 2'000'000'000);
  const auto rss = daemon.rss_kib();
  for (const std::string provider : {"openai", "bedrock", "gemini"}) {
    const std::string right = train(provider);
    expect("fine-tuning.train", right.substr(0, right.find("\"dataset\"")) + R"("dataset":")" + file("line.jsonl") + "\"}", "invalid_dataset",
           "args.dataset: line 1: the line is longer than");
  }
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  const std::int64_t most = 512 * 1024;  // what was freed is kept for a while
#else
  const std::int64_t most = 64 * 1024;
#endif
  EXPECT_LT(daemon.rss_kib() - rss, most);
  expect_nobody_asked();
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(BadArguments, NamesThatAreNone) {
  start();
  for (const std::string id : {"../a", "a/../b", "..", "/a", "a?b", "a\\u0000b"}) {
    const std::string args = R"({"public_id":")" + id + "\"";
    expect("cloudinary.delete", args + "}", "invalid_public_id", "args.public_id");
    expect("cloudinary.upload", args + R"(,"file":")" + file("photo.png") + "\"}", "invalid_public_id", "args.public_id");
  }
  expect("cloudinary.upload", R"({"folder":"../x","file":")" + file("photo.png") + "\"}", "invalid_folder", "args.folder");
  for (const std::string model : {R"(org/name\nX-Evil: 1)", R"(org/name\u0000)", "org/na me", R"(\u001b[2J)"}) {
    const std::string args = R"({"model":")" + model + "\"";
    expect("huggingface.chat", args + R"(,"messages":[{"role":"user","content":"hi"}]})", "invalid_model", "args.model");
    expect("huggingface.generate", args + R"(,"prompt":"once"})", "invalid_model", "args.model");
    expect("huggingface.embed", args + R"(,"inputs":["a"]})", "invalid_model", "args.model");
    expect("huggingface.image", args + R"(,"prompt":"a","output":"x.png"})", "invalid_model", "args.model");
    for (const std::string provider : {"openai", "bedrock", "gemini", "ollama"}) {
      std::string text = train(provider);
      const auto from = text.find("\"base_model\":\"") + 14;
      text.replace(from, text.find('"', from) - from, model);
      expect("fine-tuning.train", text, "invalid_model", "args.base_model");
      expect("fine-tuning.deploy", R"({"provider":")" + provider + R"(","model":")" + model + "\"}", "invalid_model", "args.model");
    }
  }
  expect_nobody_asked();
  EXPECT_EQ(daemon.stop(), 0);
}

}  // namespace
}  // namespace cofounder::test
