// SPDX-License-Identifier: Apache-2.0
// Many streaming chats at once through the real daemon: what tests/bench/streams.cpp measures, small
// and without a clock.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <thread>

#include "tests/support/real_daemon.hpp"

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr int chats = 50;
constexpr int tokens = 20;

std::string words(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += (i == 0 ? "w" : " w") + std::to_string(i);
  return text;
}

// What the events say of one task.
struct Seen {
  std::string output;          // the texts of task.output, one after the other
  bool first_is_shown = false;  // by a task.progress
  bool progress_is_right = true;  // each shows the beginning of the answer
  bool succeeded = false;
};

// Follows the events of the daemon in a thread of its own.
class Watcher {
 public:
  explicit Watcher(const RealDaemon& daemon) : thread_{[this, &daemon] { follow(daemon); }} {}
  ~Watcher() {
    enough_ = true;
    thread_.join();
  }

  int count(const std::function<bool(const Seen&)>& is) const {
    const std::lock_guard lock{mutex_};
    int found = 0;
    for (const auto& [id, seen] : tasks_) found += is(seen) ? 1 : 0;
    return found;
  }
  std::map<std::string, Seen> tasks() const {
    const std::lock_guard lock{mutex_};
    return tasks_;
  }
  int gaps() const { return gaps_; }
  bool follows() const { return follows_; }

 private:
  void follow(const RealDaemon& daemon) {
    ctl::Request request;
    request.target = "/v1/events?plugin=huggingface";
    request.silence_max = 100ms;
    const auto seen = daemon.http().stream(request, {[this](std::string_view piece) {
                                                       follows_ = true;
                                                       take(piece);
                                                       return !enough_;
                                                     },
                                                     [this] { return !enough_; }});
    EXPECT_TRUE(seen) << seen.error().message;
  }
  void take(std::string_view piece) {
    const std::lock_guard lock{mutex_};
    rest_ += piece;
    std::size_t from = 0;
    for (std::size_t end = 0; (end = rest_.find('\n', from)) != std::string::npos; from = end + 1) {
      const std::string line = rest_.substr(from, end - from);
      if (line.starts_with("event: ")) type_ = line.substr(7);
      if (type_ == "gap") ++gaps_;
      if (line.starts_with("data: ") && type_.starts_with("task.")) take_event(parse(line.substr(6)).root());
    }
    rest_.erase(0, from);
  }
  void take_event(json::View event) {
    Seen& seen = tasks_[event.string_or("task", "")];
    const std::string text = event.string_or("text", "");
    if (type_ == "task.output") seen.output += parse(text).root().string_or("text", "");
    if (type_ == "task.progress") {
      seen.first_is_shown = seen.first_is_shown || text.starts_with("w0");
      seen.progress_is_right = seen.progress_is_right && words(tokens).starts_with(text);
    }
    if (type_ == "task.succeeded") seen.succeeded = true;
  }

  mutable std::mutex mutex_;
  std::map<std::string, Seen> tasks_;
  std::string rest_, type_;
  std::atomic<int> gaps_{0};
  std::atomic<bool> enough_{false}, follows_{false};
  std::thread thread_;
};

class StreamsTest : public testing::TestWithParam<const char*> {};

// Every token comes, in order, and none is lost, whether they come with pauses or as fast as they are
// read; the first ones are shown before the last ones are written, which wait for a file.
TEST_P(StreamsTest, ManyAtOnceLoseNothing) {
  RealDaemon daemon{{"plugins/huggingface.so"}};
  const fs::path port_file = daemon.folder() / "port", hold = daemon.folder() / "go";
  const std::string interval = GetParam();
  const Child simulator{{{COFOUNDER_BINARY_DIR "/bin/huggingface_simulator", "--port-file", port_file.string(),
                          "server=one_thread", "tokens=" + std::to_string(tokens), "interval_ms=" + interval,
                          "hold_file=" + hold.string()},
                         {},
                         -1}};
  ASSERT_TRUE(wait_until([&] { return !read_file(port_file).empty(); }));
  write_file(daemon.folder() / "token", "hf_test\n");
  fs::permissions(daemon.folder() / "token", fs::perms{0600});
  std::string port = read_file(port_file);
  port.pop_back();
  daemon.configure("[plugin.huggingface]\nrouter_url = \"http://127.0.0.1:" + port + "\"\ntoken = { file = \"" +
                   (daemon.folder() / "token").string() + "\" }\n");
  ASSERT_TRUE(daemon.start()) << daemon.log();
  [[maybe_unused]] const auto before = daemon.rss_kib();
  std::vector<std::string> ids;
  {
    Watcher watcher{daemon};
    ASSERT_TRUE(wait_until([&] { return watcher.follows(); }));
    ids = daemon.submit_many(R"({"op":"huggingface.chat","attempts_max":1,"args":{"model":"openai/gpt-oss-120b",)"
                             R"("stream":true,"messages":[{"role":"user","content":"count"}]}})", chats);
    ASSERT_EQ(ids.size(), std::size_t{chats});
    EXPECT_TRUE(wait_until([&] { return watcher.count([](const Seen& seen) { return seen.first_is_shown; }) == chats; }, 60s))
        << "the first tokens are shown while the last ones are not written";
    // All but the last of them, without anything else happening.
    EXPECT_TRUE(wait_until([&] { return watcher.count([](const Seen& seen) { return seen.output == words(tokens - 1); }) == chats; }, 60s));
    EXPECT_EQ(watcher.count([](const Seen& seen) { return seen.succeeded; }), 0);
    write_file(hold, "");
    EXPECT_TRUE(wait_until([&] { return watcher.count([](const Seen& seen) { return seen.succeeded; }) == chats; }, 60s))
        << daemon.get("/v1/status").body;
    EXPECT_EQ(watcher.gaps(), 0);
    for (const auto& [id, seen] : watcher.tasks()) {
      EXPECT_EQ(seen.output, words(tokens)) << id;
      EXPECT_TRUE(seen.progress_is_right) << id;
    }
  }
  for (const std::string& id : ids) {
    EXPECT_EQ(daemon.show(id).root().at_pointer("/result/message/content").as_string(), words(tokens)) << id;
  }
#if defined(COFOUNDER_IS_RELEASE)
  EXPECT_LT(daemon.rss_kib() - before, 30 * 1024) << "for fifty streams";
#endif
  EXPECT_EQ(daemon.stop(), 0);
}

INSTANTIATE_TEST_SUITE_P(Pace, StreamsTest, testing::Values("0", "20"));

}  // namespace
}  // namespace cofounder::test
