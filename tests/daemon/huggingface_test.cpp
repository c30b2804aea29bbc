// SPDX-License-Identifier: Apache-2.0
// The huggingface plugin in the real daemon, against the provider's simulator.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <thread>

#include "tests/support/real_daemon.hpp"
#include "tests/support/tiny_client.hpp"

namespace cofounder::test {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

class HuggingFaceTest : public testing::Test {
 protected:
  RealDaemon daemon{{"plugins/huggingface.so", "plugins/metrics.so"}};
  std::unique_ptr<Child> simulator;
  int port = 0;

  void start(const std::string& settings = {}, std::vector<std::string> options = {}) {
    std::vector<std::string> words{COFOUNDER_BINARY_DIR "/bin/huggingface_simulator", "--port-file",
                                   (daemon.folder() / "port").string()};
    words.insert(words.end(), options.begin(), options.end());
    simulator = std::make_unique<Child>(Child::Options{words, {}, -1});
    ASSERT_TRUE(wait_until([&] { return !read_file(daemon.folder() / "port").empty(); }));
    port = std::stoi(read_file(daemon.folder() / "port"));
    write_file(daemon.folder() / "token", "hf_test\n");
    fs::permissions(daemon.folder() / "token", fs::perms{0600});
    fs::create_directories(daemon.folder() / "out");
    const std::string url = "\"http://127.0.0.1:" + std::to_string(port) + "\"\n";
    daemon.configure("[files]\nwrite = [\"" + (daemon.folder() / "out").string() +
                     "\"]\n[scheduler]\nretry_first = \"10ms\"\nretry_most = \"50ms\"\n"
                     "[plugin.huggingface]\nrouter_url = " + url + "hub_url = " + url +
                     "token = { file = \"" + (daemon.folder() / "token").string() + "\" }\n" + settings);
    ASSERT_TRUE(daemon.start()) << daemon.log();
  }

  static std::string task(const std::string& op, const std::string& args, int attempts = 1) {
    return R"({"op":"huggingface.)" + op + R"(","attempts_max":)" + std::to_string(attempts) + R"(,"args":)" + args + "}";
  }
  static std::string chat(const std::string& more = {}) {
    return R"({"model":"openai/gpt-oss-120b","messages":[{"role":"user","content":"hi you"}])" + more + "}";
  }
  // The task when it is over.
  json::Document run(const std::string& text) {
    const std::string id = daemon.submit(text);
    EXPECT_NE(id, "") << daemon.log();
    EXPECT_TRUE(wait_until([&] {
      const std::string state = daemon.state_of(id);
      return state == "succeeded" || state == "failed" || state == "timed_out" || state == "cancelled";
    })) << daemon.show(id).root().text();
    return daemon.show(id);
  }
  std::string error_of(const std::string& text) {
    return std::string{run(text).root().at_pointer("/error/code").as_string().value_or("")};
  }
  void faults(const std::string& list) {
    EXPECT_EQ(tcp_call(port, "POST", "/_faults", R"({"faults":[)" + list + "]}").status, 200);
  }
  json::Document requests() { return parse(tcp_call(port, "GET", "/_requests").body); }
  int open_connections() {
    return static_cast<int>(parse(tcp_call(port, "GET", "/_connections").body).root().integer_or("open", -1));
  }
};

TEST_F(HuggingFaceTest, EveryOperationAndWhatItCost) {
  start();
  const auto chatted = run(task("chat", chat(R"(,"max_tokens":5)")));
  EXPECT_EQ(chatted.root().at_pointer("/result/message/content").as_string(), "w0 w1 w2 w3 w4") << chatted.root().text();
  EXPECT_DOUBLE_EQ(chatted.root().at_pointer("/result/usage/cost_usd").as_number().value_or(-1), 0.000004);
  const auto written = run(task("generate", R"({"model":"org/lm","prompt":"once","stream":true})"));
  EXPECT_EQ(written.root().at_pointer("/result/text").as_string(), "w0 w1 w2 w3 w4 w5 w6 w7") << written.root().text();
  const auto vectors = run(task("embed", R"({"model":"org/model","inputs":["a","b"],"normalize":true})"));
  EXPECT_EQ(vectors.root().at_pointer("/result/embeddings").size(), 2u) << vectors.root().text();
  const fs::path out = daemon.folder() / "out/cat.png";
  const auto painted = run(task("image", R"({"model":"org/t2i","prompt":"a cat","width":512,"height":256,"output":")" +
                                             out.string() + "\"}"));
  EXPECT_EQ(painted.root().at_pointer("/result/bytes").as_integer(), 5000) << painted.root().text();
  EXPECT_EQ(read_file(out).size(), 5000u);
  const auto outside = error_of(task("image", R"({"model":"org/t2i","prompt":"x","output":"/etc/cat.png"})"));
  EXPECT_EQ(outside, "file_denied");
  const auto inside = run(task("image", R"({"model":"org/t2i","prompt":"x","output":"cat.png"})"));
  EXPECT_TRUE(inside.root().at_pointer("/result/path").as_string().value_or("").ends_with("/cat.png")) << inside.root().text();
  const auto models = run(task("models", R"({"id":"openai/gpt-oss-120b"})"));
  EXPECT_EQ(models.root().at_pointer("/result/models/0/providers/0/pricing/input").as_number(), 0.15);
  EXPECT_EQ(run(task("whoami", "{}")).root().at_pointer("/result/name").as_string(), "simone");
  EXPECT_EQ(error_of(task("chat", chat(R"(,"model":"org/name\nX-Evil: 1")"))), "invalid_model");
  // The other calls have no price: they are counted, not taken for free.
  const std::string text = daemon.get("/v1/metrics/costs?period=today&by=model").body;
  EXPECT_NE(text.find("openai/gpt-oss-120b"), std::string::npos) << text;
  EXPECT_NE(text.find("0.000004"), std::string::npos) << text;
  EXPECT_NE(text.find("\"unpriced\":1"), std::string::npos) << text;
  EXPECT_EQ(daemon.log().find("hf_test"), std::string::npos);
  EXPECT_EQ(daemon.stop(), 0);
}

