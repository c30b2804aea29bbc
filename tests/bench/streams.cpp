// SPDX-License-Identifier: Apache-2.0
// bench_streams [CHATS [TOKENS [INTERVAL_MS]]]: so many streaming chats at once through one daemon
// (1000, 100, 50), against the simulator of Hugging Face's router.  Prints one line of JSON: the wall
// time beside the ideal one, the daemon's memory, and how long a first token takes from the
// simulator's write to the progress event at a client of the control socket.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/real_daemon.hpp"

namespace {

using cofounder::test::RealDaemon;
using Steady = std::chrono::steady_clock;
namespace fs = std::filesystem;

[[noreturn]] void die(const std::string& text) {
  std::fprintf(stderr, "bench_streams: %s\n", text.c_str());
  std::exit(1);
}

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(Steady::now().time_since_epoch()).count();
}

// A figure of /proc/PID/status in KiB.
long memory_kib(pid_t pid, const char* name) {
  const std::string text = cofounder::test::read_file("/proc/" + std::to_string(pid) + "/status");
  const auto at = text.find(name);
  return at == std::string::npos ? -1 : std::atol(text.c_str() + at + std::string_view{name}.size() + 1);
}

// Follows the events until all tasks are over.
struct Watcher {
  int wanted = 0;
  int succeeded = 0, failed = 0, gaps = 0;
  std::int64_t ended_ns = 0;
  std::vector<double> first_token_ms;
  std::set<std::string> seen;  // stamps: a later event shows the first token again
  std::string rest;

  bool take(std::string_view piece) {
    const std::int64_t now = now_ns();
    rest += piece;
    std::size_t from = 0;
    for (std::size_t end = 0; (end = rest.find('\n', from)) != std::string::npos; from = end + 1) {
      line(std::string_view{rest}.substr(from, end - from), now);
    }
    rest.erase(0, from);
    if (succeeded + failed < wanted) return true;
    ended_ns = now;
    return false;
  }
  void line(std::string_view text, std::int64_t now) {
    if (text.starts_with("event: ")) {
      succeeded += text == "event: task.succeeded";
      failed += text == "event: task.failed" || text == "event: task.timed_out";
      gaps += text == "event: gap";
      return;
    }
    constexpr std::string_view mark = "\"text\":\"t";
    const auto at = text.find(mark);
    if (at == std::string_view::npos) return;
    const std::string stamp{text.substr(at + mark.size(), text.find(' ', at) - at - mark.size())};
    if (!seen.insert(stamp).second) return;
    first_token_ms.push_back(static_cast<double>(now - std::atoll(stamp.c_str())) / 1e6);
  }
};

double percentile(std::vector<double>& values, double part) {
  if (values.empty()) return -1;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<std::size_t>(static_cast<double>(values.size()) * part))];
}

void configure(const RealDaemon& daemon, int port, int chats) {
  cofounder::test::write_file(daemon.folder() / "token", "hf_test\n");
  fs::permissions(daemon.folder() / "token", fs::perms{0600});
  const std::string count = std::to_string(chats);
  daemon.configure("[scheduler]\nrunning_max = " + count + "\n[plugin.huggingface]\nrouter_url = \"http://127.0.0.1:" +
                   std::to_string(port) + "\"\ntoken = { file = \"" + (daemon.folder() / "token").string() +
                   "\" }\nrequests_per_provider_max = " + count + "\n[plugin.huggingface.limits]\ncalls_max = " + count +
                   "\nhttp_connections_per_host_max = " + count + "\n");
}

}  // namespace

int main(int argc, char** argv) {
  const auto number = [&](int at, int fallback) { return argc > at ? std::atoi(argv[at]) : fallback; };
  const int chats = number(1, 1000), tokens = number(2, 100), interval_ms = number(3, 50);
  if (chats < 1 || tokens < 1 || interval_ms < 1) die("CHATS, TOKENS and INTERVAL_MS are at least 1");
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);

  RealDaemon daemon{{"plugins/huggingface.so"}};
  const fs::path port_file = daemon.folder() / "port";
  const cofounder::test::Child simulator{{{COFOUNDER_BINARY_DIR "/bin/huggingface_simulator", "--port-file", port_file.string(),
                                           "server=one_thread", "stamps=1", "tokens=" + std::to_string(tokens),
                                           "interval_ms=" + std::to_string(interval_ms)},
                                          {},
                                          -1}};
  if (!cofounder::test::wait_until([&] { return !cofounder::test::read_file(port_file).empty(); })) die("no simulator");
  configure(daemon, std::atoi(cofounder::test::read_file(port_file).c_str()), chats);
  if (!daemon.start()) die(daemon.log());

  Watcher watcher;
  watcher.wanted = chats;
  std::thread watching{[&] {
    cofounder::ctl::Request request;
    request.target = "/v1/events?plugin=huggingface";
    request.silence_max = std::chrono::milliseconds{60'000};
    const auto seen = daemon.http().stream(request, {[&](std::string_view piece) { return watcher.take(piece); },
                                                     [] { return false; }});
    if (!seen) die("events: " + seen.error().message);
  }};
  const std::string task =
      R"({"op":"huggingface.chat","attempts_max":1,"args":{"model":"openai/gpt-oss-120b","stream":true,)"
      R"("messages":[{"role":"user","content":"count"}]}})";
  const std::int64_t begin = now_ns();
  if (static_cast<int>(daemon.submit_many(task, chats).size()) != chats) die("not all were taken");
  watching.join();
  const double wall_s = static_cast<double>(watcher.ended_ns - begin) / 1e9;
  const double ideal_s = (tokens - 1) * interval_ms / 1000.0;
  const long peak = memory_kib(daemon.child().pid(), "VmHWM:");
  std::printf("{\"chats\": %d, \"tokens\": %d, \"interval_ms\": %d, \"succeeded\": %d, \"failed\": %d, \"gaps\": %d, "
              "\"wall_s\": %.3f, \"ideal_s\": %.3f, \"ratio\": %.3f, \"daemon_peak_mib\": %.1f, "
              "\"first_tokens\": %zu, \"first_token_p50_ms\": %.2f, \"first_token_p99_ms\": %.2f}\n",
              chats, tokens, interval_ms, watcher.succeeded, watcher.failed, watcher.gaps, wall_s, ideal_s,
              ideal_s > 0 ? wall_s / ideal_s : 0, static_cast<double>(peak) / 1024, watcher.first_token_ms.size(),
              percentile(watcher.first_token_ms, 0.5), percentile(watcher.first_token_ms, 0.99));
  const bool stopped = daemon.stop() == 0;
  return watcher.failed == 0 && stopped ? 0 : 1;
}