// The providers' facts, row 11: "HF dead host, no streaming": the base URL is a setting; the first token is
// delivered before the last is sent.
TEST_F(HuggingFaceTest, TheFirstTokenIsShownLongBeforeTheLastIsSent) {
  start({}, {"tokens=3000", "interval_ms=50"});  // two and a half minutes
  std::string events;
  std::atomic<bool> enough = false;
  std::thread watcher{[&] {
    ctl::Request request;
    request.target = "/v1/events?plugin=huggingface";
    request.silence_max = 20s;
    const auto seen = daemon.http().stream(request, {[&](std::string_view piece) {
                                                       events += piece;
                                                       return !enough;
                                                     },
                                                     [&] { return !enough; }});
    EXPECT_TRUE(seen) << seen.error().message;
  }};
  const std::string id = daemon.submit(task("chat", chat(R"(,"stream":true)")));
  EXPECT_TRUE(wait_until([&] {
    return daemon.show(id).root().at_pointer("/progress/text").as_string().value_or("").starts_with("w0");
  }));
  EXPECT_EQ(daemon.state_of(id), "running");
  EXPECT_TRUE(wait_until([&] {
    return daemon.show(id).root().at_pointer("/progress/text").as_string().value_or("").find(" w30") != std::string::npos;
  })) << "and the others as they come";
  enough = true;
  watcher.join();
  EXPECT_NE(events.find("event: task.progress"), std::string::npos) << events;
  EXPECT_NE(events.find("event: task.output"), std::string::npos) << events;
  EXPECT_EQ(daemon.call("POST", "/v1/tasks/" + id + "/cancel").status / 100, 2);
  EXPECT_TRUE(daemon.wait_for_state(id, "cancelled"));
  EXPECT_TRUE(wait_until([&] { return open_connections() == 0; })) << "the provider stops, too";
  EXPECT_EQ(daemon.stop(), 0);
}

// The providers' facts, row 12: "HF 503".
TEST_F(HuggingFaceTest, ModelsThatLoadAndLimits) {
  start("wait_max_seconds = 2\n");
  const std::string loading = R"({"kind":"status","status":503,"path":"/v1/","count":COUNT,)"
                              R"("body":"{\"error\":\"Model org/x is currently loading\",\"estimated_time\":0.2}"})";
  const auto times = [&](const std::string& count) {
    std::string text = loading;
    return text.replace(text.find("COUNT"), 5, count);
  };
  faults(times("2"));
  const auto loaded = run(task("chat", chat()));
  EXPECT_EQ(loaded.root().find("state").as_string(), "succeeded") << loaded.root().text();
  EXPECT_EQ(loaded.root().integer_or("attempt", -1), 1);
  faults(times("-1"));
  EXPECT_EQ(error_of(task("chat", chat(R"(,"stream":true)"))), "model_loading") << "endless loading ends after the cap";
  // Each way to say "in an hour": the task waits for it, and nothing else does.
  const std::time_t now = std::time(nullptr);
  char date[64];
  char soon[64];
  const std::time_t hour = now + 3600, almost = now + 3400;
  std::tm parts{};
  std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", ::gmtime_r(&hour, &parts));
  std::strftime(soon, sizeof soon, "%Y-%m-%dT%H:%M:%S", ::gmtime_r(&almost, &parts));
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
           {"Retry-After", "3600"}, {"Retry-After", date}, {"retry-after-ms", "3600000"},
           {"RateLimit", "\\\"api\\\";r=0;t=3600"}, {"RateLimit", "limit=100, remaining=0, reset=3600"},
           {"RateLimit-Reset", "3600"}, {"x-ratelimit-reset", std::to_string(hour)}}) {
    SCOPED_TRACE(name + ": " + value);
    faults(R"({"kind":"status","status":429,"path":"/v1/chat","headers":{")" + name + "\":\"" + value +
           "\"},\"body\":\"{\\\"error\\\":\\\"slow down\\\"}\"}");
    const std::string id = daemon.submit(task("chat", chat(), 3));
    ASSERT_TRUE(wait_until([&] { return daemon.state_of(id) == "scheduled"; })) << daemon.show(id).root().text();
    const auto shown = daemon.show(id);
    EXPECT_EQ(shown.root().at_pointer("/error/code").as_string(), "rate_limited") << shown.root().text();
    EXPECT_GT(shown.root().string_or("run_at", ""), soon) << shown.root().text();
  }
  EXPECT_EQ(daemon.stop(), 0);
}

TEST_F(HuggingFaceTest, EachFaultIsATypedError) {
  start("wait_max_seconds = 0\nidle_timeout_seconds = 0.5\nanswer_timeout_seconds = 0.5\n");
  const std::string html = R"("body":"<html>bad gateway</html>","content_type":"text/html")";
  const auto with = [&](const std::string& fault) {
    faults(fault);
    return error_of(task("chat", chat(R"(,"stream":true)")));
  };
  EXPECT_EQ(with(R"({"kind":"status","status":502,)" + html + "}"), "provider_error");
  EXPECT_EQ(with(R"({"kind":"status","status":404,)" + html + "}"), "wrong_url");
  EXPECT_EQ(with(R"({"kind":"status","status":402,"body":"{}"})"), "payment_required");
  EXPECT_EQ(with(R"({"kind":"status","status":200,"body":"","content_type":"text/event-stream"})"), "stream_cut");
  EXPECT_EQ(with(R"({"kind":"status","status":200,"body":"not json"})"), "bad_answer");
  EXPECT_EQ(with(R"({"kind":"content_type","content_type":"text/html"})"), "bad_answer");
  EXPECT_EQ(with(R"({"kind":"stream_end","pieces":3})"), "stream_cut");
  EXPECT_EQ(with(R"({"kind":"stream_end","pieces":3,"body":"data: {\"error\":\"overloaded\"}\n\n"})"), "provider_error");
  EXPECT_EQ(with(R"({"kind":"stream_break","pieces":3})"), "connection_lost");
  EXPECT_EQ(with(R"({"kind":"reset"})"), "connection_lost");
  EXPECT_EQ(with(R"({"kind":"silence"})"), "timed_out");
  EXPECT_EQ(with(R"({"kind":"huge","content_type":"text/event-stream"})"), "event_too_big") << "a line without end";
  EXPECT_EQ(with(R"({"kind":"huge"})"), "bad_answer");
  EXPECT_EQ(with(R"({"kind":"latency","milliseconds":100})"), "") << "late, but right";
  const auto whole = [&](const std::string& fault) {
    faults(fault);
    return error_of(task("chat", chat()));
  };
  EXPECT_EQ(whole(R"({"kind":"truncate"})"), "connection_lost");
  EXPECT_EQ(whole(R"({"kind":"reset"})"), "connection_lost");
  EXPECT_EQ(whole(R"({"kind":"silence"})"), "timed_out");
  EXPECT_EQ(whole(R"({"kind":"latency","milliseconds":100})"), "");
  EXPECT_EQ(whole(R"({"kind":"status","status":503,)" + html + "}"), "provider_error");
  EXPECT_EQ(whole(R"({"kind":"status","status":200,)" + html + "}"), "bad_answer");
  EXPECT_EQ(whole(R"({"kind":"huge"})"), "response_too_big");
  EXPECT_EQ(whole(R"({"kind":"drip","milliseconds":20})"), "timed_out");
  faults("");
  EXPECT_EQ(error_of(task("chat", chat())), "");
  EXPECT_EQ(daemon.stop(), 0);
}

// The origin's row: start, 1,000 inferences, stop; the providers' facts, row 13: "client cleanup list".  What
// valgrind says of it: nothing_leaks.sh.
TEST_F(HuggingFaceTest, AThousandInferencesLeaveNoConnection) {
  constexpr int count = 1000;
  start("requests_per_provider_max = 128\n[plugin.huggingface.limits]\ncalls_max = 128\n"
        "http_connections_per_host_max = 128\n");
  ASSERT_EQ(daemon.submit_many(task("chat", chat(R"(,"stream":true)"), 3), count).size(), std::size_t{count});
  ASSERT_TRUE(wait_until([&] { return daemon.count({"succeeded", "failed", "timed_out"}) == count; }, 90s))
      << daemon.get("/v1/status").body;
  EXPECT_EQ(daemon.count({"succeeded"}), count);
  EXPECT_EQ(daemon.stop(), 0);
  EXPECT_TRUE(wait_until([&] { return open_connections() == 0; })) << open_connections();
}

}  // namespace
}  // namespace cofounder::test
